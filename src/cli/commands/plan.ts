import type { Command } from 'commander'
import { addBackfillFlags, type BackfillFlags } from '../backfill-flags.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = addBackfillFlags(
    program
      .command('plan')
      .description('what a backfill would cost: calls, minutes, rows, bytes; asks nobody'),
  ).action(
    cli.action(async (context: RunContext, flags: BackfillFlags) => {
      const { plan } = await import('../backfill-plan.ts')
      await plan(context, flags)
    }),
  )
  examples(
    command,
    ['plan --ticker SPY --from 2021-01-04', 'years of minute bars'],
    ['plan --ticker SPY --dataset trades --days 5', 'a week of trades'],
    ['plan --ticker SPY --days 10 --recheck', 'what is missing, and what may have been corrected'],
  )
}
