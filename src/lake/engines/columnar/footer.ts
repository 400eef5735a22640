import type { ColumnType } from '../../../core/batch.ts'
import type { ColumnDefinition } from '../../../market/dataset.ts'
import type { PageCodec } from './codecs.ts'
import { ENCODINGS } from './encode-numbers.ts'
import type { ChunkFacts } from './row-group.ts'
import { binary, bool, encodeStruct, i16, i32, i64, list, struct, type Struct } from './thrift.ts'

/** What the footer says of a row group. */
export interface RowGroupFacts {
  readonly rows: number
  /** Where it begins in the file. */
  readonly offset: number
  readonly chunks: readonly ChunkFacts[]
}

export interface FileFacts {
  readonly columns: readonly ColumnDefinition[]
  readonly rowGroups: readonly RowGroupFacts[]
  readonly codec: PageCodec
  readonly metadata: Readonly<Record<string, string>>
  readonly createdBy: string
}

const REPETITION = { OPTIONAL: 1, REPEATED: 2 } as const
const TYPES = { INT32: 1, INT64: 2, DOUBLE: 5, BYTE_ARRAY: 6 } as const
const CONVERTED = { UTF8: 0, LIST: 3, DATE: 6, TIMESTAMP_MICROS: 10, INT_32: 17, INT_64: 18 } as const

/** Physical, converted and logical type of each column type: those of DuckDB's own files. */
const LEAVES: Readonly<Record<ColumnType, Struct>> = {
  timestamp: {
    1: i32(TYPES.INT64),
    6: i32(CONVERTED.TIMESTAMP_MICROS),
    10: struct({ 8: struct({ 1: bool(true), 2: struct({ 2: struct({}) }) }) }),
  },
  date: { 1: i32(TYPES.INT32), 6: i32(CONVERTED.DATE) },
  double: { 1: i32(TYPES.DOUBLE) },
  int64: { 1: i32(TYPES.INT64), 6: i32(CONVERTED.INT_64) },
  ns: { 1: i32(TYPES.INT64), 6: i32(CONVERTED.INT_64) },
  string: { 1: i32(TYPES.BYTE_ARRAY), 6: i32(CONVERTED.UTF8), 10: struct({ 1: struct({}) }) },
  int_list: { 1: i32(TYPES.INT32), 6: i32(CONVERTED.INT_32) },
}

const LIST_PATH = ['list', 'element'] as const

/** FileMetaData of the Parquet format, all columns optional. */
export function encodeFooter({ columns, rowGroups, codec, metadata, createdBy }: FileFacts): Uint8Array {
  const leaves = columns.flatMap(schemaOf)
  const root = struct({ 4: binary('schema'), 5: i32(columns.length) })
  const pairs = Object.entries(metadata).map(([key, value]) => struct({ 1: binary(key), 2: binary(value) }))
  return encodeStruct({
    1: i32(1),
    2: list([root, ...leaves.map(struct)]),
    3: i64(rowGroups.reduce((sum, { rows }) => sum + rows, 0)),
    4: list(rowGroups.map((group, ordinal) => struct(rowGroupOf(group, ordinal, codec)))),
    5: pairs.length > 0 ? list(pairs) : undefined,
    6: binary(createdBy),
    7: list(columns.map(() => struct({ 1: struct({}) }))), // minima and maxima in the order of the type
  })
}

function schemaOf({ name, type }: ColumnDefinition): Struct[] {
  const leaf = { ...LEAVES[type], 3: i32(REPETITION.OPTIONAL), 4: binary(name) }
  if (type !== 'int_list') return [leaf]
  const [group, element] = LIST_PATH
  return [
    {
      3: i32(REPETITION.OPTIONAL),
      4: binary(name),
      5: i32(1),
      6: i32(CONVERTED.LIST),
      10: struct({ 3: struct({}) }),
    },
    { 3: i32(REPETITION.REPEATED), 4: binary(group), 5: i32(1) },
    { ...leaf, 4: binary(element) },
  ]
}

function rowGroupOf({ rows, offset, chunks }: RowGroupFacts, ordinal: number, codec: PageCodec): Struct {
  let at = offset
  const columns = chunks.map((chunk) => {
    const start = at
    at += chunk.bytes
    return struct({ 2: i64(start), 3: struct(chunkOf(chunk, start, codec)) })
  })
  return {
    1: list(columns),
    2: i64(chunks.reduce((sum, { plainBytes }) => sum + plainBytes, 0)),
    3: i64(rows),
    5: i64(offset),
    6: i64(at - offset),
    7: ordinal < 2 ** 15 ? i16(ordinal) : undefined,
  }
}

const RLE = 3

function chunkOf(chunk: ChunkFacts, start: number, codec: PageCodec): Struct {
  const { column, dictionaryBytes, encoding } = chunk
  const encodings = [...new Set([RLE, encoding, ...(dictionaryBytes > 0 ? [ENCODINGS.PLAIN] : [])])]
  const path = column.type === 'int_list' ? [column.name, ...LIST_PATH] : [column.name]
  return {
    1: LEAVES[column.type][1],
    2: list(encodings.map(i32)),
    3: list(path.map(binary)),
    4: i32(codec.id),
    5: i64(chunk.entries),
    6: i64(chunk.plainBytes),
    7: i64(chunk.bytes),
    9: i64(start + dictionaryBytes),
    11: dictionaryBytes > 0 ? i64(start) : undefined,
    12: statisticsOf(chunk),
  }
}

function statisticsOf({ column, nulls, extremes }: ChunkFacts): Struct[number] {
  if (column.type === 'int_list') return undefined
  return struct({
    3: i64(nulls),
    ...(extremes ? { 5: binary(extremes[1]), 6: binary(extremes[0]) } : {}),
  })
}
