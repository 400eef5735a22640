import type { Batch } from '../../core/batch.ts'
import { PipelineError, UsageError } from '../../core/errors.ts'
import { mapColumns, rowKindOf, type RowKind } from '../../lake/import/columns.ts'
import { refuseFile } from '../../lake/import/import-error.ts'
import type { ImportFile } from '../../lake/import/import-file.ts'
import { ImportStaging, type TimeCounts } from '../../lake/import/staging.ts'
import { seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import { datasetNamed, DATASETS } from '../../market/datasets/index.ts'
import { parseOptionSymbol } from '../../market/symbols.ts'
import { countTimes, pageRows, readPages } from './pages.ts'

/** Rows of files, all of them read and checked, waiting to enter the lake. */
export interface ImportRows {
  readonly dataset: DatasetDefinition
  /** Columns of the files that nothing was taken from. */
  readonly ignored: readonly string[]
  /** Tickers of series, in order. */
  readonly series: readonly string[]
  /** What the files themselves say of their origin; undefined where they say nothing. */
  readonly provenance: 'real' | 'synthetic' | undefined
  rows(): AsyncGenerator<{ readonly series: string; readonly batch: Batch }>
  close(): Promise<void>
}

export interface ImportRowsOptions {
  /** Undefined: found out from the files. */
  readonly dataset: DatasetDefinition | undefined
  /** Only these tickers (of options: underlyings); the first names rows that do not name theirs. */
  readonly tickers: readonly string[] | undefined
  readonly scratch: string
  readonly signal: AbortSignal
}

/**
 * Reads `files`, which are of one kind, to their ends.
 *
 * @throws {ImportRefusedError} naming the file, and the line, of what cannot be read
 * @throws {UsageError} when it cannot be told which dataset the rows belong to
 */
export async function openImportRows(
  files: readonly ImportFile[],
  options: ImportRowsOptions,
): Promise<ImportRows> {
  const [first] = files
  const other = files.find(({ kind }) => kind !== first!.kind)
  if (other) {
    throw new UsageError(`${first!.path} is ${first!.kind} and ${other.path} is ${other.kind}`, {
      hint: 'Import files of one kind at a time.',
    })
  }
  return first!.kind === 'json' ? await openPages(files, options) : await openTables(files, options)
}

async function openPages(
  files: readonly ImportFile[],
  { dataset: wanted, tickers, signal }: ImportRowsOptions,
): Promise<ImportRows> {
  const pages = []
  for (const file of files) pages.push(await readPages(file, signal))
  const kind = rowKindOf([...new Set(pages.flatMap(({ fields }) => fields))])
  const ticker = tickers?.[0]
  const probe = wanted ?? datasetOfKind(kind, files[0]!)
  let found = pageRows(pages, probe, ticker)
  const dataset =
    wanted ??
    decide(probe, kind, [...found.keys()], files, () =>
      countTimes([...found.values()].flat(), probe.eventColumn),
    )
  if (dataset !== probe) found = pageRows(pages, dataset, ticker)
  const seriesOf = seriesMap(dataset, [...found.keys()], tickers, files)
  const bySeries = [...seriesOf].sort(([, a], [, b]) => (a < b ? -1 : Number(a > b)))
  return {
    ...{
      dataset,
      ignored: [],
      provenance: undefined,
      series: [...new Set(bySeries.map(([, name]) => name))],
    },
    async *rows() {
      for (const [name, series] of bySeries) for (const batch of found.get(name)!) yield { series, batch }
    },
    close: () => Promise.resolve(),
  }
}

async function openTables(files: readonly ImportFile[], options: ImportRowsOptions): Promise<ImportRows> {
  const staging = await ImportStaging.open(options.scratch)
  try {
    return await stageTables(staging, files, options)
  } catch (error) {
    await staging.close()
    throw error
  }
}

async function stageTables(
  staging: ImportStaging,
  files: readonly ImportFile[],
  { dataset: wanted, tickers }: ImportRowsOptions,
): Promise<ImportRows> {
  const ignored = new Set<string>()
  const stories = new Set<string>()
  const ticker = tickers?.length === 1 ? tickers[0] : undefined
  let probe = wanted
  let kind: RowKind | undefined
  for (const file of files) {
    const isParquet = file.kind === 'parquet'
    const names = isParquet ? [...(await staging.parquetColumns(file)).keys()] : file.header
    const story = isParquet ? await staging.parquetMetadata(file) : {}
    if (story['tapelake.provenance'] !== undefined) stories.add(story['tapelake.provenance'])
    const told = story['tapelake.dataset']
    if (told === undefined) kind ??= rowKindOf(names)
    if (told !== undefined && probe && !wanted && told !== probe.name)
      throw new UsageError(`${file.path} holds ${told}, the file before it ${probe.name}; import them apart`)
    probe ??= told === undefined ? datasetOfKind(kind, file) : datasetNamed(told)
    const mapping = mapColumns(probe, names, ticker !== undefined, file.path)
    for (const name of mapping.ignored) ignored.add(name)
    await (isParquet
      ? staging.addParquet(file, probe, mapping, ticker)
      : staging.addCsv(file, probe, mapping, ticker))
  }
  await staging.finish()
  const names = await staging.tickers()
  const counts = kind === 'bars' && !wanted ? await staging.timeCounts('timestamp') : undefined
  const dataset = wanted ?? decide(probe!, kind, names, files, () => counts!)
  const seriesOf = seriesMap(dataset, names, tickers, files)
  return {
    ...{ dataset, ignored: [...ignored], provenance: onlyStory(stories) },
    series: [...new Set(seriesOf.values())].sort(),
    rows: () => staging.rows(dataset, seriesOf),
    close: () => staging.close(),
  }
}

function onlyStory(stories: ReadonlySet<string>): 'real' | 'synthetic' | undefined {
  if (stories.size > 1) throw new UsageError('the files hold real and synthetic data; import them apart')
  const [story] = stories
  return story === 'real' || story === 'synthetic' ? story : undefined
}

/** The dataset by which rows of a kind are read; which of its kin they belong to is told by {@link decide}. */
function datasetOfKind(kind: RowKind | undefined, { path }: ImportFile): DatasetDefinition {
  if (kind === 'bars') return datasetNamed('equity_bars_1m')
  if (kind === 'trades') return datasetNamed('equity_trades')
  if (kind === 'quotes') return datasetNamed('equity_quotes')
  throw new UsageError(`${path}: its columns tell no dataset`, {
    hint: `Name one with --dataset: ${DATASETS.map(({ name }) => name).join(', ')}.`,
  })
}

/** Which dataset rows belong to that look like `probe`. @throws {UsageError} where they may be of several */
function decide(
  probe: DatasetDefinition,
  kind: RowKind | undefined,
  tickers: readonly string[],
  files: readonly ImportFile[],
  counts: () => TimeCounts,
): DatasetDefinition {
  const options = tickers.filter((ticker) => ticker.startsWith('O:')).length
  const place = files[0]!.path
  if (tickers.some((ticker) => ticker.startsWith('I:')))
    throw new PipelineError(`${place}: it holds index values, for which there is no dataset`)
  if (options > 0 && options < tickers.length) {
    throw new UsageError(`${place}: it holds stocks and options`, {
      hint: 'Say --dataset and --ticker, or import them from files of their own.',
    })
  }
  if (kind !== 'bars') {
    if (options > 0)
      throw new PipelineError(`${place}: there is no dataset for ${kind ?? 'these rows'} of options`)
    return probe
  }
  return datasetNamed(`${options > 0 ? 'option' : 'equity'}_bars_${stepOf(counts(), files[0]!)}`)
}

/** How long a bar is, by where most of them begin. */
function stepOf({ rows, midnight, minutes, hours }: TimeCounts, { path, header }: ImportFile): string {
  if (midnight * 2 > rows) return '1d'
  if (header.includes('window_start')) return '1m' // the vendor's day files have no others
  if (rows > 0 && hours === rows) {
    throw new UsageError(`${path}: the bars may be hours or minutes`, {
      hint: 'Say --dataset equity_bars_1h or --dataset equity_bars_1m.',
    })
  }
  return minutes * 2 > rows || rows === 0 ? '1m' : '1s'
}

/** Which series each ticker of the files belongs to; only those wanted. */
function seriesMap(
  dataset: DatasetDefinition,
  tickers: readonly string[],
  wanted: readonly string[] | undefined,
  files: readonly ImportFile[],
): Map<string, string> {
  const isOption =
    seriesKeyOf(dataset) === 'underlying' && dataset.columns.every(({ name }) => name !== 'contract')
  const series = tickers.map((ticker) => [ticker, isOption ? underlyingOf(ticker, files) : ticker] as const)
  return new Map(series.filter(([, name]) => !wanted || wanted.includes(name)))
}

function underlyingOf(ticker: string, files: readonly ImportFile[]): string {
  try {
    return parseOptionSymbol(ticker).underlying
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    throw refuseFile(files.map(({ path }) => path).join(', '), error.message, error)
  }
}
