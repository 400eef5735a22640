import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { RestoreFlags } from '../backup-run.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('restore')
    .argument('<dir>', 'folder of the backups')
    .description('make the lake of --data-dir what a backup says it was, and prove that it is')
    .option('--at <id>', 'which backup (default: the newest)')
    .option('--list', 'list the backups in the folder and stop')
    .option('--wait <seconds>', 'wait for a writer of a series instead of exit 6', wholeNumber(0))
    .action(
      cli.action(
        async (context: RunContext, flags: RestoreFlags, dir: string) =>
          await (await import('../backup-run.ts')).restore(context, flags, dir),
      ),
    )
  examples(
    command,
    ['restore /mnt/backup/tapelake --data-dir ./restored', 'the newest, into a folder of its own'],
    ['restore /mnt/backup/tapelake --list', 'what there is'],
  )
}
