import { NS_NULL, stringColumn, type Batch, type ColumnData, type ColumnType } from '../core/batch.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import type { QuarantinedRow } from './quarantine.ts'

/** Quarantined rows as a batch again; values that do not fit their column's type are null. */
export function batchOfQuarantined(dataset: DatasetDefinition, rows: readonly QuarantinedRow[]): Batch {
  const columns = Object.fromEntries(
    dataset.columns.map(({ name, type }) => [
      name,
      columnOf(
        type,
        rows.map(({ row }) => row[name]),
      ),
    ]),
  )
  const { source, request, requestId } = rows[0] ?? { source: null, request: null, requestId: null }
  const origin = {
    source: source ?? 'unknown',
    request: request ?? '',
    ...(requestId != null && { requestId }),
  }
  const schema = dataset.columns.map(({ name, type }) => ({ name, type }))
  return { dataset: dataset.name, length: rows.length, schema, columns, origin }
}

function columnOf(type: ColumnType, values: readonly unknown[]): ColumnData {
  switch (type) {
    case 'string':
      return stringColumn(values.map((value) => (typeof value === 'string' ? value : null)))
    case 'ns':
      return BigInt64Array.from(values, nanoseconds)
    case 'int_list':
      return listColumn(values)
    default:
      return Float64Array.from(values, number)
  }
}

const nanoseconds = (value: unknown): bigint =>
  typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : NS_NULL

/** Infinity is kept as text, since JSON has no word for it. */
function number(value: unknown): number {
  if (typeof value === 'number') return value
  return value === 'Infinity' || value === '-Infinity' ? Number(value) : NaN
}

function listColumn(values: readonly unknown[]): ColumnData {
  const lists = values.map((value) => (Array.isArray(value) ? (value as number[]) : []))
  const offsets = new Uint32Array(lists.length + 1)
  lists.forEach((list, i) => (offsets[i + 1] = offsets[i]! + list.length))
  return { offsets, values: Int32Array.from(lists.flat()) }
}
