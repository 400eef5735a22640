import { takeRows, type Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import { collect, compose, flowOf, type RefusalSink } from '../../core/flow.ts'
import { heldRows } from '../../lake/held-rows.ts'
import { readQuarantine, type QuarantinedRow } from '../../lake/quarantine.ts'
import type { Cell, CellState } from '../../lake/ledger.ts'
import type { CellVerdict } from '../../lake/series-contract.ts'
import { SeriesWriter } from '../../lake/series-writer.ts'
import type { SegmentSettings } from '../../lake/stage-segment.ts'
import { readStamp } from '../../lake/stamp.ts'
import { seriesKeyOf } from '../../market/dataset.ts'
import { datasetNamed } from '../../market/datasets/index.ts'
import { optionChain } from '../../market/datasets/option-chain.ts'
import { sessionDates } from '../../market/session-rows.ts'
import { withConstants } from '../../sources/polygon/wire/constants.ts'
import { mappingOf, type RowMapping } from '../../sources/polygon/wire/fields.ts'
import { chainMapping } from '../../sources/polygon/wire/option-fields.ts'
import { readPage, toBatch } from '../../sources/polygon/wire/rows.ts'
import { dedup } from '../../stages/dedup.ts'
import { optionSymbols } from '../../stages/option-symbols.ts'
import { validate } from '../../stages/validate.ts'
import { additions } from './additions.ts'
import { fixPage, type PageFixes } from './fix-page.ts'
import { strangers } from './observe.ts'
import { dropRawPage, rawPages, writePage, type RawPage } from './raw-pages.ts'

export interface ReprocessOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly lockWaitMs: number
  readonly signal: AbortSignal
  readonly fixes: PageFixes
  /** Something had to be mended or given up; a sentence about it. */
  readonly onMended?: (note: string) => void
  /** Drop pages, too, of which all rows are good although fields of them are not understood. */
  readonly done?: boolean
  readonly datasets?: readonly string[] | undefined
  readonly tickers?: readonly string[] | undefined
}

/** What became of one page. */
export interface ReprocessedPage {
  readonly name: string
  readonly dataset: string
  readonly ticker: string
  readonly sessions: readonly string[]
  /** Rows that are in the lake now. */
  readonly rows: number
  /** Rows that still break a rule; where there are any, the page stays. */
  readonly refused: number
  readonly reason?: string
  /** Other sessions whose rows turned out to be damaged, and were given up. */
  readonly lost: readonly string[]
  /** Fields that are not known or have another type, also with the fixes; while there are any, the page stays. */
  readonly unread: readonly string[]
}

/**
 * Reads the pages that were kept once more and merges what their good rows add into their sessions. A page of which
 * every row is good and every field understood is done with and dropped; what else it left in quarantine goes with it.
 *
 * @throws {LockedError} when another process writes a series
 */
export async function* reprocess(options: ReprocessOptions): AsyncGenerator<ReprocessedPage> {
  const { root, datasets, tickers } = options
  for await (const { name, page } of rawPages(root)) {
    const wanted = (datasets?.includes(page.dataset) ?? true) && (tickers?.includes(page.ticker) ?? true)
    if (!wanted) continue
    const mapping = wireFormOf(page)
    if (!mapping) {
      const { dataset, ticker } = page
      const reason = 'a list of contracts is not read again: discover it anew'
      yield { name, dataset, ticker, sessions: [], rows: 0, refused: 0, reason, unread: [], lost: [] }
      continue
    }
    const { good, refused, reason, unread } = await readAgain(page, mapping, options.fixes)
    const merged = good ? await merge(page, good, refused, options) : NOTHING
    const { sessions, lost, isCommitted } = merged
    const isOver = good !== undefined && sessions.length === 0 // all of it was recorded anew
    if (isOver || (refused === 0 && (unread.length === 0 || options.done))) await dropRawPage(root, name)
    else if (isCommitted)
      await writePage(root, name, { ...page, runs: [...(page.runs ?? []), options.runId] })
    const { dataset, ticker } = page
    const why = reason === undefined ? {} : { reason }
    const rows = sessions.length > 0 ? (good?.length ?? 0) : 0
    yield { name, dataset, ticker, sessions, rows, refused: isOver ? 0 : refused, unread, lost, ...why }
  }
}

const NOTHING: Merged = { sessions: [], isCommitted: false, lost: [] }

/** How `page` is written; undefined: it is not read again. */
const wireFormOf = ({ dataset, constants }: RawPage): RowMapping | undefined =>
  dataset === optionChain.name && constants ? chainMapping : mappingOf(datasetNamed(dataset))

