import { sliceBatch, type Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import { isStrictlyAscending, rowComparator } from '../../core/sort.ts'

/** Watches whether rows come strictly ascending by their key, over all batches. */
export class KeyOrder {
  readonly #key: readonly string[]
  #last: Batch | undefined
  #strict = true

  constructor(key: readonly string[]) {
    this.#key = key
  }

  /** True while every row came after all rows before it, and no key came twice. */
  get strictlyAscending(): boolean {
    return this.#strict
  }

  add(batch: Batch): void {
    if (!this.#strict || batch.length === 0) return
    if (this.#last) this.#strict = rowComparator(this.#last, batch, this.#key)(0, 0) < 0
    this.#strict &&= isStrictlyAscending(batch, this.#key)
    this.#last = ownLastRow(batch)
  }
}

/** The last row of `batch` in memory of its own, so that the batch can be freed. */
function ownLastRow(batch: Batch): Batch {
  const last = sliceBatch(batch, batch.length - 1, batch.length)
  return concatBatches([last, sliceBatch(last, 0, 0)])
}
