import type { Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { dedupLastWins } from '../core/sort.ts'
import { digestOf } from '../lake/digest.ts'
import { isSettled, mergeLate, NOTHING_LATE, type LateReceipt } from '../lake/late-rows.ts'
import { sessionRuns } from '../lake/scan.ts'
import type { RecordContext } from './record-context.ts'

/**
 * Looks at the rows of sessions that are held already and only came along in an answer for others: rows among them
 * that the lake lacks arrived late.
 */
export class LateWatch {
  readonly #context: RecordContext
  readonly #passed = new Map<string, Batch[]>()

  constructor(context: RecordContext) {
    this.#context = context
  }

  pass(rows: Batch): void {
    const { writer, late } = this.#context
    const { dataset } = writer.options.series
    if (!late) return
    for (const run of sessionRuns(dataset, rows)) {
      if (run.date !== undefined)
        this.#passed.set(run.date, [...(this.#passed.get(run.date) ?? []), run.rows])
    }
  }

  /** Merges what is late, or puts it into quarantine; call it once the answer was committed. */
  async settle(): Promise<LateReceipt> {
    const { writer, late } = this.#context
    const { dataset } = writer.options.series
    let sum = NOTHING_LATE
    for (const [date, batches] of this.#passed) {
      const cell = writer.ledger.cells[date]
      if (!late || !cell || !isSettled(cell)) continue
      const rows = dedupLastWins(concatBatches(batches), dataset.key)
      if (rows.length === cell.rows && digestOf(rows) === cell.digest) continue
      const one = await mergeLate(writer, date, rows, late)
      sum = {
        merged: sum.merged + one.merged,
        quarantined: sum.quarantined + one.quarantined,
        restated: [...sum.restated, ...one.restated],
      }
    }
    return sum
  }
}
