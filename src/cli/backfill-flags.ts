import { InvalidArgumentError, Option, type Command } from 'commander'
import type { SeriesId } from '../lake/layout.ts'
import { DATASETS, datasetNamed } from '../market/datasets/index.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import type { SourceName } from '../pipeline/open-source.ts'
import { wholeNumber } from './arguments.ts'

/** Flags that `backfill` and `plan` share. */
export interface BackfillFlags {
  readonly ticker: readonly string[]
  readonly from?: string
  readonly to?: string
  readonly days?: number
  readonly lastSession?: boolean
  readonly timespan?: keyof typeof TIMESPANS
  readonly dataset?: readonly string[]
  readonly source: SourceName
  readonly force?: boolean
}

const TIMESPANS = {
  second: 'equity_bars_1s',
  minute: 'equity_bars_1m',
  hour: 'equity_bars_1h',
  day: 'equity_bars_1d',
} as const

const SHORT_NAMES: Readonly<Record<string, string>> = { trades: 'equity_trades', quotes: 'equity_quotes' }

export function addBackfillFlags(command: Command): Command {
  const names = [...Object.keys(SHORT_NAMES), ...DATASETS.map(({ name }) => name)]
  return command
    .requiredOption('--ticker <symbol>', 'stock to record; repeat it, or separate by commas', tickers)
    .option('--from <date>', 'first session, YYYY-MM-DD, New York date, inclusive')
    .option('--to <date>', 'last session, inclusive (default: the last finished one)')
    .addOption(
      new Option('--days <n>', 'the last N sessions up to --to').argParser(wholeNumber(1)).conflicts('from'),
    )
    .addOption(
      new Option('--last-session', 'only the last finished session').conflicts(['from', 'to', 'days']),
    )
    .addOption(
      new Option('--timespan <span>', 'length of a bar').choices(Object.keys(TIMESPANS)).conflicts('dataset'),
    )
    .option('--dataset <name>', `what to record: ${names.join(', ')} (default: minute bars)`, datasets)
    .addOption(
      new Option('--source <name>', 'where the data comes from')
        .choices(['polygon', 'simulator'] satisfies SourceName[])
        .default('polygon'),
    )
    .option('--force', 'record sessions again that are held already')
}

const TICKER = /^[A-Za-z0-9][A-Za-z0-9.:\-_/^]*$/

function tickers(text: string, before: readonly string[] = []): string[] {
  const given = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
  const bad = given.find((word) => !TICKER.test(word) || word.length > 32)
  if (bad !== undefined || given.length === 0) {
    throw new InvalidArgumentError(
      `'${bad ?? text}' is not a ticker; write it as the exchange does: SPY, BRK.B.`,
    )
  }
  return [...new Set([...before, ...given])]
}

function datasets(text: string, before: readonly string[] = []): string[] {
  const given = text.split(',').map((word) => word.trim())
  return [...new Set([...before, ...given.map((name) => datasetNamed(SHORT_NAMES[name] ?? name).name)])]
}

/** The series that the flags mean, in the order given. */
export function seriesOf(flags: BackfillFlags): SeriesId[] {
  const chosen: readonly DatasetDefinition[] = flags.dataset
    ? flags.dataset.map(datasetNamed)
    : [datasetNamed(TIMESPANS[flags.timespan ?? 'minute'])]
  return flags.ticker.flatMap((ticker) => chosen.map((dataset) => ({ dataset, ticker })))
}
