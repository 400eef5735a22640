import { takeRows, type Batch } from '../../core/batch.ts'
import { flowOf } from '../../core/flow.ts'
import { columnComparison, mergeJoin, type JoinVisitor } from '../../core/merge-join.ts'
import { isNullAt } from '../../core/nulls.ts'
import { dedupLastWins } from '../../core/sort.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'

/**
 * The rows of `page` that add something to `held`: keys that it lacks, and rows that fill nulls of the row it has while
 * all else is the same. What was recorded later, with other values, is never put back.
 *
 * @param held rows of one session, sorted by key
 * @param page rows of the same session, any order; of a key given twice the last counts
 */
export async function additions(
  { columns, key }: DatasetDefinition,
  held: AsyncIterable<Batch>,
  page: Batch,
): Promise<Batch> {
  const values = columns.map(({ name }) => name).filter((name) => !key.includes(name))
  const rows: number[] = []
  const sorted = dedupLastWins(page, key)
  let differing: { readonly left: Batch; readonly at: ReturnType<typeof columnComparison> } | undefined
  const visitor: JoinVisitor = {
    onBoth: (left, leftRow, right, rightRow) => {
      if (differing?.left !== left) differing = { left, at: columnComparison(left, right, values) }
      const others = differing.at(leftRow, rightRow)
      if (others.length === 0) return
      if (others.every((name) => isNullAt(left.columns[name]!, leftRow))) rows.push(rightRow)
    },
    onLeft: () => undefined,
    onRight: (_, row) => void rows.push(row),
  }
  await mergeJoin(key, held, flowOf(sorted), visitor)
  return takeRows(sorted, rows)
}
