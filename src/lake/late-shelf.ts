import type { Batch } from '../core/batch.ts'
import { batchOfQuarantined } from './quarantine-batch.ts'
import { LATE, type QuarantinedRow } from './quarantine.ts'
import { rowNamer, type Identity } from './row-names.ts'

/**
 * The late rows of one session in quarantine while the session is recorded anew: those that were there stay, unless
 * the lake takes a row under their key; those that come too late now are added, each once.
 */
export class LateShelf {
  readonly #identity: Identity
  readonly #rows = new Map<string, QuarantinedRow[]>()
  #added = 0

  /** @param before what quarantine holds of the session; refusals for other rules are left out */
  constructor(identity: Identity, before: readonly QuarantinedRow[]) {
    this.#identity = identity
    this.add(before.filter(({ rule }) => rule === LATE))
    this.#added = 0
  }

  /** Puts rows that came too late beside the others; a row that is there already is not added again. */
  add(rows: readonly QuarantinedRow[]): void {
    const name = rowNamer(batchOfQuarantined(this.#identity.dataset, rows), this.#identity)
    for (const [i, row] of rows.entries()) {
      const known = this.#rows.get(name(i)) ?? []
      const content = JSON.stringify(row.row)
      if (known.some((one) => JSON.stringify(one.row) === content)) continue
      this.#rows.set(name(i), [...known, row])
      this.#added++
    }
  }

  /** The lake takes these rows: what was late of them is not any more. */
  take(rows: Batch): void {
    if (this.#rows.size === 0) return
    const name = rowNamer(rows, this.#identity)
    for (let row = 0; row < rows.length; row++) this.#rows.delete(name(row))
  }

  /** What quarantine is to hold as late. */
  get rows(): readonly QuarantinedRow[] {
    return [...this.#rows.values()].flat()
  }

  /** Rows that were not there before. */
  get added(): number {
    return this.#added
  }
}
