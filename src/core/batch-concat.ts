import {
  withoutSentText,
  type Batch,
  type ColumnData,
  type ColumnType,
  type ListColumn,
  type StringColumn,
} from './batch.ts'
import { SchemaError } from './errors.ts'

/**
 * All rows of `batches`, in order, as one batch with the schema of the first.
 *
 * @throws {SchemaError} when a batch has another schema
 */
export function concatBatches(batches: readonly Batch[]): Batch {
  const first = batches[0]
  if (!first) throw new SchemaError('concatBatches: no batches')
  if (batches.length === 1) return first
  for (const batch of batches) assertSameSchema(first, batch)
  const length = batches.reduce((sum, batch) => sum + batch.length, 0)
  const columns: Record<string, ColumnData> = {}
  for (const { name, type } of first.schema) {
    columns[name] = concatColumn(
      type,
      batches.map((batch) => batch.columns[name]!),
      length,
    )
  }
  return { ...withoutSentText(first), length, columns }
}

function assertSameSchema(first: Batch, other: Batch): void {
  const same =
    first.dataset === other.dataset &&
    first.schema.length === other.schema.length &&
    first.schema.every((column, i) => {
      const twin = other.schema[i]
      return twin?.name === column.name && twin.type === column.type
    })
  if (!same) throw new SchemaError(`cannot join a batch of ${other.dataset} to one of ${first.dataset}`)
}

function concatColumn(type: ColumnType, parts: readonly ColumnData[], length: number): ColumnData {
  if (type === 'string') return concatStrings(parts as readonly StringColumn[], length)
  if (type === 'int_list') return concatLists(parts as readonly ListColumn[], length)
  let at = 0
  if (type === 'ns') {
    const out = new BigInt64Array(length)
    for (const part of parts as readonly BigInt64Array[]) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
  const out = new Float64Array(length)
  for (const part of parts as readonly Float64Array[]) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function concatStrings(parts: readonly StringColumn[], length: number): StringColumn {
  const codes = new Int32Array(length)
  const dictionary: string[] = []
  const shift = new Map<readonly string[], number>()
  let at = 0
  for (const part of parts) {
    const single = part.dictionary.length === 1 ? dictionary.indexOf(part.dictionary[0]!) : -1
    let base = shift.get(part.dictionary) ?? single
    if (base < 0) {
      base = dictionary.length
      for (const value of part.dictionary) dictionary.push(value)
    }
    shift.set(part.dictionary, base)
    for (let i = 0; i < part.codes.length; i++) {
      const code = part.codes[i]!
      codes[at + i] = code < 0 ? -1 : code + base
    }
    at += part.codes.length
  }
  return { codes, dictionary }
}

function concatLists(parts: readonly ListColumn[], length: number): ListColumn {
  const offsets = new Uint32Array(length + 1)
  const values = new Int32Array(parts.reduce((sum, part) => sum + part.values.length, 0))
  let row = 0
  let at = 0
  for (const part of parts) {
    values.set(part.values, at)
    for (let i = 1; i < part.offsets.length; i++) offsets[++row] = part.offsets[i]! + at
    at += part.values.length
  }
  return { offsets, values }
}
