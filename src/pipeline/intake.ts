import type { Batch } from '../core/batch.ts'
import type { RefusalSink } from '../core/flow.ts'
import { quarantinedRows, type QuarantinedRow } from '../lake/quarantine.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'
import { DuplicateCounts } from './duplicate-counts.ts'

/** Counts what came of each session of a work item: rows kept, rows refused. */
export class Intake {
  readonly #dataset: DatasetDefinition
  readonly #runId: string
  /** Where refused rows go that belong to none of the item's sessions. */
  readonly #fallback: string
  readonly #sessions: ReadonlySet<string>
  readonly #kept = new Map<string, number>()
  readonly #firstUs = new Map<string, number>()
  readonly #refused = new Map<string, QuarantinedRow[]>()
  readonly duplicates: DuplicateCounts

  constructor(dataset: DatasetDefinition, sessions: readonly string[], runId: string) {
    this.#dataset = dataset
    this.#runId = runId
    this.#sessions = new Set(sessions)
    this.#fallback = sessions[0]!
    this.duplicates = new DuplicateCounts(dataset)
  }

  readonly keep = (batch: Batch): void => {
    const { dates, codes } = sessionDates(this.#dataset, batch)
    const counts = new Uint32Array(dates.length)
    const firsts = new Float64Array(dates.length).fill(Infinity)
    const events = batch.columns[this.#dataset.eventColumn] as Float64Array
    for (let row = 0; row < batch.length; row++) {
      const code = codes[row]!
      counts[code]!++
      if (events[row]! < firsts[code]!) firsts[code] = events[row]!
    }
    dates.forEach((date, i) => {
      this.#kept.set(date, (this.#kept.get(date) ?? 0) + counts[i]!)
      this.#firstUs.set(date, Math.min(this.#firstUs.get(date) ?? Infinity, firsts[i]!))
    })
  }

  /** The event of the first row of `date`; of instants, UTC microseconds. Infinity without any. */
  firstEvent(date: string): number {
    return this.#firstUs.get(date) ?? Infinity
  }

  /** Takes refused rows of `wanted` sessions, and those that belong to no session of the item. */
  refuse(wanted: ReadonlySet<string>): RefusalSink {
    return (batch, refusals) => {
      const { dates, codes } = sessionDates(this.#dataset, batch)
      const rows = quarantinedRows(batch, refusals, this.#runId)
      refusals.forEach(({ row }, i) => {
        const date = dates[codes[row]!] ?? this.#fallback
        const owner = this.#sessions.has(date) ? date : this.#fallback
        if (!wanted.has(owner)) return
        const list = this.#refused.get(owner) ?? []
        list.push(rows[i]!)
        this.#refused.set(owner, list)
      })
    }
  }

  /** Forgets what was refused of a session that is asked for once more. */
  forgetRefused(date: string): void {
    this.#refused.delete(date)
  }

  kept(date: string): number {
    return this.#kept.get(date) ?? 0
  }

  refused(date: string): readonly QuarantinedRow[] {
    return this.#refused.get(date) ?? []
  }

  get totalRefused(): number {
    return [...this.#refused.values()].reduce((sum, rows) => sum + rows.length, 0)
  }

  /** Sessions of `sessions` of which no row came, neither good nor bad. */
  silent(sessions: readonly string[]): string[] {
    return sessions.filter((date) => this.kept(date) === 0 && this.refused(date).length === 0)
  }
}
