import type { Batch } from './batch.ts'
import { rowComparator, type RowComparator } from './sort.ts'

/** What {@link mergeJoin} tells, row by row, in order of the key. */
export interface JoinVisitor {
  /** Both sides have the key. */
  onBoth(left: Batch, leftRow: number, right: Batch, rightRow: number): void
  onLeft(left: Batch, row: number): void
  onRight(right: Batch, row: number): void
  /** Called after every stretch of rows; the join waits for it. */
  drain?(): Promise<void>
}

/**
 * Walks two flows of rows of one schema, both sorted by `key` with each key once, side by side. Holds one batch of
 * each.
 *
 * @throws {SchemaError} when a column of the key is missing or of another type on one side
 */
export async function mergeJoin(
  key: readonly string[],
  left: AsyncIterable<Batch>,
  right: AsyncIterable<Batch>,
  visitor: JoinVisitor,
): Promise<void> {
  const [a, b] = [new Cursor(left), new Cursor(right)]
  try {
    for (;;) {
      await Promise.all([a.fill(), b.fill()])
      if (!a.batch && !b.batch) return
      if (a.batch && b.batch)
        joinStretch(a, a.batch, b, b.batch, rowComparator(a.batch, b.batch, key), visitor)
      else if (a.batch) while (a.row < a.batch.length) visitor.onLeft(a.batch, a.row++)
      else if (b.batch) while (b.row < b.batch.length) visitor.onRight(b.batch, b.row++)
      await visitor.drain?.()
    }
  } finally {
    await Promise.all([a.close(), b.close()])
  }
}

function joinStretch(
  a: Cursor,
  left: Batch,
  b: Cursor,
  right: Batch,
  order: RowComparator,
  visitor: JoinVisitor,
): void {
  while (a.row < left.length && b.row < right.length) {
    const next = order(a.row, b.row)
    if (next === 0) visitor.onBoth(left, a.row++, right, b.row++)
    else if (next < 0) visitor.onLeft(left, a.row++)
    else visitor.onRight(right, b.row++)
  }
}

class Cursor {
  readonly #batches: AsyncIterator<Batch>
  #isOver = false
  batch: Batch | undefined
  row = 0

  constructor(batches: AsyncIterable<Batch>) {
    this.#batches = batches[Symbol.asyncIterator]()
  }

  /** Goes on to the next batch with rows once this one is spent; `batch` is undefined at the end. */
  async fill(): Promise<void> {
    while (!this.#isOver && (!this.batch || this.row >= this.batch.length)) {
      const next = await this.#batches.next()
      this.#isOver = next.done === true
      this.batch = next.done === true ? undefined : next.value
      this.row = 0
    }
  }

  async close(): Promise<void> {
    if (!this.#isOver) await this.#batches.return?.()
  }
}

/** Tells which of `columns` differ between a row of `left` and one of `right`; a missing value equals only a missing one. */
export function columnComparison(
  left: Batch,
  right: Batch,
  columns: readonly string[],
): (leftRow: number, rightRow: number) => readonly string[] {
  const comparators = columns.map((name) => [name, rowComparator(left, right, [name])] as const)
  return (a, b) => {
    let differing: string[] | undefined
    for (const [name, compare] of comparators) {
      if (compare(a, b) !== 0) (differing ??= []).push(name)
    }
    return differing ?? NONE
  }
}

const NONE: readonly string[] = []
