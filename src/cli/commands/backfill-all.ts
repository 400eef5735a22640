import { InvalidArgumentError, Option, type Command } from 'commander'
import { isTicker } from '../../pipeline/universe.ts'
import type { Priority } from '../../pipeline/workers/work-queue.ts'
import { wholeNumber } from '../arguments.ts'
import type { BackfillAllFlags } from '../backfill-all-run.ts'
import { addRangeFlags } from '../backfill-flags.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { addMetricsFlags } from '../metrics-flags.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = addMetricsFlags(
    addRangeFlags(
      addUniverseFlags(
        program
          .command('backfill-all')
          .description('record the history of many tickers with worker processes; run it again to go on'),
      ),
    ),
  )
    .addOption(
      new Option(
        '--priority <order>',
        'what comes first: newest, oldest, ticker (one after the other), or tickers',
      )
        .argParser(priority)
        .default('newest'),
    )
    .option('--plan', 'print the plan and stop')
    .option('--dry-run', 'the same as --plan')
    .option('--wait <seconds>', 'wait for another writer of a series instead of exit 6', wholeNumber(0))
    .action(
      cli.action(
        async (context: RunContext, flags: BackfillAllFlags) =>
          await (await import('../backfill-all-run.ts')).runBackfillAll(context, flags),
        { graceful: true, reloads: true },
      ),
    )
  examples(
    command,
    ['backfill-all', 'the configured universe (sources.polygon.equities)'],
    ['backfill-all --tickers SPY,QQQ,AAPL --from 2021-01-04', 'five years of minute bars each'],
    ['backfill-all --tickers @universe.txt --workers 4', 'a file of tickers, four processes'],
    ['backfill-all --tickers SPY,QQQ --days 5 --source simulator', 'synthetic data, no key needed'],
  )
}

/** The flags `--tickers` and `--workers`. */
export function addUniverseFlags(command: Command): Command {
  return command
    .option('--tickers <list>', 'tickers separated by commas, @file for a file of them', words)
    .option('--workers <n>', 'worker processes (default: workers.count, else one per core)', wholeNumber(1))
}

const words = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
]

function priority(text: string): Priority {
  if (text === 'newest' || text === 'oldest' || text === 'ticker') return text
  const list = words(text)
  const bad = list.find((word) => !isTicker(word))
  if (bad === undefined && list.length > 0) return list
  throw new InvalidArgumentError('Expected newest, oldest, ticker, or tickers that come first.')
}
