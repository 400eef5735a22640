import { setImmediate } from 'node:timers/promises'
import type { Batch } from '../../../core/batch.ts'
import type { ColumnDefinition } from '../../../market/dataset.ts'
import type { PageCodec } from './codecs.ts'
import { encodeColumn, ENCODINGS, type EncodedColumn } from './encode-column.ts'
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

/** A column of a row group: its pages, headers and bodies in turn, as they stand in the file. */
export interface ColumnChunk {
  readonly facts: ChunkFacts
  readonly pages: readonly Uint8Array[]
}

const PAGE_TYPES = { DATA: 0, DICTIONARY: 2 } as const
const RLE = 3

/** More rows than this, and other work gets a turn between columns. */
const ROWS_AT_ONCE = 32_768

/** Encodes `batch` column by column. */
export async function encodeRowGroup(
  columns: readonly ColumnDefinition[],
  batch: Batch,
  codec: PageCodec,
): Promise<ColumnChunk[]> {
  const chunks: Promise<ColumnChunk>[] = []
  for (const column of columns) {
    chunks.push(encodeChunk(column, batch, codec))
    if (batch.length > ROWS_AT_ONCE) await setImmediate()
  }
  return await Promise.all(chunks)
}

async function encodeChunk(column: ColumnDefinition, batch: Batch, codec: PageCodec): Promise<ColumnChunk> {
  const { data, dictionary: distinct, ...encoded } = encodeColumn(column, batch)
  const [plainBytes, distinctBytes] = [data.bytes.length, distinct?.bytes.length ?? 0]
  const [body, values] = await Promise.all([
    codec.compress(data.bytes, data.grid),
    distinct && codec.compress(distinct.bytes, distinct.grid),
  ])
  const header = dataHeader(encoded, plainBytes, body.length)
  const dictionary =
    distinct && values ? [dictionaryHeader(distinct.count, distinctBytes, values.length), values] : []
  const pages = [...dictionary, header, body]
  const headerBytes = header.length + (dictionary[0]?.length ?? 0)
  const facts = {
    ...encoded,
    column,
    bytes: totalLength(pages),
    plainBytes: headerBytes + plainBytes + distinctBytes,
    dictionaryBytes: totalLength(dictionary),
  }
  return { facts, pages }
}

const totalLength = (parts: readonly Uint8Array[]): number =>
  parts.reduce((sum, { length }) => sum + length, 0)

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
