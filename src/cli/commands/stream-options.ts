import type { Command } from 'commander'
import { day } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'
import { addLiveFlags, type StreamOptionsFlags } from '../stream-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = addLiveFlags(
    program
      .command('stream-options')
      .description('record the minute bars of the contracts that discover found')
      .requiredOption('--date <date>', 'day of the discovery, YYYY-MM-DD', day)
      .option('--underlying <symbol>', 'stock, fund or index: SPY, SPX', 'SPY'),
  ).action(
    cli.action(
      async (context: RunContext, flags: StreamOptionsFlags) =>
        await (await import('../stream-run.ts')).streamOptions(context, flags),
      { graceful: true, reloads: true },
    ),
  )
  examples(
    command,
    ['stream-options --date 2025-06-05', 'the contracts of SPY that were discovered for that day'],
    ['stream-options --date 2025-06-05 --underlying SPX', 'an index, its weeklies included'],
  )
}
