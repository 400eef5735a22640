import { forgiveDamage, readLedgerFile } from './commit.ts'
import type { ParquetEngine } from './engine.ts'
import { historyFiles } from './history.ts'
import { ledgerPath, partitionOf, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import { formatLedger, type Ledger } from './ledger.ts'
import type { Content } from './scan.ts'
import { segmentFiles, viewSeries, type SeriesView } from './series-store.ts'
import { verifyHistory } from './verify-history.ts'
import { verifyQuarantine } from './verify-quarantine.ts'
import { Report, verifyBytes, verifyFooter, verifyRows, type Finding } from './verify-segment.ts'

export type { Finding } from './verify-segment.ts'

export interface VerifiedSeries {
  readonly dataset: string
  readonly ticker: string
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly findings: readonly Finding[]
}

export interface VerifyOptions {
  /** Read every row as well, not only bytes and footers. Default true. */
  readonly deep?: boolean
}

/**
 * Compares every live file of a series with the ledger: size and SHA-256 of all its bytes, footer, columns, rows; and
 * looks for Parquet files that no ledger names; kept versions, lists of changes and refused rows likewise. Deep, every row is read besides: keys in order and unique, the digest
 * of every session, its partition. Memory does not grow with the files. Changes nothing.
 */
export async function verifySeries(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
  { deep = true }: VerifyOptions = {},
): Promise<VerifiedSeries> {
  for (let attempt = 1; ; attempt++) {
    const view = await viewSeries(root, series, engine)
    const result = await verifyView(root, view, engine, deep)
    if (result.findings.length === 0 || attempt === ATTEMPTS) return result
    const now = await viewSeries(root, series, engine) // a writer may have committed in between
    if (isSameView(view, now)) return result
  }
}

const ATTEMPTS = 20

const isSameView = (a: SeriesView, b: SeriesView): boolean =>
  a.rebuilt === b.rebuilt &&
  (a.rebuilt || formatLedger(a.ledger) === formatLedger(b.ledger)) && // a rebuilt one has a new date each time
  a.files.join() === b.files.join()

async function verifyView(
  root: string,
  view: SeriesView,
  engine: () => Promise<ParquetEngine>,
  deep: boolean,
): Promise<VerifiedSeries> {
  const { series, ledger, files } = view
  const report = new Report(series)
  if (view.rebuilt) report.add('ledger_lost', ledgerPath(series), lostText(view))
  const counted = new Map<string, Content>()
  for (const [i, segment] of ledger.segments.entries()) {
    const file = files[i]!
    if (!(await verifyBytes(report, segment, file))) continue
    if (!(await verifyFooter(report, segment, file, await engine())) || !deep) continue
    const content = await verifyRows(report, segment, file, await engine())
    if (content) counted.set(segment.path, content)
  }
  if (!deep) compareSums(report, ledger)
  else if (counted.size === ledger.segments.length) compareCells(report, ledger, counted)
  await verifyHistory(report, root, ledger, engine, deep)
  await verifyQuarantine(report, root, ledger)
  await reportOrphans(report, root, ledger)
  return {
    dataset: series.dataset.name,
    ticker: series.ticker,
    files: ledger.segments.length,
    rows: ledger.segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: ledger.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    findings: report.findings,
  }
}

async function reportOrphans(report: Report, root: string, ledger: Ledger): Promise<void> {
  const { series } = report
  // A commit that was cut off has still to remove what only the ledger before it names.
  const before = await readLedgerFile(root, series).catch(forgiveDamage)
  const known = new Set([ledger, ...(before ? [before] : [])].flatMap(filesNamedBy))
  const versions = (await historyFiles(root, series)).filter((path) => !path.endsWith(TEMPORARY_SUFFIX))
  for (const path of [...(await segmentFiles(root, series)), ...versions]) {
    if (!known.has(path)) report.add('orphan', path, 'no ledger names this file; it is not part of the lake')
  }
}

const filesNamedBy = ({ segments, history = [] }: Ledger): (string | undefined)[] => [
  ...segments.map(({ path }) => path),
  ...history.flatMap(({ kept, diff }) => [kept?.path, diff?.path]),
]

const lostText = ({ damage }: SeriesView): string =>
  `${damage ?? 'the ledger is lost'}; segments are still readable, and \`tapelake verify --rebuild-ledger\` makes it anew`

/** Whether the ledger agrees with itself: rows of the cells of a partition, and rows of its segment. */
function compareSums(report: Report, { cells, segments }: Ledger): void {
  const { dataset } = report.series
  const sums = new Map<string, number>()
  for (const [date, { rows }] of Object.entries(cells)) {
    const partition = partitionOf(dataset, date)
    sums.set(partition, (sums.get(partition) ?? 0) + rows)
  }
  for (const { path, partition, rows } of segments) {
    const sum = sums.get(partition) ?? 0
    sums.delete(partition)
    if (sum !== rows)
      report.add('cell', path, `the sessions of ${partition} have ${sum} rows, its file ${rows}`)
  }
  for (const [partition, sum] of sums) {
    if (sum > 0) report.add('cell', undefined, `the sessions of ${partition} have ${sum} rows, but no file`)
  }
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
