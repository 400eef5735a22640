import {
  rowAt,
  stringColumn,
  type Batch,
  type ColumnData,
  type ColumnType,
  NS_NULL,
} from '../../../src/core/batch.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../../src/market/dataset.ts'

/** A row as plain values: numbers, bigint for `ns`, strings, arrays, null. */
export type Row = Record<string, unknown>

/** A batch of `dataset` from rows; what is absent is null. Written apart from the code under test. */
export function batchOf(dataset: DatasetDefinition, rows: readonly Row[]): Batch {
  const columns: Record<string, ColumnData> = {}
  for (const { name, type } of dataset.columns)
    columns[name] = columnOf(
      type,
      rows.map((row) => row[name] ?? null),
    )
  const schema = dataset.columns.map(({ name, type }) => ({ name, type }))
  return { dataset: dataset.name, length: rows.length, schema, columns }
}

function columnOf(type: ColumnType, values: readonly unknown[]): ColumnData {
  switch (type) {
    case 'string':
      return stringColumn(values as (string | null)[])
    case 'ns':
      return BigInt64Array.from(values as (bigint | null)[], (value) => value ?? NS_NULL)
    case 'int_list': {
      const lists = values.map((value) => (value ?? []) as number[])
      const offsets = new Uint32Array(lists.length + 1)
      lists.forEach((list, i) => (offsets[i + 1] = offsets[i]! + list.length))
      return { offsets, values: Int32Array.from(lists.flat()) }
    }
    default:
      return Float64Array.from(values as (number | null)[], (value) => value ?? NaN)
  }
}

/** All rows of `batches`, in order. */
export async function rowsOf(batches: AsyncIterable<Batch>): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of batches) {
    for (let row = 0; row < batch.length; row++) rows.push(rowAt(batch, row))
  }
  return rows
}

const column = (name: string, type: ColumnType, nullable: boolean): ColumnDefinition => ({
  name,
  type,
  nullable,
  description: `A ${type} for tests.`,
})

const plainColumns = [
  column('ticker', 'string', false),
  column('timestamp', 'timestamp', false),
  column('day', 'date', true),
  column('price', 'double', true),
  column('count', 'int64', true),
  column('note', 'string', true),
]

const wide = (name: string, columns: readonly ColumnDefinition[]): DatasetDefinition => ({
  name,
  version: 1,
  description: 'Every column type, for tests.',
  columns,
  key: ['ticker', 'timestamp'],
  eventColumn: 'timestamp',
  eventKind: 'instant',
  partition: 'month',
  calendar: 'XNYS',
  rules: [],
})

/** The column types that every engine holds. */
export const plainDataset = wide('plain', plainColumns)

/** All column types, and a key with text and nanoseconds behind the first two columns. */
export const fullDataset: DatasetDefinition = {
  ...wide('full', [
    ...plainColumns,
    column('clock_ns', 'ns', false),
    column('venue_ns', 'ns', true),
    column('codes', 'int_list', true),
    column('id', 'string', false),
  ]),
  key: ['ticker', 'timestamp', 'clock_ns', 'id'],
}

const START_US = Date.UTC(2024, 0, 2, 14, 30) * 1000
const DAY = 19_724

/** `count` sorted rows with nulls in every nullable column, text beyond ASCII, µs and ns beyond milliseconds. */
export function sampleRows(count: number): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    ticker: 'SPY',
    timestamp: START_US + i * 60_000_000 + (i % 1000),
    day: i % 4 === 0 ? null : DAY + (i % 50),
    price: i % 3 === 0 ? null : Math.round(1e4 * (470 + 10 * Math.sin(i))) / 1e4,
    count: i % 5 === 0 ? null : (i * 7919) % 100_000,
    note: i % 7 === 0 ? null : ['plain', '', 'Zürich', "it's", '日本', '🚀 up', '\uFB01'][i % 7],
    clock_ns: 1_704_205_800_000_000_001n + BigInt(i) * 60_000_000_123n,
    venue_ns: i % 2 === 0 ? null : 1_704_205_800_000_000_777n + BigInt(i),
    codes: i % 3 === 1 ? null : [i, -i, 2 ** 31 - 1].slice(0, 1 + (i % 3)),
    id: `trade-${String(i).padStart(6, '0')}-${i % 11}`,
  }))
}

/** `row` with the columns of `dataset` only; what is absent is null. */
export const only = (dataset: DatasetDefinition, row: Row): Row =>
  Object.fromEntries(dataset.columns.map(({ name }) => [name, row[name] ?? null]))
