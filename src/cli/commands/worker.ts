import { Option, type Command } from 'commander'
import type { SourceName } from '../../pipeline/open-source.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import type { WorkerFlags } from '../worker-run.ts'

/** What backfill-all starts; nobody types it. */
export function register(program: Command, cli: Cli): void {
  program
    .command('worker', { hidden: true })
    .description('serve the run that started this process')
    .option('--run <id>', 'run of which this is a part')
    .addOption(
      new Option('--source <name>')
        .choices(['polygon', 'simulator'] satisfies SourceName[])
        .default('polygon'),
    )
    .action(
      cli.action(
        async (context: RunContext, flags: WorkerFlags) =>
          await (await import('../worker-run.ts')).runWorker(context, flags),
        { batch: true, graceful: true, reloads: true, partOf: 'run' },
      ),
    )
}
