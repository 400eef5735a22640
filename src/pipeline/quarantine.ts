import { rowAt, takeRows, type Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { PipelineError } from '../core/errors.ts'
import { collect, compose, flowOf, type Refusal } from '../core/flow.ts'
import { rowComparator } from '../core/sort.ts'
import { heldRows } from '../lake/held-rows.ts'
import type { Cell } from '../lake/ledger.ts'
import { batchOfQuarantined } from '../lake/quarantine-batch.ts'
import { quarantineEntry, type QuarantineEntry } from '../lake/quarantine-entries.ts'
import { readQuarantine, writeQuarantine, type QuarantinedRow } from '../lake/quarantine.ts'
import { NO_ROWS, type CellVerdict } from '../lake/series-contract.ts'
import { SeriesWriter } from '../lake/series-writer.ts'
import type { SegmentSettings } from '../lake/stage-segment.ts'
import { readStamp } from '../lake/stamp.ts'
import { columnOf, seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'
import { optionSymbols } from '../stages/option-symbols.ts'
import { validate } from '../stages/validate.ts'

export interface QuarantineOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly lockWaitMs: number
  /** Take the rows as they were sent, whatever rule they break. */
  readonly force: boolean
  readonly signal: AbortSignal
  readonly onMended?: (note: string) => void
}

/** A row in quarantine still breaks a rule, or cannot be held; nothing was changed. */
export class ReleaseRefusedError extends PipelineError {
  override readonly code: string = 'RELEASE_REFUSED'
  override readonly category = 'validation'
}

/**
 * Checks the rows of an entry again and merges them into their sessions by one commit; then they leave the
 * quarantine. All of them or none.
 *
 * @returns rows released
 * @throws {ReleaseRefusedError} naming the rule that a row still breaks
 * @throws {UsageError} when there is no such entry
 * @throws {LockedError} when another process writes the series
 */
export async function releaseEntry(id: string, options: QuarantineOptions): Promise<number> {
  return await withEntry(id, options, async (writer, entry) => {
    const { dataset } = entry.series
    const batch = batchOfQuarantined(dataset, entry.rows)
    assertHoldable(entry, batch)
    if (!options.force) await assertPasses(entry, batch)
    const { dates, codes } = sessionDates(dataset, batch)
    const sink = writer.openSink(dates)
    try {
      for (const [code, date] of dates.entries()) {
        const rows = takeRows(
          batch,
          [...codes.keys()].filter((row) => codes[row] === code),
        )
        for await (const held of heldRows(writer, date)) {
          if (!options.force) assertNotHeld(entry, held, rows)
          await sink.write(held)
        }
        await sink.write(rows)
      }
      await sink.commit(await settlementOf(writer, entry, dates))
    } catch (error) {
      await sink.abort()
      throw error
    }
    // The rows are in the lake: now they leave, where that is another session's quarantine.
    if (!dates.includes(entry.session)) await takeOut(writer, entry)
    return entry.rows.length
  })
}

/** Removes the rows of an entry from quarantine for good. @returns rows dropped @throws as {@link releaseEntry} */
export async function dropEntry(id: string, options: Omit<QuarantineOptions, 'force'>): Promise<number> {
  return await withEntry(id, options, async (writer, entry) => {
    await takeOut(writer, entry)
    return entry.rows.length
  })
}

async function withEntry<T>(
  id: string,
  options: Omit<QuarantineOptions, 'force'>,
  work: (writer: SeriesWriter, entry: QuarantineEntry) => Promise<T>,
): Promise<T> {
  const { root, lockWaitMs, signal } = options
  const { series } = await quarantineEntry(root, id)
  const provenance = (await readStamp(root))?.provenance ?? 'real'
  const writer = await SeriesWriter.open(
    {
      ...options,
      series,
      provenance: () => provenance,
      waitMs: lockWaitMs,
      purpose: `quarantine of ${series.ticker} ${series.dataset.name}`,
    },
    signal,
  )
  try {
    return await work(writer, await quarantineEntry(root, id)) // again, now that nobody else changes it
  } finally {
    await writer.close()
  }
}

async function remaining({ options }: SeriesWriter, entry: QuarantineEntry): Promise<QuarantinedRow[]> {
  const rows = await readQuarantine(options.root, entry.series, entry.session)
  return rows.filter(({ rule }) => rule !== entry.rule)
}

async function takeOut(writer: SeriesWriter, entry: QuarantineEntry): Promise<void> {
  const { session } = entry
  const left = await remaining(writer, entry)
  const held = writer.ledger.cells[session]
  if (!held) return await writeQuarantine(writer.options.root, entry.series, session, left)
  const isOver = held.state === 'quarantined' && left.length === 0
  const verdict: CellVerdict = {
    state: isOver ? 'missing' : held.state,
    reason: isOver
      ? 'its refused rows were dropped; to be recorded again'
      : reasonOf(held, entry, 0, left.length),
    refused: left,
  }
  const settlement = new Map([[session, verdict]])
  const received = { ...NO_ROWS, sessions: new Set([session]) }
  await writer.exclusively(() => writer.commit(settlement, received, () => undefined))
}

async function settlementOf(
  writer: SeriesWriter,
  entry: QuarantineEntry,
  dates: readonly string[],
): Promise<Map<string, CellVerdict>> {
  const { root } = writer.options
  const settlement = new Map<string, CellVerdict>()
  for (const date of dates) {
    const own = date === entry.session
    const refused = own ? await remaining(writer, entry) : await readQuarantine(root, entry.series, date)
    const held = writer.ledger.cells[date]
    const recorded = held && ['complete', 'empty', 'quarantined'].includes(held.state)
    const state = recorded ? 'complete' : (held?.state ?? 'missing')
    settlement.set(date, { state, reason: reasonOf(held, entry, entry.rows.length, refused.length), refused })
  }
  return settlement
}

function reasonOf(held: Cell | undefined, { rows }: QuarantineEntry, released: number, left: number): string {
  const isOwn = held && held.state !== 'quarantined'
  const before = isOwn ? held.reason : `recorded from ${rows[0]?.source ?? 'quarantine'}`
  const base = before.replace(/; \d+ rows refused, in quarantine$/, '')
  const merged = released > 0 ? `; ${released} rows released from quarantine` : ''
  return base + merged + (left > 0 ? `; ${left} rows refused, in quarantine` : '')
}

/** What no commit can hold, forced or not. */
function assertHoldable(entry: QuarantineEntry, batch: Batch): void {
  const { dataset, ticker } = entry.series
  const { codes } = sessionDates(dataset, batch)
  for (const [i, code] of codes.entries()) {
    const row = rowAt(batch, i)
    const fault = faultOf(dataset, ticker, row) ?? (code < 0 ? 'it belongs to no session' : undefined)
    if (fault !== undefined) throw refusal(entry, entry.rule, `${fault}: ${entry.rows[i]!.reason}`, false)
  }
}

function faultOf(
  dataset: DatasetDefinition,
  ticker: string,
  row: Readonly<Record<string, unknown>>,
): string | undefined {
  if (seriesKeyOf(dataset) === 'ticker' && row['ticker'] !== ticker)
    return `it is not of ${ticker}, whose series this is`
  const inexact = Object.entries(row).find(
    ([name, value]) =>
      columnOf(dataset, name)?.type === 'int64' && value !== null && !Number.isSafeInteger(value),
  )
  if (inexact) return `the lake cannot hold ${inexact[0]} exactly`
  const missing = dataset.columns.find(({ name, nullable }) => row[name] === null && !nullable)
  return missing && `${missing.name} is missing`
}

async function assertPasses(entry: QuarantineEntry, batch: Batch): Promise<void> {
  const { dataset, ticker } = entry.series
  const refusals: Refusal[] = []
  const onRefused = (_: Batch, found: readonly Refusal[]): void => void refusals.push(...found)
  const stage = compose(
    validate(dataset, { ...(seriesKeyOf(dataset) === 'ticker' && { ticker }), onRefused }),
    ...(columnOf(dataset, 'contract') ? [optionSymbols(onRefused)] : []),
  )
  await collect(stage(flowOf(batch)))
  const [first] = refusals
  if (first) throw refusal(entry, first.rule, first.reason, true)
}

/** A row that differs from the one that the lake holds under its key would take its place. */
function assertNotHeld(entry: QuarantineEntry, held: Batch, rows: Batch): void {
  const { dataset } = entry.series
  const sameKey = rowComparator(held, rows, dataset.key)
  const compare = rowComparator(
    held,
    rows,
    dataset.columns.map(({ name }) => name),
  )
  for (let a = 0; a < held.length; a++) {
    for (let b = 0; b < rows.length; b++) {
      if (sameKey(a, b) !== 0 || compare(a, b) === 0) continue
      const both = concatBatches([takeRows(held, [a]), takeRows(rows, [b])])
      const key = dataset.key.map((name) => String(rowAt(both, 0)[name])).join(' ')
      throw refusal(entry, 'held_already', `the lake holds another row under the key ${key}`, true)
    }
  }
}

function refusal(
  entry: QuarantineEntry,
  rule: string,
  reason: string,
  forceHelps: boolean,
): ReleaseRefusedError {
  return new ReleaseRefusedError(`${entry.id} is not released: ${rule}: ${reason}`, {
    hint: forceHelps
      ? `Nothing was changed. --force takes the rows as sent; tapelake quarantine show ${entry.id} shows them.`
      : `Nothing was changed. --force does not help here; tapelake quarantine show ${entry.id} shows the row.`,
  })
}
