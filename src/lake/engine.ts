import type { Batch } from '../core/batch.ts'
import type { DatasetDefinition } from '../market/dataset.ts'

/** Names that `sinks.parquet.engine` accepts. */
export const ENGINE_NAMES = ['columnar', 'duckdb', 'parquetjs-lite'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

export const COMPRESSIONS = ['zstd', 'snappy', 'gzip', 'uncompressed'] as const
export type Compression = (typeof COMPRESSIONS)[number]

export interface SegmentOptions {
  readonly dataset: DatasetDefinition
  /** Where to write; overwritten if it exists. Its folder must be there by `finish`. The caller owns fsync and rename. */
  readonly path: string
  readonly compression: Compression
  /** Rows in a row group, at least 1. */
  readonly rowGroupRows: number
  /** Key-value metadata of the file footer. */
  readonly metadata: Readonly<Record<string, string>>
}

/** What a finished segment holds, as the file itself says when it is read back. */
export interface SegmentFacts {
  readonly rows: number
  readonly bytes: number
  readonly metadata: Readonly<Record<string, string>>
  /** Columns in the order of the file, with the SQL type that a reader gives them. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

/** One segment being written. Rows may come in any order: `finish` leaves them sorted, each key once, the last given wins. */
export interface SegmentWriter {
  append(batch: Batch): Promise<void>
  /** Does what can be done of `finish` while the folder is still being made: nothing on the disk. */
  prepare?(): Promise<void>
  /** Completes the file. @throws what the disk gives; the half-written file is removed first. */
  finish(): Promise<{ readonly rows: number }>
  /** Gives up; removes what was written. Never throws. */
  abort(): Promise<void>
}

/**
 * Writes and reads Parquet files of a dataset: sorted by its key, one row per key, statistics on,
 * timestamps UTC. All engines pass tests/contracts/parquet-engine-contract.ts.
 */
export interface ParquetEngine {
  readonly name: EngineName
  /** @throws {ConfigError} when this engine cannot hold the dataset or compression exactly, saying which column and why */
  assertCanHold(dataset: DatasetDefinition, compression: Compression): void
  openSegment(options: SegmentOptions): Promise<SegmentWriter>
  /** All rows of `paths` in file order, in batches of a bounded size. */
  read(dataset: DatasetDefinition, paths: readonly string[]): AsyncIterable<Batch>
  /**
   * Whether the rows of the file at `path` are those of `expected`, in its order and cell for cell, without a batch
   * being made of them. The two zeros count as one.
   *
   * @throws {IntegrityError} when the file cannot be read
   */
  holds(dataset: DatasetDefinition, path: string, expected: Batch): Promise<boolean>
  /** The facts of a file, from its footer. @throws {IntegrityError} when it is not a whole Parquet file */
  inspect(path: string): Promise<SegmentFacts>
  close(): Promise<void>
}
