import { withoutSentText, type Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { dedupLastWins, rowComparator, type RowComparator } from '../core/sort.ts'

/** The rows that a flow yielded lately. */
export interface RecentRows {
  /**
   * Marks with 1 the rows of `batch` whose key was yielded before, last with exactly these values;
   * undefined when there are none. `batch` is sorted by the key, each key once.
   */
  findRepeats(batch: Batch): Uint8Array | undefined
  /** Adds a batch, sorted by the key, each key once. */
  remember(batch: Batch): void
}

const UNKNOWN = 0
const REPEATED = 1
const CHANGED = 2

/**
 * Remembers at least the last `windowRows` rows. The batches themselves are kept, oldest first, and only
 * compared where their key ranges overlap: history arriving in order costs nothing. Small batches are
 * joined, so that a live flow of single rows leaves few parts to search.
 */
export function createRecentRows(key: readonly string[], windowRows: number): RecentRows {
  const maxJoinedRows = Math.max(Math.floor(windowRows / 8), 1)
  let parts: Batch[] = []

  const remember = (batch: Batch): void => {
    parts.push(withoutSentText(batch))
    joinSmall()
    forgetOldest()
  }
  /** Joins the newest parts while they are of similar size; of equal keys the newer row stays. */
  const joinSmall = (): void => {
    for (;;) {
      const [older, newer] = parts.slice(-2)
      if (!older || !newer || older.length > 2 * newer.length) return
      if (older.length + newer.length > maxJoinedRows) return
      parts.splice(-2, 2, dedupLastWins(concatBatches([older, newer]), key))
    }
  }
  const forgetOldest = (): void => {
    let rows = parts.reduce((sum, part) => sum + part.length, 0)
    while (parts.length > 1 && rows - parts[0]!.length >= windowRows) {
      rows -= parts[0]!.length
      parts = parts.slice(1)
    }
  }
  const findRepeats = (batch: Batch): Uint8Array | undefined => {
    const marks = new Uint8Array(batch.length)
    // The newest part that knows a key has the values yielded last.
    for (let i = parts.length - 1; i >= 0; i--) markKnown(batch, parts[i]!, key, marks)
    if (!marks.includes(REPEATED)) return undefined
    return marks.map((mark) => (mark === REPEATED ? 1 : 0))
  }
  return { findRepeats, remember }
}

function markKnown(batch: Batch, part: Batch, key: readonly string[], marks: Uint8Array): void {
  const compareKeys = rowComparator(batch, part, key)
  const last = part.length - 1
  if (compareKeys(0, last) > 0 || compareKeys(batch.length - 1, 0) < 0) return
  const compareAll = rowComparator(
    batch,
    part,
    batch.schema.map(({ name }) => name),
  )
  let from = 0
  for (let row = 0; row < batch.length && from <= last; row++) {
    from = lowerBound(compareKeys, row, from, part.length)
    if (marks[row] !== UNKNOWN || from > last || compareKeys(row, from) !== 0) continue
    marks[row] = compareAll(row, from) === 0 ? REPEATED : CHANGED
  }
}

/** The first position in [from, to) that does not come before `row`, found by doubling steps, then halving. */
function lowerBound(compare: RowComparator, row: number, from: number, to: number): number {
  let low = from
  let step = 1
  while (low + step < to && compare(row, low + step) > 0) {
    low += step
    step *= 2
  }
  let high = Math.min(low + step, to)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(row, middle) > 0) low = middle + 1
    else high = middle
  }
  return low
}
