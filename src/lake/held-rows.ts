import { join } from 'node:path'
import { takeRows, type Batch } from '../core/batch.ts'
import { IntegrityError } from '../core/errors.ts'
import { sessionDates } from '../market/session-rows.ts'
import { RowDigest } from './digest.ts'
import { sha256File } from './durable.ts'
import { partitionOf } from './layout.ts'
import type { SinkHost } from './series-contract.ts'

/** Whether the file of `partition` is still the one that was committed: a damaged one is written anew. */
export async function isIntact({ options, ledger }: SinkHost, partition: string): Promise<boolean> {
  const segment = ledger.segments.find((one) => one.partition === partition)
  if (!segment) return false
  const found = await sha256File(join(options.root, segment.path)).catch(() => undefined)
  return found === segment.sha256
}

/**
 * The rows that the lake holds of one session, for those who add to a session instead of replacing it. Bounded
 * memory where a partition is a session.
 *
 * @throws {IntegrityError} at the end, when they are not what was recorded: then they must not be written again
 */
export async function* heldRows({ options, ledger }: SinkHost, date: string): AsyncGenerator<Batch> {
  const { engine, root, series } = options
  const { dataset } = series
  const cell = ledger.cells[date]
  const segment = ledger.segments.find(({ partition }) => partition === partitionOf(dataset, date))
  if (!cell || cell.rows === 0 || !segment) return
  const digest = new RowDigest()
  for await (const batch of engine.read(dataset, [join(root, segment.path)])) {
    const mine = rowsOf(sessionDates(dataset, batch), date)
    if (mine.length === 0) continue
    const rows = mine.length === batch.length ? batch : takeRows(batch, mine)
    digest.add(rows)
    yield rows
  }
  if (digest.rows === cell.rows && (cell.digest === undefined || cell.digest === digest.toString())) return
  throw new IntegrityError(`${segment.path} is damaged: it no longer holds what was recorded of ${date}`, {
    hint: 'Run `tapelake verify`; record the day again with --force, or restore the file from a backup.',
  })
}

function rowsOf({ dates, codes }: ReturnType<typeof sessionDates>, date: string): number[] {
  const wanted = dates.indexOf(date)
  const rows: number[] = []
  if (wanted < 0) return rows
  codes.forEach((code, row) => {
    if (code === wanted) rows.push(row)
  })
  return rows
}