async function readAgain(
  page: RawPage,
  mapping: RowMapping,
  fixes: PageFixes,
): Promise<{
  readonly good: Batch | undefined
  readonly refused: number
  readonly reason: string | undefined
  readonly unread: readonly string[]
}> {
  const dataset = datasetNamed(page.dataset)
  const read = readPage(Buffer.from(fixPage(page.body, fixes)), mapping)
  const { requestId, source, path: request, constants = {} } = page
  const origin = { source, request, ...(requestId === undefined ? {} : { requestId }) }
  const batch = withConstants(toBatch(dataset, mapping, read, page.ticker, origin), constants)
  let refused = 0
  let reason: string | undefined
  const onRefused: RefusalSink = (_, found) => {
    refused += found.length
    reason ??= found[0]?.reason
  }
  const own = seriesKeyOf(dataset) === 'ticker' && { ticker: page.ticker }
  const stages = [validate(dataset, { ...own, onRefused }), dedup(dataset)]
  const stage = compose(...stages, ...(dataset.name === optionChain.name ? [optionSymbols(onRefused)] : []))
  const batches = await collect(stage(flowOf(batch)))
  const unread = strangers(read.table, mapping).map(({ field }) => field)
  return { good: batches.length > 0 ? concatBatches(batches) : undefined, refused, reason, unread }
}

/**
 * Merges what `good` adds into the sessions that it is of, where they are still those of the page: what was recorded
 * since stands. Returns those sessions, and those that had to be given up.
 */
async function merge(
  page: RawPage,
  good: Batch,
  refused: number,
  options: ReprocessOptions,
): Promise<Merged> {
  const series = { dataset: datasetNamed(page.dataset), ticker: page.ticker }
  const stamp = await readStamp(options.root)
  const writer = await SeriesWriter.open(
    {
      ...options,
      series,
      provenance: () => stamp?.provenance ?? 'real',
      waitMs: options.lockWaitMs,
      purpose: `reprocessing of ${page.ticker} ${page.dataset}`,
    },
    options.signal,
  )
  try {
    const { dates, codes } = sessionDates(series.dataset, good)
    const own = dates.filter((date) => isStillOf(page, writer.ledger.cells[date]))
    const sink = writer.openSink(own)
    try {
      const settlement = new Map<string, CellVerdict>()
      for (const date of own) {
        const code = dates.indexOf(date)
        const rows = [...codes.keys()].filter((row) => codes[row] === code)
        const added = await additions(series.dataset, heldRows(writer, date), takeRows(good, rows))
        const verdict = await verdictOn(page, date, dates, refused, writer)
        if (added.length === 0 && !changes(writer.ledger.cells[date], verdict)) continue
        for await (const held of heldRows(writer, date)) await sink.write(held)
        if (added.length > 0) await sink.write(added)
        settlement.set(date, verdict)
      }
      if (settlement.size > 0) await sink.commit(settlement)
      else await sink.abort()
      return { sessions: own, isCommitted: settlement.size > 0, lost: writer.lost }
    } catch (error) {
      await sink.abort()
      throw error
    }
  } finally {
    await writer.close()
  }
}

interface Merged {
  readonly sessions: readonly string[]
  readonly isCommitted: boolean
  readonly lost: readonly string[]
}

/** States in which there is nothing that a page could take the place of. */
const OPEN: ReadonlySet<CellState> = new Set(['missing', 'failed', 'pending'])

/** Whether the lake still has of a session what the page brought, or nothing. */
const isStillOf = ({ runs }: RawPage, cell: Cell | undefined): boolean =>
  cell === undefined || runs === undefined || runs.includes(cell.run) || OPEN.has(cell.state)

/** Whether a verdict says anything new, no row having come. */
const changes = (cell: Cell | undefined, { state, refused = [] }: CellVerdict): boolean =>
  cell?.state !== state || (cell.quarantined ?? 0) !== refused.length

/**
 * A session at the edge of a page that was not the only one may go on in another page: it counts as missing until it is
 * asked for again, unless it was complete before.
 */
async function verdictOn(
  page: RawPage,
  date: string,
  dates: readonly string[],
  refused: number,
  writer: SeriesWriter,
): Promise<CellVerdict> {
  const { root, series } = writer.options
  const before = await readQuarantine(root, series, date)
  const left: readonly QuarantinedRow[] =
    refused > 0 ? before : before.filter(({ request }) => request !== page.path)
  const held = writer.ledger.cells[date]
  const isEdge = date === dates[0] || date === dates.at(-1)
  const isPart = /"next_url"/.test(page.body) || page.path.includes('cursor=')
  if (isEdge && isPart && held?.state !== 'complete') {
    return { state: 'missing', reason: 'only a part of it was reprocessed', refused: left }
  }
  return { state: 'complete', reason: `reprocessed from a page of ${page.source}`, refused: left }
}
