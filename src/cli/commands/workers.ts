import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'
import type { StopFlags } from '../workers-run.ts'

export function register(program: Command, cli: Cli): void {
  const workers = program
    .command('workers')
    .description('the worker processes of backfill-all: list and stop them')
    .helpCommand(false)
  examples(
    workers,
    ['workers list', 'who is at work, on which ticker, since when'],
    ['workers stop --all', 'end the run: what is in hand is finished and kept'],
  )
  const list = workers
    .command('list')
    .description('the processes at work in the data directory')
    .action(
      cli.action(
        async (context: RunContext) => await (await import('../workers-run.ts')).listWorkers(context),
      ),
    )
  examples(list, ['workers list --json', 'for scripts'])
  const stop = workers
    .command('stop')
    .description('end a worker, or all and their runs: ask first, kill what does not end')
    .argument('[id]', 'pid of a worker, or the ticker that it has in hand')
    .option('--all', 'all workers, and the runs that they belong to')
    .option(
      '--within <seconds>',
      'time to finish before being killed (default: workers.stopSeconds)',
      wholeNumber(0),
    )
    .action(
      cli.action(
        async (context: RunContext, flags: StopFlags, id: string | undefined) =>
          await (await import('../workers-run.ts')).stopWorkers(context, flags, id),
      ),
    )
  examples(
    stop,
    ['workers stop 4711', 'one worker; the others take over what it has left'],
    ['workers stop --all --within 60', 'everything, with a minute to finish'],
  )
}
