import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import type { UnderlyingFlags } from '../option-run.ts'
import { examples } from '../program-text.ts'
import { addUnderlyingFlags } from './discover.ts'

export function register(program: Command, cli: Cli): void {
  const command = addUnderlyingFlags(
    program.command('snapshot-chain').description('record the whole option chain as it is now'),
  ).action(
    cli.action(
      async (context: RunContext, flags: UnderlyingFlags) =>
        await (await import('../option-run.ts')).runSnapshotChain(context, flags),
    ),
  )
  examples(
    command,
    ['snapshot-chain --underlying SPY', 'prices, greeks, volatility and open interest of every contract'],
    ['snapshot-chain --underlying SPX --json', 'an index; the counts as JSON'],
  )
}
