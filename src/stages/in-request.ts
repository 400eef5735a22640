import { takeRows, type Batch } from '../core/batch.ts'
import type { RefusalSink, Stage } from '../core/flow.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'

export interface InRequestOptions {
  /** First and last session that was asked for, both inclusive. */
  readonly from: string
  readonly to: string
  /** Sessions to be recorded; rows of others between `from` and `to` are held already. */
  readonly wanted: ReadonlySet<string>
  readonly onRefused: RefusalSink
  /** Takes the rows of sessions that are held already. */
  readonly onPassing?: (rows: Batch) => void
}

/**
 * Keeps the rows of the wanted sessions. Rows of sessions that nobody asked for are refused as
 * `outside_request` (vendors have sent bars of other days); rows of sessions that are held already, and were
 * only asked for because one call covers more, pass by.
 *
 * Shape: schema and order are kept; a batch left without rows is not yielded.
 */
export function inRequest(dataset: DatasetDefinition, options: InRequestOptions): Stage {
  return async function* inRequest(batches) {
    for await (const batch of batches) {
      const kept = keepWanted(dataset, batch, options)
      if (kept.length > 0) yield kept
    }
  }
}

function keepWanted(dataset: DatasetDefinition, batch: Batch, options: InRequestOptions): Batch {
  const { from, to, wanted, onRefused, onPassing } = options
  const { dates, codes } = sessionDates(dataset, batch)
  const isWanted = dates.map((date) => wanted.has(date))
  if (!isWanted.includes(false) && !codes.includes(-1)) return batch
  const kept: number[] = []
  const strangers: number[] = []
  const passing: number[] = []
  for (let row = 0; row < batch.length; row++) {
    const code = codes[row]!
    if (isWanted[code]) kept.push(row)
    else if (code < 0 || dates[code]! < from || dates[code]! > to) strangers.push(row)
    else passing.push(row)
  }
  if (passing.length > 0) onPassing?.(takeRows(batch, passing))
  if (strangers.length > 0) {
    const asked = from === to ? from : `${from} to ${to}`
    onRefused(
      batch,
      strangers.map((row) => ({
        row,
        rule: 'outside_request',
        reason: `a row of ${dates[codes[row]!] ?? 'no session'} in the answer for ${asked}`,
      })),
    )
  }
  return kept.length === batch.length ? batch : takeRows(batch, kept)
}
