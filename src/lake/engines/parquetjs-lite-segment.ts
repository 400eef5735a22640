import { open, rm } from 'node:fs/promises'
import { rowAt, type Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import { ConfigError, IntegrityError, SchemaError } from '../../core/errors.ts'
import { dedupLastWins } from '../../core/sort.ts'
import type { ColumnDefinition } from '../../market/dataset.ts'
import { onDisk } from '../durable.ts'
import type { ParquetEngine, SegmentOptions, SegmentWriter } from '../engine.ts'
import { assertBatchFits } from './batch-check.ts'
import { encodeWithParquetjs } from './parquetjs-lite-file.ts'

/**
 * Gathers the rows of one segment in memory, writes them with parquetjs-lite, and trusts nothing: the finished
 * file is read back with DuckDB and compared value by value.
 */
export class ParquetjsLiteSegment implements SegmentWriter {
  readonly #options: SegmentOptions
  readonly #reader: Pick<ParquetEngine, 'read'>
  #batches: Batch[] = []

  constructor(options: SegmentOptions, reader: Pick<ParquetEngine, 'read'>) {
    this.#options = options
    this.#reader = reader
  }

  async append(batch: Batch): Promise<void> {
    const { dataset } = this.#options
    assertBatchFits(dataset, batch)
    for (const column of dataset.columns) assertValuesFit(dataset.name, column, batch)
    if (batch.length > 0) this.#batches.push(batch)
  }

  async finish(): Promise<{ readonly rows: number }> {
    const { dataset, path } = this.#options
    if (this.#batches.length === 0) {
      throw new SchemaError(`${path}: a segment of ${dataset.name} without rows is not written`)
    }
    const rows = dedupLastWins(concatBatches(this.#batches), dataset.key)
    this.#batches = []
    try {
      const chunks = await encodeWithParquetjs(rows, this.#options)
      await onDisk(path, () => writeChunks(path, chunks))
      await this.#compare(rows)
    } catch (error) {
      await this.abort()
      throw error
    }
    return { rows: rows.length }
  }

  async #compare(written: Batch): Promise<void> {
    const { dataset, path } = this.#options
    let at = 0
    for await (const batch of this.#reader.read(dataset, [path])) {
      for (let row = 0; row < batch.length; row++, at++) {
        const column = differingColumn(dataset.columns, rowAt(written, at), rowAt(batch, row))
        if (column) throw differs(path, `row ${at}, column ${column}`)
      }
    }
    if (at !== written.length) throw differs(path, `${at} rows instead of ${written.length}`)
  }

  async abort(): Promise<void> {
    this.#batches = []
    await rm(this.#options.path, { force: true }).catch(() => undefined)
  }
}

async function writeChunks(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (const chunk of chunks) await file.writeFile(chunk)
  } finally {
    await file.close()
  }
}

/** What depends on the values: the types were checked when the run was configured. */
function assertValuesFit(dataset: string, { name, type }: ColumnDefinition, batch: Batch): void {
  if (type === 'string' || type === 'double') return
  const values = batch.columns[name] as Float64Array
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!
    if (Number.isNaN(value)) continue
    if (!Number.isSafeInteger(value))
      throw new SchemaError(`${dataset}.${name}: ${value} in row ${row} is no ${type}`)
    if (value < 0 && type !== 'int64') {
      throw new ConfigError(
        `${dataset}.${name}: parquetjs-lite cannot hold a ${type} before 1970 (row ${row})`,
        {
          hint: 'Set sinks.parquet.engine: duckdb.',
        },
      )
    }
  }
}

type Row = Readonly<Record<string, unknown>>

function differingColumn(columns: readonly ColumnDefinition[], wanted: Row, found: Row): string | undefined {
  return columns.find(({ name }) => wanted[name] !== found[name])?.name
}

const differs = (path: string, where: string): IntegrityError =>
  new IntegrityError(
    `${path}: the file that parquetjs-lite wrote differs from what it was given (${where})`,
    {
      hint: 'Nothing was committed. Set sinks.parquet.engine: duckdb and run the same command again.',
    },
  )
