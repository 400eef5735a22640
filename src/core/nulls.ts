import { NS_NULL, type ColumnData } from './batch.ts'

/** True where a column has no value in `row`; an empty list counts as none. */
export function isNullAt(data: ColumnData, row: number): boolean {
  if ('offsets' in data) return data.offsets[row] === data.offsets[row + 1]
  if ('codes' in data) return data.codes[row] === -1
  const value = data[row]!
  return value === NS_NULL || Number.isNaN(value)
}
