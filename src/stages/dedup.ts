import { takeRows, type Batch } from '../core/batch.ts'
import type { Stage } from '../core/flow.ts'
import { dedupLastWins } from '../core/sort.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { createRecentRows } from './recent-rows.ts'

export interface DedupOptions {
  /** Rows yielded before that are remembered, at least; default 200,000. Larger batches are remembered whole. */
  readonly windowRows?: number
  /** Called with the number of rows dropped, once per batch that had any, and the rows before and after. */
  readonly onDuplicate?: (count: number, before: Batch, after: Batch) => void
}

const DEFAULT_WINDOW_ROWS = 200_000

/**
 * Sorts each batch by the dataset's key and leaves one row per key, the last given; drops rows that were
 * already yielded with the same values. A row whose key was yielded with other values is passed on: the
 * vendor corrected it, and the sink replaces by key.
 *
 * Shape: columns are kept; a batch already in order and without repeats passes untouched, a batch left
 *   without rows is not yielded.
 * State: the last `windowRows` rows yielded, in memory, per run. A repeat from further back passes; the
 *   sink must still accept a row twice.
 *
 * @throws {SchemaError} while iterating, when a batch lacks a key column
 */
export function dedup(dataset: DatasetDefinition, options: DedupOptions = {}): Stage {
  const { windowRows = DEFAULT_WINDOW_ROWS, onDuplicate } = options
  return async function* dedup(batches) {
    const recent = createRecentRows(dataset.key, windowRows)
    for await (const batch of batches) {
      if (batch.length === 0) continue
      const unique = dedupLastWins(batch, dataset.key)
      const fresh = withoutRepeats(unique, recent.findRepeats(unique))
      if (fresh.length < batch.length) onDuplicate?.(batch.length - fresh.length, batch, fresh)
      if (fresh.length === 0) continue
      recent.remember(fresh)
      yield fresh
    }
  }
}

function withoutRepeats(batch: Batch, repeats: Uint8Array | undefined): Batch {
  if (!repeats) return batch
  const rows: number[] = []
  for (let row = 0; row < batch.length; row++) {
    if (repeats[row] === 0) rows.push(row)
  }
  return takeRows(batch, rows)
}
