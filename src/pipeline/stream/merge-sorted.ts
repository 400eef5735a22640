import { concatBatches } from '../../core/batch-concat.ts'
import { sliceBatch, type Batch } from '../../core/batch.ts'
import { dedupLastWins, rowComparator } from '../../core/sort.ts'

/**
 * `held` and `fresh`, each sorted by `key` with each key once, as one such flow; of a key in both that of `fresh`
 * stays. Holds one batch of `held`.
 */
export async function* mergeSorted(
  held: AsyncIterable<Batch>,
  fresh: Batch | undefined,
  key: readonly string[],
): AsyncGenerator<Batch> {
  let at = 0
  for await (const batch of held) {
    const to = fresh ? endOfRows(fresh, at, batch, key) : at
    if (!fresh || to === at) yield batch
    else yield dedupLastWins(concatBatches([batch, sliceBatch(fresh, at, to)]), key)
    at = to
  }
  if (fresh && at < fresh.length) yield sliceBatch(fresh, at, fresh.length)
}

/** The first row of `fresh`, from `from` on, that comes behind all of `batch`. */
function endOfRows(fresh: Batch, from: number, batch: Batch, key: readonly string[]): number {
  if (batch.length === 0) return from
  const order = rowComparator(fresh, batch, key)
  let [low, high] = [from, fresh.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(middle, batch.length - 1) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
