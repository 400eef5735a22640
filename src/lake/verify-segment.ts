import { stat } from 'node:fs/promises'
import { messageOf } from '../core/errors.ts'
import { sha256File } from './durable.ts'
import type { ParquetEngine, SegmentFacts } from './engine.ts'
import { isHeldAs } from './engines/duckdb-columns.ts'
import { partitionOf, type SeriesId } from './layout.ts'
import type { Segment } from './ledger.ts'
import { scanContent, type Content } from './scan.ts'
import { parseSegmentMetadata } from './segment-metadata.ts'

/** One difference between what the ledger says and what the disk holds. */
export interface Finding {
  readonly dataset: string
  readonly ticker: string
  /** Relative to the data directory; undefined where no file is concerned. */
  readonly file: string | undefined
  readonly problem:
    | 'stamp_lost'
    | 'ledger_lost'
    | 'file_missing'
    | 'file_unreadable'
    | 'size'
    | 'checksum'
    | 'rows'
    | 'schema'
    | 'content'
    | 'order'
    | 'metadata'
    | 'cell'
    | 'orphan'
  /** One sentence: what was expected and what was found. */
  readonly detail: string
}

/** Gathers the findings about one series. */
export class Report {
  readonly findings: Finding[] = []
  readonly series: SeriesId

  constructor(series: SeriesId) {
    this.series = series
  }

  add(problem: Finding['problem'], file: string | undefined, detail: string): void {
    const { dataset, ticker } = this.series
    this.findings.push({ dataset: dataset.name, ticker, file, problem, detail })
  }

  /** Adds a finding where `found` is not `expected`. */
  compare(problem: Finding['problem'], file: string, what: string, expected: unknown, found: unknown): void {
    if (expected === found) return
    this.add(problem, file, `${what}: the ledger says ${String(expected)}, the file has ${String(found)}`)
  }
}

/** Compares the bytes of the file with the ledger: there, size, SHA-256. @returns whether it is there */
export async function verifyBytes(
  report: Report,
  segment: Pick<Segment, 'path' | 'bytes' | 'sha256'>,
  file: string,
): Promise<boolean> {
  const { path } = segment
  const size = await stat(file).then(
    (found) => found.size,
    () => undefined,
  )
  if (size === undefined) {
    report.add('file_missing', path, 'the ledger names this file, it is not there')
    return false
  }
  report.compare('size', path, 'bytes', segment.bytes, size)
  report.compare('checksum', path, 'SHA-256', segment.sha256, await sha256File(file))
  return true
}

/** Compares the footer with the ledger and the dataset: whose file it is, columns and types, rows. */
export async function verifyFooter(
  report: Report,
  segment: Segment,
  file: string,
  engine: ParquetEngine,
): Promise<boolean> {
  try {
    const facts = await engine.inspect(file)
    verifyMetadata(report, segment, facts)
    verifySchema(report, segment, facts)
    report.compare('rows', segment.path, 'rows', segment.rows, facts.rows)
    return true
  } catch (error) {
    report.add('file_unreadable', segment.path, messageOf(error))
    return false
  }
}

function verifyMetadata(report: Report, { path }: Segment, { metadata }: SegmentFacts): void {
  const { dataset, ticker } = report.series
  const story = parseSegmentMetadata(metadata)
  if (!story) return report.add('metadata', path, 'the footer lacks the metadata that tapelake writes')
  report.compare('metadata', path, 'dataset', dataset.name, story.dataset)
  report.compare('metadata', path, 'ticker', ticker, story.ticker)
}

function verifySchema(report: Report, { path }: Segment, { columns }: SegmentFacts): void {
  const { dataset } = report.series
  const found = new Map(columns.map(({ name, type }) => [name, type]))
  for (const { name, type } of dataset.columns) {
    const held = found.get(name)
    found.delete(name)
    if (held === undefined) report.add('schema', path, `column ${name} is missing`)
    else if (!isHeldAs(type, held)) report.add('schema', path, `column ${name} is ${held}, not ${type}`)
  }
  for (const name of found.keys()) report.add('schema', path, `column ${name} is not one of ${dataset.name}`)
}

/** Reads every row: digest, order of keys, sessions and partition. Undefined where the file cannot be read. */
export async function verifyRows(
  report: Report,
  segment: Segment,
  file: string,
  engine: ParquetEngine,
): Promise<Content | undefined> {
  const { dataset } = report.series
  try {
    const content = await scanContent(dataset, engine.read(dataset, [file]))
    verifyContent(report, segment, content)
    return content
  } catch (error) {
    report.add('file_unreadable', segment.path, messageOf(error))
    return undefined
  }
}

function verifyContent(report: Report, segment: Segment, content: Content): void {
  const { path } = segment
  const { dataset } = report.series
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
