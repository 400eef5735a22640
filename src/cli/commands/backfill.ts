import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import { addBackfillFlags } from '../backfill-flags.ts'
import type { RecordFlags } from '../backfill-run.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { addMetricsFlags } from '../metrics-flags.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = addMetricsFlags(
    addBackfillFlags(
      program
        .command('backfill')
        .description('record history into the lake; run it again to go on or to catch up'),
    ),
  )
    .option('--plan', 'print the plan and stop (the same as tapelake plan)')
    .option('--dry-run', 'the same as --plan')
    .option(
      '--wait <seconds>',
      'wait for another writer of the same series instead of exit 6',
      wholeNumber(0),
    )
    .action(
      cli.action(
        async (context: RunContext, flags: RecordFlags) =>
          await (await import('../backfill-run.ts')).backfill(context, flags),
        { batch: true, graceful: true, reloads: true },
      ),
    )
  examples(
    command,
    ['backfill --ticker SPY', 'go on from what is held, else the last 500 sessions'],
    ['backfill --ticker SPY --from 2020-01-02 --to 2024-12-31', 'five years of minute bars'],
    ['backfill --ticker SPY,QQQ --last-session', 'what cron runs at night'],
    ['backfill --ticker SPY --days 10 --recheck', 'what is missing, and what may have been corrected'],
    ['backfill --ticker SPY --days 5 --source simulator', 'synthetic data, no key needed'],
    ['backfill --dataset option_bars_1m --underlying SPY', 'the contracts that `discover` found'],
  )
}
