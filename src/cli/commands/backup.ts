import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { BackupFlags } from '../backup-run.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('backup')
    .argument('<dir>', 'folder of the backups; the next one writes only what is new')
    .description('copy the lake into a folder while writers go on, and read back what was written')
    .option(
      '--keep <count>',
      'keep the newest so many backups in the folder, remove the older',
      wholeNumber(1),
    )
    .option('--check', 'read what earlier backups wrote again, too, and mend it')
    .option('--wait <seconds>', 'wait for another backup into the folder instead of exit 6', wholeNumber(0))
    .action(
      cli.action(
        async (context: RunContext, flags: BackupFlags, dir: string) =>
          await (await import('../backup-run.ts')).backup(context, flags, dir),
      ),
    )
  examples(
    command,
    ['backup /mnt/backup/tapelake --keep 14', 'every night: two weeks of backups'],
    ['backup /mnt/backup/tapelake --check', 'now and then: read all of them again'],
  )
}
