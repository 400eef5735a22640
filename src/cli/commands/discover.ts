import { InvalidArgumentError, Option, type Command } from 'commander'
import type { SourceName } from '../../pipeline/open-source.ts'
import { day, wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import type { DiscoverFlags } from '../option-run.ts'
import { addMetricsFlags } from '../metrics-flags.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = addUnderlyingFlags(
    program.command('discover').description('find the option contracts around the price that expire soon'),
  )
    .option('--date <date>', "session, YYYY-MM-DD (default: today's, else the next one)", day)
    .option('--strike-range <ratio>', 'distance of strikes from the price, 0.01 is ±1 %', ratio, 0.01)
    .option('--expiry-days <n>', 'calendar days ahead, inclusive; 0 is the same day', wholeNumber(0), 0)
    .action(
      cli.action(
        async (context: RunContext, flags: DiscoverFlags) =>
          await (await import('../option-run.ts')).runDiscover(context, flags),
      ),
    )
  examples(
    command,
    ['discover', "today's 0-DTE contracts of SPY within 1 % of the opening price"],
    ['discover --underlying SPX --strike-range 0.005', 'an index, its weeklies (SPXW) included'],
    ['discover --underlying AAPL --expiry-days 7', 'what expires within a week'],
    ['discover --date 2025-06-05 --source simulator', 'synthetic data, no key needed'],
  )
}

/** The flags `--underlying`, `--source` and `--wait`. */
export function addUnderlyingFlags(command: Command): Command {
  return addMetricsFlags(command)
    .option('--underlying <symbol>', 'stock, fund or index: SPY, SPX', 'SPY')
    .addOption(
      new Option('--source <name>', 'where the data comes from')
        .choices(['polygon', 'simulator'] satisfies SourceName[])
        .default('polygon'),
    )
    .option(
      '--wait <seconds>',
      'wait for another writer of the same series instead of exit 6',
      wholeNumber(0),
    )
}

function ratio(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN
  if (value >= 0 && value <= 10) return value
  throw new InvalidArgumentError('Expected a ratio from 0 to 10; 0.01 is ±1 %.')
}
