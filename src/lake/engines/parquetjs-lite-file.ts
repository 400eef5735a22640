import { Writable } from 'node:stream'
import type { FieldDefinition } from 'parquetjs-lite'
import { rowAt, type Batch, type ColumnType, type StringColumn } from '../../core/batch.ts'
import { messageOf, PipelineError } from '../../core/errors.ts'
import type { ColumnDefinition } from '../../market/dataset.ts'
import type { Compression, SegmentOptions } from '../engine.ts'

/** The codecs that parquetjs-lite has; no zstd. */
export const CODECS: Readonly<Partial<Record<Compression, FieldDefinition['compression']>>> = {
  snappy: 'SNAPPY',
  gzip: 'GZIP',
  uncompressed: 'UNCOMPRESSED',
}

/** Its field type for each column type that it holds exactly. */
export const FIELD_TYPES: Readonly<Partial<Record<ColumnType, FieldDefinition['type']>>> = {
  timestamp: 'TIMESTAMP_MICROS',
  date: 'DATE',
  double: 'DOUBLE',
  int64: 'INT64',
  string: 'UTF8',
}

type Row = Record<string, string | number | bigint | null>

/**
 * The bytes of a Parquet file that holds `batch`, which must be sorted.
 *
 * It is encoded into memory: given a file, parquetjs-lite does not wait for its own header and index writes, and
 * a full disk would end the process. One page per row group, because its statistics of a row group are lost when
 * the first page has nulls only; no page index, because it writes an invalid one.
 *
 * @throws {PipelineError} what parquetjs-lite throws as a bare string
 */
export async function encodeWithParquetjs(batch: Batch, options: SegmentOptions): Promise<Uint8Array[]> {
  const { dataset, metadata, rowGroupRows } = options
  const { default: parquet } = await import('parquetjs-lite')
  const bytes = new ByteCollector()
  try {
    const schema = new parquet.ParquetSchema(fieldsOf(batch, options))
    const shape = { rowGroupSize: rowGroupRows, pageSize: rowGroupRows, pageIndex: false }
    const writer = await parquet.ParquetWriter.openStream(schema, bytes, shape)
    for (const [name, value] of Object.entries(metadata)) writer.setMetadata(name, value)
    for (let row = 0; row < batch.length; row++)
      await writer.appendRow(parquetRow(dataset.columns, batch, row))
    await writer.close()
  } catch (error) {
    throw new PipelineError(`parquetjs-lite: ${messageOf(error)}`, { cause: error })
  }
  return bytes.chunks
}

class ByteCollector extends Writable {
  readonly chunks: Uint8Array[] = []

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk)
    done()
  }
}

function fieldsOf(batch: Batch, { dataset, compression }: SegmentOptions): Record<string, FieldDefinition> {
  const fields: Record<string, FieldDefinition> = {}
  for (const { name, type, nullable } of dataset.columns) {
    fields[name] = {
      type: FIELD_TYPES[type]!,
      optional: nullable,
      compression: CODECS[compression]!,
      ...(type === 'string' && hasSurrogates(batch.columns[name] as StringColumn)
        ? { statistics: false }
        : {}),
    }
  }
  return fields
}

/** parquetjs-lite orders strings by UTF-16 unit; where that differs from UTF-8, readers would skip rows. */
const hasSurrogates = ({ dictionary }: StringColumn): boolean =>
  dictionary.some((text) => /[\ud800-\udfff]/.test(text))

function parquetRow(columns: readonly ColumnDefinition[], batch: Batch, row: number): Row {
  const out = rowAt(batch, row) as Row
  for (const { name, type } of columns) {
    const value = out[name]
    if (type === 'timestamp' && typeof value === 'number') out[name] = BigInt(value)
  }
  return out
}
