import { InvalidArgumentError, Option, type Command } from 'commander'
import type { SeriesId } from '../lake/layout.ts'
import { DATASETS, datasetNamed } from '../market/datasets/index.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { underlyingNamed } from '../market/underlyings.ts'
import { UsageError } from '../core/errors.ts'
import type { SourceName } from '../pipeline/open-source.ts'
import { isTicker, tickerHint } from '../pipeline/universe.ts'
import { day, wholeNumber } from './arguments.ts'

/** Flags that `backfill` and `plan` share. */
export interface BackfillFlags {
  readonly ticker?: readonly string[]
  readonly underlying?: readonly string[]
  /** One session, instead of a range. */
  readonly date?: string
  readonly from?: string
  readonly to?: string
  readonly days?: number
  readonly lastSession?: boolean
  readonly timespan?: keyof typeof TIMESPANS
  readonly dataset?: readonly string[]
  readonly source: SourceName
  readonly force?: boolean
  /** Ask once more for sessions whose re-check is due. */
  readonly recheck?: boolean
}

const TIMESPANS = {
  second: 'equity_bars_1s',
  minute: 'equity_bars_1m',
  hour: 'equity_bars_1h',
  day: 'equity_bars_1d',
} as const

const SHORT_NAMES: Readonly<Record<string, string>> = { trades: 'equity_trades', quotes: 'equity_quotes' }

export function addBackfillFlags(command: Command): Command {
  return addRangeFlags(
    command
      .option('--ticker <symbol>', 'stock to record; repeat it, or separate by commas', tickers)
      .option('--underlying <symbol>', 'for options: record the discovered contracts on it', tickers)
      .option(
        '--recheck',
        'ask again for sessions recorded lately: vendors correct them (versions.recheckSessions); ' +
          'rows that come too late go to quarantine (versions.lateDays)',
      ),
  )
}

/** The flags that say what to record and of which sessions, but not of which tickers. */
export function addRangeFlags(command: Command): Command {
  const names = [...Object.keys(SHORT_NAMES), ...DATASETS.map(({ name }) => name)]
  return command
    .option('--from <date>', 'first session, YYYY-MM-DD, New York date, inclusive', day)
    .option('--to <date>', 'last session, inclusive (default: the last finished one)', day)
    .addOption(
      new Option('--date <date>', 'only this session')
        .argParser(day)
        .conflicts(['from', 'to', 'days', 'lastSession']),
    )
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
    .option('--force', 'record sessions again that are held already, with rows that come however late')
}

/** Reads `--ticker`: repeated, or separated by commas. */
export function tickers(text: string, before: readonly string[] = []): string[] {
  const given = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
  const bad = given.find((word) => !isTicker(word))
  if (bad !== undefined || given.length === 0) {
    throw new InvalidArgumentError(`'${bad ?? text}' is not a ticker; ${tickerHint(bad ?? text)}`)
  }
  return [...new Set([...before, ...given])]
}

function datasets(text: string, before: readonly string[] = []): string[] {
  const given = text.split(',').map((word) => word.trim())
  return [...new Set([...before, ...given.map((name) => datasetNamed(SHORT_NAMES[name] ?? name).name)])]
}

/** Datasets that are not history: what records them instead. */
const RECORDED_BY: Readonly<Record<string, string>> = {
  option_contracts: 'tapelake discover --underlying SPY',
  option_chain: 'tapelake snapshot-chain --underlying SPY',
}

/**
 * The series that the flags mean, in the order given.
 *
 * @throws {UsageError} when a dataset lacks its `--ticker` or `--underlying`, or one is given for nothing
 */
export function seriesOf(flags: BackfillFlags): SeriesId[] {
  const chosen: readonly DatasetDefinition[] = flags.dataset
    ? flags.dataset.map(datasetNamed)
    : [datasetNamed(TIMESPANS[flags.timespan ?? 'minute'])]
  for (const { name } of chosen) {
    if (name === 'futures_bars_1m') {
      throw new UsageError(`no source serves ${name} yet`, {
        hint: `Files of it come in by \`tapelake import FILE --dataset ${name}\`.`,
      })
    }
    const command = RECORDED_BY[name]
    if (command !== undefined) {
      throw new UsageError(`${name} has no history to backfill`, {
        hint: `It is recorded by \`${command}\`.`,
      })
    }
  }
  refuseIdle(flags, chosen)
  const pairs = chosen.flatMap((dataset) => namesFor(dataset, flags).map((ticker) => ({ dataset, ticker })))
  return [...pairs].sort((a, b) => rank(a, flags) - rank(b, flags))
}

/** Tickers in the order given, all datasets of one before the next. */
const rank = ({ dataset, ticker }: SeriesId, flags: BackfillFlags): number =>
  namesFor(dataset, flags).indexOf(ticker)

function namesFor(dataset: DatasetDefinition, { ticker, underlying }: BackfillFlags): readonly string[] {
  if (isOptionHistory(dataset)) return (underlying ?? []).map((name) => underlyingNamed(name).symbol)
  return ticker ?? []
}

function refuseIdle({ ticker, underlying }: BackfillFlags, chosen: readonly DatasetDefinition[]): void {
  const options = chosen.find(isOptionHistory)
  const others = chosen.find((dataset) => !isOptionHistory(dataset))
  if (options && !underlying) {
    throw new UsageError(`--underlying is missing: ${options.name} is recorded by underlying`, {
      hint: `Say --dataset ${options.name} --underlying SPY.`,
    })
  }
  if (others && !ticker) {
    const hint = underlying ? 'For options say --dataset option_bars_1m.' : 'Say --ticker SPY.'
    throw new UsageError(`--ticker is missing: what shall be recorded of ${others.name}?`, { hint })
  }
  const foreign = others && ticker?.find((name) => /^[A-Z]:/.test(name))
  if (foreign !== undefined) {
    throw new UsageError(`'${foreign}' is no stock, and ${others?.name ?? ''} holds stocks`, {
      hint: 'Options are recorded by underlying: --dataset option_bars_1m --underlying SPY.',
    })
  }
  if (ticker && !others)
    throw new UsageError('--ticker makes no sense for options', { hint: 'Say --underlying.' })
  if (underlying && !options) {
    throw new UsageError('--underlying makes no sense without options', {
      hint: 'Say --dataset option_bars_1m.',
    })
  }
}

/** True for the datasets whose history is that of discovered contracts. */
export const isOptionHistory = (dataset: DatasetDefinition): boolean => seriesKeyOf(dataset) === 'underlying'

/** True when the flags say nothing about dates. */
export const saysNoDates = ({ from, to, days, date, lastSession }: BackfillFlags): boolean =>
  from === undefined && to === undefined && days === undefined && date === undefined && lastSession !== true
