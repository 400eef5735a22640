import pLimit from 'p-limit'
import { InterruptedError, messageOf } from '../core/errors.ts'
import type { TakesLate } from '../lake/late-rows.ts'
import type { CellState, Ledger } from '../lake/ledger.ts'
import type { CellVerdict, Restatement } from '../lake/series-contract.ts'
import { SeriesWriter } from '../lake/series-writer.ts'
import type { SegmentSettings } from '../lake/stage-segment.ts'
import type { SeriesId } from '../lake/layout.ts'
import { newYorkDate } from '../market/time.ts'
import type { HistorySource } from '../sources/history.ts'
import { planSeries, type SeriesPlan } from './plan.ts'
import type { SessionRange } from './range.ts'
import { dueSessions, noteRechecked } from './recheck.ts'
import { recordItem } from './record-item.ts'
import { SilenceJudge, type SilenceMemory } from './silence.ts'
import type { ItemResult, WorkItem } from './work-item.ts'

export interface BackfillOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly source: HistorySource
  readonly nowMs: number
  /** Record sessions anew that are held. */
  readonly force: boolean
  /** Sessions that are recorded anew become what the vendor has now, however late; default: as `force` says. */
  readonly takesLate?: TakesLate
  /** Only these sessions of the range, held or not. */
  readonly only?: ReadonlySet<string>
  /** Ask once more for sessions that are held, after each of so many sessions that follow them; see recheck.ts. */
  readonly recheckSessions?: number
  /**
   * Days after a session within which rows of it that come late are merged; later ones go to quarantine. Default:
   * nothing is too late.
   */
  readonly lateDays?: number
  /** Work items in hand at the same time, at least 1. */
  readonly concurrency: number
  /** How long to wait for another writer of a series, in milliseconds. */
  readonly lockWaitMs: number
  /** Ask for this to stop: items in hand are finished, no new one starts. */
  readonly graceful: AbortSignal
  /** Ask for this to stop at once: items in hand are dropped, what is committed stays. */
  readonly immediate: AbortSignal
  readonly hooks?: BackfillHooks
  /** Where this is part of a larger run: all sessions of that one, and what was found out about the series before. */
  readonly partOf?: {
    readonly range: SessionRange
    readonly memory: SilenceMemory
    /** Every session that it is to record of the series. */
    readonly wanted: readonly string[]
  }
}

/** What a watcher may want to know; all are called as things happen. */
export interface BackfillHooks {
  onPlan?(plan: SeriesPlan): void
  onItem?(series: SeriesId, item: WorkItem, result: ItemResult): void
  /** Sessions of a work item are settled: their states by date. */
  onSettled?(series: SeriesId, states: ReadonlyMap<string, CellState>): void
  onMended?(note: string): void
}

/** Tells the hooks how `dates` stand in `ledger`. */
export function reportSettled(
  hooks: BackfillHooks | undefined,
  series: SeriesId,
  dates: readonly string[],
  { cells }: Ledger,
): void {
  const known = dates.flatMap((date) => (cells[date] ? [[date, cells[date].state] as const] : []))
  hooks?.onSettled?.(series, new Map(known))
}

/** What became of the option contracts of one session. */
export interface ContractCounts {
  readonly contracts: number
  /** Contracts with rows, and contracts that did not trade. */
  readonly complete: number
  readonly empty: number
  readonly failed: readonly { readonly contract: string; readonly reason: string }[]
}

/** What became of one series. */
export interface SeriesOutcome {
  readonly series: SeriesId
  readonly plan: SeriesPlan
  /** The ledger as it stands after the run. */
  readonly ledger: Ledger
  /** Rows that this run recorded. */
  readonly rows: number
  readonly refused: number
  readonly duplicates: number
  /** Work items that failed. */
  readonly failures: number
  /** Sessions whose recorded rows gave way to others. */
  readonly restated: readonly Restatement[]
  /** Rows of held sessions that came late: merged into them, or too late and in quarantine. */
  readonly late?: { readonly merged: number; readonly quarantined: number }
  /** Sessions beside those of the plan whose rows turned out to be damaged, and were given up. */
  readonly lost?: readonly string[]
  /** Why sessions were left out, where that is not the reason for all. */
  readonly reasons?: ReadonlyMap<string, string>
  /** Of options: by session that was recorded now. */
  readonly contracts?: ReadonlyMap<string, ContractCounts>
  /** Why sessions were left unasked, where some were. */
  readonly stopped?: string
  /** What ended the run as a whole; other series are not begun. */
  readonly fatal?: Error
  /** What was found out about sessions without rows. */
  readonly memory?: SilenceMemory
}

/** Why the sessions that were left were not asked for, when somebody said stop. */
export const INTERRUPTED = 'interrupted'

/** After so many failed requests in a row the vendor is taken to be down. */
export const FAILURES_IN_A_ROW = 3

/**
 * Records one series: locks it, plans what is missing, carries the plan out, newest first.
 *
 * @throws {LockedError} when another process writes the series
 * @throws {UsageError} when `resolve` refuses the range
 */
