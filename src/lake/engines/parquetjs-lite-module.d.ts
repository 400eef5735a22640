/** The part of parquetjs-lite 0.8.7 that the engine uses; the package has no types. It throws strings. */
declare module 'parquetjs-lite' {
  import type { Writable } from 'node:stream'

  export interface FieldDefinition {
    readonly type: 'UTF8' | 'DOUBLE' | 'INT64' | 'DATE' | 'TIMESTAMP_MICROS'
    readonly optional: boolean
    readonly compression: 'SNAPPY' | 'GZIP' | 'UNCOMPRESSED'
    readonly statistics?: false
  }

  interface ParquetWriter {
    setMetadata(key: string, value: string): void
    appendRow(row: Record<string, string | number | bigint | null>): Promise<void>
    close(): Promise<void>
  }

  interface WriterOptions {
    /** Rows. */
    readonly rowGroupSize: number
    /** Rows, not bytes. */
    readonly pageSize: number
    readonly pageIndex: boolean
  }

  const parquet: {
    readonly ParquetSchema: new (fields: Record<string, FieldDefinition>) => object
    readonly ParquetWriter: {
      openStream(schema: object, stream: Writable, options: WriterOptions): Promise<ParquetWriter>
    }
  }
  export default parquet
}
