import pLimit from 'p-limit'
import { allEnded } from '../core/all-ended.ts'
import { sliceBatch, withoutSentText, type Batch, type Origin } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { SchemaError } from '../core/errors.ts'
import type { Sink } from '../core/flow.ts'
import { dedupLastWins } from '../core/sort.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'
import { digestOf } from './digest.ts'
import { isIntact } from './held-rows.ts'
import { keepOtherSessions, putDamagedAside } from './kept-rows.ts'
import { partitionOf } from './layout.ts'
import type { Segment, SegmentOrigin } from './ledger.ts'
import { sessionRuns } from './scan.ts'
import type { CommitReceipt, LostSession, Settlement, SinkHost } from './series-contract.ts'
import { SegmentStaging, type StagedSegment } from './stage-segment.ts'

/** Segments in hand at the same time: while the engine writes one, rows of another are read back and compared. */
const STAGED_AT_ONCE = 3

/**
 * Takes the rows of some sessions of one series and commits them together. Whole sessions are replaced: what a
 * session held before gives way to what this sink received of it, so writing again never duplicates.
 *
 * Where a partition is a session (ticks), rows stream straight into its segment and memory stays bounded;
 * otherwise (bars) they are held until the commit and merged with the other sessions of their partition.
 */
export class SeriesSink implements Sink<Settlement, CommitReceipt> {
  readonly #writer: SinkHost
  readonly #sessions: ReadonlySet<string>
  readonly #streams: boolean
  readonly #unfinished: boolean
  readonly #received = new Set<string>()
  #held: Batch[] = []
  readonly #streaming = new Map<string, SegmentStaging>()
  readonly #brought = new Map<string, Brought>()

  constructor(writer: SinkHost, sessions: Iterable<string>, unfinished = false) {
    this.#writer = writer
    this.#unfinished = unfinished
    this.#sessions = sessions instanceof Set ? sessions : new Set(sessions)
    this.#streams = writer.options.series.dataset.partition === 'date'
  }

  /** @throws {SchemaError} when a row belongs to a session that this sink was not opened for */
  async write(batch: Batch): Promise<void> {
    const { dataset } = this.#writer.options.series
    if (!this.#streams) {
      const sessions = sessionDates(dataset, batch)
      this.#assertExpected(sessions)
      this.#noteOrigin(batch.origin, sessions.dates)
      this.#held.push(withoutSentText(batch))
      return
    }
    for (const { date, rows } of sessionRuns(dataset, batch)) {
      if (date === undefined || !this.#sessions.has(date)) throw this.#unexpected(date)
      this.#received.add(date)
      if (!this.#streaming.has(date)) this.#noteOrigin(batch.origin, [date])
      await this.#stagingOf(date).append(rows)
    }
  }

  #assertExpected({ dates, codes }: { dates: readonly string[]; codes: Int32Array }): void {
    const stray = dates.find((date) => !this.#sessions.has(date))
    if (stray !== undefined || codes.includes(-1)) throw this.#unexpected(stray)
    for (const date of dates) this.#received.add(date)
  }

  #unexpected(date: string | undefined): SchemaError {
    const { dataset, ticker } = this.#writer.options.series
    return new SchemaError(
      `${dataset.name} ${ticker}: a row of ${date ?? 'no session'} reached a sink not open for it`,
    )
  }

  #stagingOf(date: string): SegmentStaging {
    const known = this.#streaming.get(date)
    if (known) return known
    const unfinished = this.#unfinished ? [date] : []
    const staging = this.#newStaging(date, this.#originsOf([date]), unfinished)
    this.#streaming.set(date, staging)
    return staging
  }

