import { setImmediate } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Batch } from '../../../core/batch.ts'
import type { ColumnDefinition } from '../../../market/dataset.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { PageCodec } from './codecs.ts'
import { encodeColumn, type EncodedColumn } from './encode-column.ts'
import { ENCODINGS } from './encode-numbers.ts'
import { encodeStruct, i32, struct } from './thrift.ts'

/** What the footer says of a column of a row group. */
export interface ChunkFacts extends Omit<EncodedColumn, 'data' | 'dictionary'> {
  readonly column: ColumnDefinition
  readonly bytes: number
  /** As if nothing were compressed. */
  readonly plainBytes: number
  /** Of them the dictionary page, which comes first; 0 without one. */
  readonly dictionaryBytes: number
}

const PAGE_TYPES = { DATA: 0, DICTIONARY: 2 } as const
const RLE = 3

/** More rows than this, and other work gets a turn between columns. */
const ROWS_AT_ONCE = 4096

/** One row group at a time: the first is done early, and goes to the disk and its reader while the next is encoded. */
const encoding = pLimit(1)

/** Encodes `batch` column by column and puts the pages at the end of `out`, as they stand in a file. */
export const encodeRowGroup = (
  columns: readonly ColumnDefinition[],
  batch: Batch,
  codec: PageCodec,
  out: ByteWriter,
): Promise<ChunkFacts[]> => encoding(() => encodeChunks(columns, batch, codec, out))

async function encodeChunks(
  columns: readonly ColumnDefinition[],
  batch: Batch,
  codec: PageCodec,
  out: ByteWriter,
): Promise<ChunkFacts[]> {
  const chunks: ChunkFacts[] = []
  for (const column of columns) {
    chunks.push(encodeChunk(column, batch, codec, out))
    if (batch.length > ROWS_AT_ONCE) await setImmediate()
  }
  return chunks
}

function encodeChunk(column: ColumnDefinition, batch: Batch, codec: PageCodec, out: ByteWriter): ChunkFacts {
  const { data, dictionary, ...encoded } = encodeColumn(column, batch)
  const start = out.length
  let plainBytes = data.bytes.length
  if (dictionary) {
    const body = codec.compress(dictionary.bytes, dictionary.grid)
    out.bytes(dictionaryHeader(dictionary.count, dictionary.bytes.length, body.length))
    plainBytes += dictionary.bytes.length + (out.length - start)
    out.bytes(body)
  }
  const dictionaryBytes = out.length - start
  const body = codec.compress(data.bytes, data.grid)
  const header = dataHeader(encoded, data.bytes.length, body.length)
  out.bytes(header)
  out.bytes(body)
  return {
    ...encoded,
    column,
    bytes: out.length - start,
    plainBytes: plainBytes + header.length,
    dictionaryBytes,
  }
}

const dataHeader = (
  { entries, encoding }: Pick<EncodedColumn, 'entries' | 'encoding'>,
  plainBytes: number,
  bytes: number,
): Uint8Array =>
  encodeStruct({
    1: i32(PAGE_TYPES.DATA),
    2: i32(plainBytes),
    3: i32(bytes),
    5: struct({ 1: i32(entries), 2: i32(encoding), 3: i32(RLE), 4: i32(RLE) }),
  })

const dictionaryHeader = (count: number, plainBytes: number, bytes: number): Uint8Array =>
  encodeStruct({
    1: i32(PAGE_TYPES.DICTIONARY),
    2: i32(plainBytes),
    3: i32(bytes),
    7: struct({ 1: i32(count), 2: i32(ENCODINGS.PLAIN) }),
  })
