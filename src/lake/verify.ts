import { stat } from 'node:fs/promises'
import { messageOf } from '../core/errors.ts'
import { sha256File } from './durable.ts'
import type { ParquetEngine } from './engine.ts'
import { partitionOf, type SeriesId } from './layout.ts'
import { formatLedger, type Ledger, type Segment } from './ledger.ts'
import { scanContent, type Content } from './scan.ts'
import { parseSegmentMetadata } from './segment-metadata.ts'
import { segmentFiles, viewSeries, type SeriesView } from './series-store.ts'

/** One difference between what the ledger says and what the disk holds. */
export interface Finding {
  readonly dataset: string
  readonly ticker: string
  /** Relative to the data directory; undefined where no file is concerned. */
  readonly file: string | undefined
  readonly problem:
    | 'ledger_lost'
    | 'file_missing'
    | 'file_unreadable'
    | 'size'
    | 'checksum'
    | 'rows'
    | 'content'
    | 'order'
    | 'metadata'
    | 'cell'
    | 'orphan'
  /** One sentence: what was expected and what was found. */
  readonly detail: string
}

export interface VerifiedSeries {
  readonly dataset: string
  readonly ticker: string
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly findings: readonly Finding[]
}

/**
 * Reads every live file of a series and compares it with the ledger: size, SHA-256, footer, rows, keys in order
 * and unique, rows per session; and looks for Parquet files that no ledger names. Changes nothing.
 */
export async function verifySeries(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
): Promise<VerifiedSeries> {
  for (let attempt = 1; ; attempt++) {
    const view = await viewSeries(root, series, engine)
    const result = await verifyView(root, view, engine)
    if (result.findings.length === 0 || attempt === ATTEMPTS) return result
    const now = await viewSeries(root, series, engine) // a writer may have committed in between
    if (isSameView(view, now)) return result
  }
}

const ATTEMPTS = 5

const isSameView = (a: SeriesView, b: SeriesView): boolean =>
  a.rebuilt === b.rebuilt &&
  (a.rebuilt || formatLedger(a.ledger) === formatLedger(b.ledger)) && // a rebuilt one has a new date each time
  a.files.join() === b.files.join()

async function verifyView(
  root: string,
  view: SeriesView,
  engine: () => Promise<ParquetEngine>,
): Promise<VerifiedSeries> {
  const { series, ledger, files } = view
  const report = new Report(series)
  if (view.rebuilt)
    report.add('ledger_lost', undefined, 'the ledger is lost or damaged; segments are still readable')
  const counted = new Map<string, Content>()
  for (const [i, segment] of ledger.segments.entries()) {
    const content = await verifySegment(report, series, segment, files[i]!, await engine())
    if (content) counted.set(segment.path, content)
  }
  if (counted.size === ledger.segments.length) compareCells(report, ledger, counted)
  const live = new Set(ledger.segments.map(({ path }) => path))
  for (const path of await segmentFiles(root, series)) {
    if (!live.has(path)) report.add('orphan', path, 'no ledger names this file; it is not part of the lake')
  }
  return {
    dataset: series.dataset.name,
    ticker: series.ticker,
    files: ledger.segments.length,
    rows: ledger.segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: ledger.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    findings: report.findings,
  }
}

class Report {
  readonly findings: Finding[] = []
  readonly #series: SeriesId

  constructor(series: SeriesId) {
    this.#series = series
  }

  add(problem: Finding['problem'], file: string | undefined, detail: string): void {
    const { dataset, ticker } = this.#series
    this.findings.push({ dataset: dataset.name, ticker, file, problem, detail })
  }

  /** Adds a finding where `found` is not `expected`. */
  compare(problem: Finding['problem'], file: string, what: string, expected: unknown, found: unknown): void {
    if (expected === found) return
    this.add(problem, file, `${what}: the ledger says ${String(expected)}, the file has ${String(found)}`)
  }
}

/** The content of one segment, or undefined where it cannot be read. */
async function verifySegment(
  report: Report,
  series: SeriesId,
  segment: Segment,
  file: string,
  engine: ParquetEngine,
): Promise<Content | undefined> {
  const { path } = segment
  const size = await stat(file).then(
    (found) => found.size,
    () => undefined,
  )
  if (size === undefined) {
    report.add('file_missing', path, 'the ledger names this file, it is not there')
    return undefined
  }
  report.compare('size', path, 'bytes', segment.bytes, size)
  report.compare('checksum', path, 'SHA-256', segment.sha256, await sha256File(file))
  try {
    verifyMetadata(report, series, path, (await engine.inspect(file)).metadata)
    const content = await scanContent(series.dataset, engine.read(series.dataset, [file]))
    verifyContent(report, series, segment, content)
    return content
  } catch (error) {
    report.add('file_unreadable', path, messageOf(error))
    return undefined
  }
}

function verifyMetadata(
  report: Report,
  { dataset, ticker }: SeriesId,
  path: string,
  metadata: Readonly<Record<string, string>>,
): void {
  const story = parseSegmentMetadata(metadata)
  if (!story) return report.add('metadata', path, 'the footer lacks the metadata that tapelake writes')
  report.compare('metadata', path, 'dataset', dataset.name, story.dataset)
  report.compare('metadata', path, 'ticker', ticker, story.ticker)
}

function verifyContent(report: Report, { dataset }: SeriesId, segment: Segment, content: Content): void {
  const { path } = segment
  report.compare('rows', path, 'rows', segment.rows, content.rows)
  report.compare('content', path, 'digest of the rows', segment.digest, content.digest)
  if (content.disorder > 0)
    report.add('order', path, `${content.disorder} rows are out of order or repeat a key`)
  if (content.strays > 0) report.add('content', path, `${content.strays} rows belong to no session`)
  for (const date of content.sessions.keys()) {
    report.compare('content', path, `partition of ${date}`, segment.partition, partitionOf(dataset, date))
  }
  const dates = [...content.sessions.keys()].sort()
  report.compare('content', path, 'first session', segment.first, dates[0])
  report.compare('content', path, 'last session', segment.last, dates.at(-1))
}

function compareCells(report: Report, ledger: Ledger, counted: ReadonlyMap<string, Content>): void {
  const found = new Map<string, { rows: number; digest: string; path: string }>()
  for (const [path, content] of counted) {
    for (const [date, session] of content.sessions) found.set(date, { ...session, path })
  }
  for (const [date, cell] of Object.entries(ledger.cells)) {
    const session = found.get(date)
    found.delete(date)
    const rows = session?.rows ?? 0
    if (rows !== cell.rows) {
      report.add(
        'cell',
        session?.path,
        `session ${date}: the ledger says ${cell.rows} rows, the files have ${rows}`,
      )
    } else if (session && cell.digest !== undefined && cell.digest !== session.digest) {
      report.add('cell', session.path, `session ${date}: the rows are not those that were recorded`)
    }
  }
  for (const [date, { rows, path }] of found) {
    report.add('cell', path, `session ${date}: ${rows} rows that the ledger does not know`)
  }
}