  #newStaging(
    partition: string,
    origins: readonly SegmentOrigin[],
    unfinished: readonly string[],
  ): SegmentStaging {
    this.#writer.assertOpen()
    const { options } = this.#writer
    const provenance = options.provenance()
    return new SegmentStaging({ ...options, provenance, partition, origins, unfinished })
  }

  #noteOrigin(origin: Origin = NO_ORIGIN, dates: readonly string[]): void {
    const key = JSON.stringify([origin.source, origin.request, origin.requestId])
    const brought = this.#brought.get(key) ?? { origin, dates: new Set<string>() }
    this.#brought.set(key, brought)
    for (const date of dates) brought.dates.add(date)
  }

  /** What brought rows of `dates`, each with the first and the last of them that it brought. */
  #originsOf(dates: readonly string[]): SegmentOrigin[] {
    const run = this.#writer.options.runId
    return [...this.#brought.values()].flatMap(({ origin: { source, request, requestId }, dates: its }) => {
      const own = dates.filter((date) => its.has(date))
      const id = requestId === undefined ? {} : { requestId }
      return own.length === 0 ? [] : [{ source, run, request, ...id, from: own[0]!, to: own.at(-1)! }]
    })
  }

  /**
   * Commits the rows received together with what `settlement` says of each session.
   *
   * @throws {SchemaError} when rows came of a session that it does not settle
   * @throws {IntegrityError} when the lake's own rows of the same partition are damaged
   * @throws what `permit` rejects with
   */
  async commit(settlement: Settlement, permit?: Promise<void>): Promise<CommitReceipt> {
    return await this.#writer.exclusively(async () => {
      const staged: StagedSegment[] = []
      const lost: LostSession[] = []
      try {
        this.#assertSettled(settlement)
        if (this.#streams) await this.#finishStreams(staged)
        else staged.push(...(await this.#stageHeld(settlement, lost)))
        await permit
        const received = { staged, sessions: this.#received, lost }
        return await this.#writer.commit(settlement, received, () => this.#streaming.clear())
      } catch (error) {
        await this.abort()
        throw error
      } finally {
        this.#held = []
      }
    })
  }

  #assertSettled(settlement: Settlement): void {
    const open = [...this.#received].find((date) => !settlement.has(date))
    if (open === undefined) return
    const { dataset, ticker } = this.#writer.options.series
    throw new SchemaError(`${dataset.name} ${ticker}: rows of ${open} came, but it was not settled`)
  }

  async #finishStreams(staged: StagedSegment[]): Promise<void> {
    for (const [date, staging] of this.#streaming) {
      const one = await staging.finish()
      const held = this.#writer.ledger.cells[date]
      const same = held?.digest === one.segment.digest && held.rows === one.segment.rows
      if (same && (await isIntact(this.#writer, one.segment.partition))) await staging.abort()
      else staged.push(one)
    }
  }

  async #stageHeld(settlement: Settlement, lost: LostSession[]): Promise<StagedSegment[]> {
    const { dataset } = this.#writer.options.series
    const batches = this.#held.filter((batch) => batch.length > 0)
    if (batches.length === 0) return []
    const fresh = dedupLastWins(concatBatches(batches), dataset.key)
    const partitions = byPartition(dataset, fresh)
    const changed: (readonly [string, PartitionRows])[] = []
    for (const [partition, rows] of partitions) {
      const held = this.#isHeldAlready(rows.sessions) && (await isIntact(this.#writer, partition))
      if (!held) changed.push([partition, rows])
    }
    const limit = pLimit(STAGED_AT_ONCE)
    return await allEnded<StagedSegment[]>(
      changed.map(([partition, rows]) =>
        limit(() => this.#stagePartition(partition, rows, settlement, lost)),
      ),
    )
  }

  #isHeldAlready(sessions: ReadonlyMap<string, Batch>): boolean {
    const { cells } = this.#writer.ledger
    return [...sessions].every(
      ([date, rows]) => cells[date]?.rows === rows.length && cells[date].digest === digestOf(rows),
    )
  }

  async #stagePartition(
    partition: string,
    { sessions, inOrder }: PartitionRows,
    settlement: Settlement,
    lost: LostSession[],
  ): Promise<StagedSegment> {
    const { dataset } = this.#writer.options.series
    const dates = [...sessions.keys()]
    const segment = this.#writer.ledger.segments.find((one) => one.partition === partition)
    const kept = segment && (await keepOtherSessions(this.#writer, segment, new Set(dates)))
    if (kept && kept.lost.length > 0) {
      const aside = await putDamagedAside(this.#writer.options, segment)
      lost.push(...kept.lost.map((date) => ({ date, aside })))
    }
    const others = kept?.batches ?? []
    const merged =
      others.length === 0 && inOrder ? inOrder : merge(dataset, [...others, ...sessions.values()])
    const origins = segment && others.length > 0 ? originsBesides(segment, new Set(dates)) : []
    const unfinished = this.#unfinishedOf(partition, sessions, settlement)
    const fresh = this.#originsOf(dates.toSorted())
    const staging = this.#newStaging(partition, [...origins, ...fresh], unfinished)
    this.#streaming.set(partition, staging)
    return await staging.stage(merged)
  }

  /** Sessions of a partition whose rows are not all of the session, as far as is known. */
  #unfinishedOf(
    partition: string,
    fresh: ReadonlyMap<string, Batch>,
    settlement: Settlement,
  ): readonly string[] {
    const { ledger, options } = this.#writer
    const { dataset } = options.series
    const kept = Object.entries(ledger.cells)
      .filter(([date, { rows }]) => rows > 0 && !fresh.has(date) && partitionOf(dataset, date) === partition)
      .map(([date, { state }]) => [date, state] as const)
    const all = [...kept, ...[...fresh.keys()].map((date) => [date, settlement.get(date)?.state] as const)]
    return all
      .filter(([, state]) => state !== 'complete')
      .map(([date]) => date)
      .sort()
  }

  async abort(): Promise<void> {
    this.#held = []
    for (const staging of this.#streaming.values()) await staging.abort()
    this.#streaming.clear()
  }
}

/** A request and the sessions that it brought rows of. */
interface Brought {
  readonly origin: Origin
  readonly dates: Set<string>
}

const NO_ORIGIN: Origin = { source: 'unknown', request: '' }

/** What came of one partition. */
interface PartitionRows {
  readonly sessions: ReadonlyMap<string, Batch>
  /** All of it as one batch, where the rows follow one another in the batch that they came in. */
  readonly inOrder: Batch | undefined
}

/** The rows of `fresh`, sorted and each key once, by partition; wherever possible without a copy. */
function byPartition(dataset: DatasetDefinition, fresh: Batch): Map<string, PartitionRows> {
  const found = new Map<string, { sessions: Map<string, Batch>; from: number; to: number; rows: number }>()
  let at = 0
  for (const { date, rows } of sessionRuns(dataset, fresh)) {
    const partition = partitionOf(dataset, date!)
    const one = found.get(partition) ?? { sessions: new Map<string, Batch>(), from: at, to: at, rows: 0 }
    const before = one.sessions.get(date!)
    one.sessions.set(date!, before ? concatBatches([before, rows]) : rows)
    at += rows.length
    found.set(partition, { ...one, to: at, rows: one.rows + rows.length })
  }
  return new Map(
    [...found].map(([partition, { sessions, from, to, rows }]) => {
      const inOrder = to - from === rows ? sliceBatch(fresh, from, to) : undefined
      return [partition, { sessions, inOrder }]
    }),
  )
}

/** `batches`, no key in two of them, as one in order of key; by the time of their first row little is left to sort. */
function merge({ eventColumn, key }: DatasetDefinition, batches: readonly Batch[]): Batch {
  const first = (batch: Batch): number => (batch.columns[eventColumn] as Float64Array)[0]!
  return dedupLastWins(concatBatches(batches.toSorted((a, b) => first(a) - first(b))), key)
}

/** Origins of the rows of `segment` that stay when `replaced` gives way. */
const originsBesides = ({ origins }: Segment, replaced: ReadonlySet<string>): readonly SegmentOrigin[] =>
  origins.filter(({ from, to }) => !(from === to && replaced.has(from)))