export async function backfillSeries(
  series: SeriesId,
  resolve: (ledger: Ledger) => SessionRange,
  options: BackfillOptions,
): Promise<SeriesOutcome> {
  const { source, hooks } = options
  const writer = await SeriesWriter.open(
    {
      ...options,
      series,
      provenance: () => source.provenance ?? 'real',
      waitMs: options.lockWaitMs,
      purpose: `backfill of ${series.ticker} ${series.dataset.name}`,
      ...(hooks?.onMended ? { onMended: (note: string) => hooks.onMended?.(note) } : {}),
    },
    AbortSignal.any([options.graceful, options.immediate]),
  )
  try {
    const range = resolve(writer.ledger)
    const limits = source.limits(series.dataset)
    const again = await dueSessions(series, writer.ledger, options)
    const plan = planSeries({ ...options, series, range, ledger: writer.ledger, limits, again })
    hooks?.onPlan?.(plan)
    const run = new SeriesRun(writer, plan, options)
    const outcome = await run.execute()
    if (again) await noteRechecked(options.root, series, run.answered, options.nowMs)
    return outcome
  } finally {
    await writer.close()
  }
}

/** Every session that a plan asks for. */
export const wantedOf = ({ items }: SeriesPlan): readonly string[] =>
  items.flatMap(({ sessions }) => sessions)

class SeriesRun {
  /** Sessions whose requests were answered. */
  readonly answered: string[] = []
  readonly #writer: SeriesWriter
  readonly #plan: SeriesPlan
  readonly #options: BackfillOptions
  /** Last session of the whole run. */
  readonly #newest: string
  readonly #judge: SilenceJudge
  readonly #wanted: readonly string[]
  #rows = 0
  #refused = 0
  #duplicates = 0
  #failures = 0
  #failuresInARow = 0
  readonly #restated: Restatement[] = []
  readonly #late = { merged: 0, quarantined: 0 }
  #stopped: string | undefined
  #fatal: Error | undefined

  constructor(writer: SeriesWriter, plan: SeriesPlan, options: BackfillOptions) {
    this.#writer = writer
    this.#plan = plan
    this.#options = options
    const { range, memory } = options.partOf ?? { range: plan.range, memory: {} }
    this.#newest = range.to
    this.#wanted = options.partOf?.wanted ?? wantedOf(plan)
    this.#judge = new SilenceJudge({ ...options, series: plan.series, range, memory })
  }

  async execute(): Promise<SeriesOutcome> {
    const limit = pLimit(this.#options.concurrency)
    await Promise.all(this.#plan.items.map((item) => limit(() => this.#attempt(item))))
    if (this.#fatal === undefined) await this.#settlePending()
    return {
      series: this.#plan.series,
      plan: this.#plan,
      ledger: this.#writer.ledger,
      rows: this.#rows,
      refused: this.#refused,
      duplicates: this.#duplicates,
      failures: this.#failures,
      restated: this.#restated,
      late: this.#late,
      lost: this.#writer.lost,
      memory: await this.#judge.memory(),
      ...(this.#stopped === undefined ? {} : { stopped: this.#stopped }),
      ...(this.#fatal === undefined ? {} : { fatal: this.#fatal }),
    }
  }

  async #attempt(item: WorkItem): Promise<void> {
    if (this.#options.graceful.aborted) this.#stopped ??= INTERRUPTED
    if (this.#stopped !== undefined) return
    try {
      const { lateDays, nowMs, force, takesLate = force } = this.#options
      const result = await recordItem(item, {
        ...(lateDays === undefined ? {} : { late: { lateDays, nowMs } }),
        takesLate,
        writer: this.#writer,
        source: this.#options.source,
        judge: this.#judge,
        newest: this.#newest,
        today: newYorkDate(this.#options.nowMs),
        wanted: this.#wanted,
        signal: this.#options.immediate,
      })
      this.#count(result)
      if (!result.failure) this.answered.push(...item.sessions)
      this.#options.hooks?.onItem?.(this.#plan.series, item, result)
      reportSettled(this.#options.hooks, this.#plan.series, item.sessions, this.#writer.ledger)
    } catch (error) {
      this.#end(error)
    }
  }

  #count({ rows, refused, duplicates, restated, late, failure }: ItemResult): void {
    this.#rows += rows
    this.#refused += refused
    this.#duplicates += duplicates
    this.#restated.push(...restated)
    this.#late.merged += late?.merged ?? 0
    this.#late.quarantined += late?.quarantined ?? 0
    if (failure) this.#failures++
    this.#failuresInARow = failure ? this.#failuresInARow + 1 : 0
    if (failure && this.#failuresInARow >= FAILURES_IN_A_ROW) {
      this.#stopped ??= `not asked for: ${FAILURES_IN_A_ROW} requests in a row failed (${failure.category})`
    }
  }

  #end(error: unknown): void {
    if (error instanceof InterruptedError) {
      this.#stopped ??= INTERRUPTED
      return
    }
    this.#stopped ??= `not recorded: ${messageOf(error)}`
    this.#fatal ??= error instanceof Error ? error : new Error(messageOf(error))
  }

  /** Sessions that have not ended yet are named in the ledger, so that `status` can tell. */
  async #settlePending(): Promise<void> {
    const { pending } = this.#plan
    if (pending.length === 0) return
    const verdict: CellVerdict = { state: 'pending', reason: 'the session has not ended yet' }
    await this.#writer.settle(new Map(pending.map((date) => [date, verdict])))
  }
}
