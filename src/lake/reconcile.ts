import type { Batch, ColumnType } from '../core/batch.ts'
import { columnComparison, mergeJoin, type JoinVisitor } from '../core/merge-join.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { readableRow } from './row-diff.ts'

/** How two recordings of the same rows compare in one column. */
export interface ColumnReconciliation {
  readonly column: string
  /** Largest difference that counts as none, as a part of the value: 0.005 is half a percent. */
  readonly tolerance: number
  /** Rows that both sides have with a value. */
  readonly compared: number
  /** Of those: not the very same value, and differing by more than the tolerance. */
  readonly differing: number
  readonly beyond: number
  /** One side has a value, the other none. */
  readonly missing: number
  /** Largest relative difference found; null where the column has no numbers. */
  readonly worst: number | null
}

export interface Reconciliation {
  readonly rows: { readonly both: number; readonly onlyLeft: number; readonly onlyRight: number }
  readonly columns: readonly ColumnReconciliation[]
  /** The first rows that differ beyond the tolerance or that one side lacks. */
  readonly samples: readonly object[]
}

const MOST_SAMPLES = 20
const NUMBERS: ReadonlySet<ColumnType> = new Set(['double', 'int64'])

/** Rows of some sessions as two have recorded them, each sorted by the key of their dataset, each key once. */
export interface RowPair {
  readonly left: AsyncIterable<Batch>
  readonly right: AsyncIterable<Batch>
}

/**
 * Compares two recordings of the same sessions row by row and column by column, in bounded memory. Numbers may differ
 * by the tolerance of their column; everything else must be the same.
 *
 * @param pairs no key in two of them
 * @param toleranceOf by column, as a part of the larger value
 */
export async function reconcileRows(
  dataset: DatasetDefinition,
  pairs: AsyncIterable<RowPair> | Iterable<RowPair>,
  toleranceOf: (column: string) => number,
): Promise<Reconciliation> {
  const visitor = new Comparison(dataset, toleranceOf)
  for await (const { left, right } of pairs) await mergeJoin(dataset.key, left, right, visitor)
  return visitor.result()
}

interface Tally {
  readonly column: string
  readonly tolerance: number
  readonly isNumber: boolean
  compared: number
  differing: number
  beyond: number
  missing: number
  worst: number
}

class Comparison implements JoinVisitor {
  readonly #tallies: readonly Tally[]
  readonly #samples: object[] = []
  #rows = { both: 0, onlyLeft: 0, onlyRight: 0 }
  #pair: { left: Batch; right: Batch; differing: ReturnType<typeof columnComparison> } | undefined

  constructor(dataset: DatasetDefinition, toleranceOf: (column: string) => number) {
    this.#tallies = dataset.columns
      .filter(({ name }) => !dataset.key.includes(name))
      .map(({ name, type }) => ({
        ...{ column: name, tolerance: toleranceOf(name), isNumber: NUMBERS.has(type) },
        ...{ compared: 0, differing: 0, beyond: 0, missing: 0, worst: 0 },
      }))
  }

  onLeft(batch: Batch, row: number): void {
    this.#rows.onlyLeft++
    this.#sample({ only: 'left', row: readableRow(batch, row) })
  }

  onRight(batch: Batch, row: number): void {
    this.#rows.onlyRight++
    this.#sample({ only: 'right', row: readableRow(batch, row) })
  }

  onBoth(left: Batch, leftRow: number, right: Batch, rightRow: number): void {
    this.#rows.both++
    if (this.#pair?.left !== left || this.#pair.right !== right) {
      const columns = this.#tallies.map(({ column }) => column)
      this.#pair = { left, right, differing: columnComparison(left, right, columns) }
    }
    const differing = this.#pair.differing(leftRow, rightRow)
    const beyond: string[] = []
    for (const tally of this.#tallies) {
      const isSame = !differing.includes(tally.column)
      if (count(tally, isSame, [left, leftRow], [right, rightRow])) beyond.push(tally.column)
    }
    if (beyond.length === 0) return
    this.#sample({ columns: beyond, left: readableRow(left, leftRow), right: readableRow(right, rightRow) })
  }

  #sample(sample: object): void {
    if (this.#samples.length < MOST_SAMPLES) this.#samples.push(sample)
  }

  result(): Reconciliation {
    const columns = this.#tallies.map(({ isNumber, worst, ...tally }) => ({
      ...tally,
      worst: isNumber ? worst : null,
    }))
    return { rows: this.#rows, columns, samples: this.#samples }
  }
}

/** Counts one value; true when it differs beyond the tolerance. */
function count(
  tally: Tally,
  isSame: boolean,
  [left, leftRow]: readonly [Batch, number],
  [right, rightRow]: readonly [Batch, number],
): boolean {
  if (!tally.isNumber) {
    tally.compared++
    if (isSame) return false
    tally.differing++
    tally.beyond++
    return true
  }
  const a = (left.columns[tally.column] as Float64Array)[leftRow]!
  const b = (right.columns[tally.column] as Float64Array)[rightRow]!
  if (Number.isNaN(a) || Number.isNaN(b)) {
    if (!isSame) tally.missing++ // a source that does not tell is no contradiction
    return false
  }
  tally.compared++
  if (isSame) return false
  tally.differing++
  const relative = Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b))
  tally.worst = Math.max(tally.worst, relative)
  if (relative <= tally.tolerance) return false
  tally.beyond++
  return true
}
