import parquet from 'parquetjs-lite'

/** A bar as parquetjs-lite takes it: one object per row; undefined is null. */
export interface RowObject {
  readonly ticker: string
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  readonly vwap: number | undefined
  readonly trade_count: number | undefined
}

export interface RowWriter {
  appendRow(row: RowObject): Promise<void>
  close(): Promise<void>
}

/** What the package's own documentation uses; the project's typings name only what the project needs. */
interface Documented {
  readonly ParquetSchema: new (fields: Record<string, object>) => object
  readonly ParquetWriter: { openFile(schema: object, path: string): Promise<RowWriter> }
}

/** parquetjs-lite with its defaults and SNAPPY, as its documentation shows it. */
export async function openRowWriter(path: string): Promise<RowWriter> {
  const { ParquetSchema, ParquetWriter } = parquet as unknown as Documented
  const price = { type: 'DOUBLE', compression: 'SNAPPY' }
  const schema = new ParquetSchema({
    ticker: { type: 'UTF8', compression: 'SNAPPY' },
    timestamp: { type: 'TIMESTAMP_MILLIS', compression: 'SNAPPY' },
    open: price,
    high: price,
    low: price,
    close: price,
    volume: price,
    vwap: { ...price, optional: true },
    trade_count: { type: 'INT64', compression: 'SNAPPY', optional: true },
  })
  return await ParquetWriter.openFile(schema, path)
}
