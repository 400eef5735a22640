import { NS_NULL, type Batch, type ListColumn, type StringColumn } from '../../core/batch.ts'
import { SchemaError } from '../../core/errors.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../market/dataset.ts'

/**
 * Checks that `batch` has exactly the columns of `dataset`, each of its type and length, and no null where the
 * definition allows none.
 *
 * @throws {SchemaError} naming the column and, for a null, the row
 */
export function assertBatchFits(dataset: DatasetDefinition, batch: Batch): void {
  if (batch.dataset !== dataset.name) {
    throw new SchemaError(`a batch of ${batch.dataset} cannot be written as ${dataset.name}`)
  }
  for (const { name } of batch.schema) {
    if (dataset.columns.some((column) => column.name === name)) continue
    throw new SchemaError(`${dataset.name}.${name}: the dataset has no such column`)
  }
  for (const column of dataset.columns) assertColumnFits(dataset, column, batch)
}

function assertColumnFits(dataset: DatasetDefinition, column: ColumnDefinition, batch: Batch): void {
  const name = `${dataset.name}.${column.name}`
  const found = batch.schema.find((other) => other.name === column.name)
  if (!found) throw new SchemaError(`${name}: column is missing`)
  if (found.type !== column.type)
    throw new SchemaError(`${name}: expected ${column.type}, found ${found.type}`)
  const length = columnLength(column, batch)
  if (length !== batch.length) throw new SchemaError(`${name}: ${length} values for ${batch.length} rows`)
  if (column.nullable) return
  const row = firstNull(column, batch)
  if (row >= 0) throw new SchemaError(`${name}: null in row ${row}, but the column may not be null`)
}

function columnLength({ name, type }: ColumnDefinition, batch: Batch): number {
  const data = batch.columns[name]
  if (!data) return 0
  if (type === 'string') return (data as StringColumn).codes.length
  if (type === 'int_list') return (data as ListColumn).offsets.length - 1
  return (data as Float64Array).length
}

/** The first row without a value, or a negative number. */
function firstNull({ name, type }: ColumnDefinition, batch: Batch): number {
  const data = batch.columns[name]!
  switch (type) {
    case 'string': {
      const { codes, dictionary } = data as StringColumn
      return firstUnknown(codes, dictionary.length)
    }
    case 'ns':
      return (data as BigInt64Array).indexOf(NS_NULL)
    case 'int_list':
      return (data as ListColumn).offsets.findIndex((end, i, offsets) => i > 0 && end === offsets[i - 1]) - 1
    default: {
      const values = data as Float64Array
      return values.includes(NaN) ? values.findIndex(Number.isNaN) : -1
    }
  }
}

function firstUnknown(codes: Int32Array, known: number): number {
  for (let row = 0; row < codes.length; row++) if (codes[row]! < 0 || codes[row]! >= known) return row
  return -1
}
