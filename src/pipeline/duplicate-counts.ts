import type { Batch } from '../core/batch.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'

/** Counts rows that were dropped because they came before, by session. */
export class DuplicateCounts {
  readonly #dataset: DatasetDefinition
  readonly #bySession = new Map<string, number>()
  total = 0

  constructor(dataset: DatasetDefinition) {
    this.#dataset = dataset
  }

  /** For the dedup stage. */
  readonly drop = (count: number, before: Batch, after: Batch): void => {
    this.total += count
    for (const [batch, sign] of [
      [before, 1],
      [after, -1],
    ] as const) {
      const { dates, codes } = sessionDates(this.#dataset, batch)
      for (const code of codes) {
        const date = dates[code]
        if (date !== undefined) this.#bySession.set(date, this.of(date) + sign)
      }
    }
  }

  of(date: string): number {
    return this.#bySession.get(date) ?? 0
  }
}
