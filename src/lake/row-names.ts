import { stringAt, type Batch, type ColumnData } from '../core/batch.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { US_PER_MS } from '../market/time.ts'

/** By what a row is told from all others of its series. */
export interface Identity {
  readonly dataset: DatasetDefinition
  /** Columns that tell a row from the others of its millisecond; mostly the key. */
  readonly columns: readonly string[]
}

/**
 * What a row of `batch` is called: the millisecond of its event (the day, where events are dates), and the values of
 * its identity. Rows that came live and rows of the history are called the same.
 */
export function rowNamer(batch: Batch, identity: Identity): (row: number) => string {
  const times = eventsOf(batch, identity)
  const { dataset, columns } = identity
  const others = columns.filter((name) => name !== dataset.eventColumn)
  const values = others.map((name) => valueIn(batch.columns[name]!))
  return (row) => {
    let name = String(times(row))
    for (const value of values) name += ` ${value(row)}`
    return name
  }
}

/** When rows of `batch` happened, as exactly as their names tell it: UTC milliseconds, or days since the epoch. */
export function eventsOf(batch: Batch, { dataset }: Pick<Identity, 'dataset'>): (row: number) => number {
  const times = batch.columns[dataset.eventColumn] as Float64Array
  const scale = dataset.eventKind === 'date' ? 1 : US_PER_MS
  return (row) => Math.floor(times[row]! / scale)
}

const valueIn = (data: ColumnData): ((row: number) => string) =>
  'dictionary' in data
    ? (row) => JSON.stringify(stringAt(data, row))
    : (row) => String((data as Float64Array | BigInt64Array)[row])

/** Places of those of `rows` that are not among `held`, which passes by; ascending. */
export async function rowsNotHeld(
  rows: Batch,
  held: AsyncIterable<Batch>,
  identity: Identity,
): Promise<number[]> {
  const nameIn = rowNamer(rows, identity)
  const names = Array.from({ length: rows.length }, (_, row) => nameIn(row))
  const open = new Set(names)
  for await (const batch of held) {
    const name = rowNamer(batch, identity)
    for (let row = 0; row < batch.length && open.size > 0; row++) open.delete(name(row))
  }
  return [...names.keys()].filter((row) => open.has(names[row]!))
}
