import type { Command } from 'commander'
import { day } from '../arguments.ts'
import { tickers } from '../backfill-flags.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'
import { addLiveFlags, channels, type StreamFlags } from '../stream-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = addLiveFlags(
    program
      .command('stream')
      .description('record the live session; what was not received is fetched over REST')
      .requiredOption('--ticker <symbol>', 'stock to record; repeat it, or separate by commas', tickers)
      .option('--channel <name>', 'AM minute bars (default), A second bars, T trades, Q quotes', channels),
  )
    .option(
      '--date <date>',
      'session to record (default: the one under way, or the next one today; simulator: the last finished one)',
      day,
    )
    .action(
      cli.action(
        async (context: RunContext, flags: StreamFlags) =>
          await (await import('../stream-run.ts')).stream(context, flags),
        { graceful: true, reloads: true },
      ),
    )
  examples(
    command,
    ['stream --ticker SPY', 'wait for the open, record minute bars, end with the session'],
    ['stream --ticker SPY,QQQ --channel AM,T', 'trades too'],
    ['stream --ticker SPY --source simulator', 'a synthetic session at full speed, no key needed'],
  )
}
