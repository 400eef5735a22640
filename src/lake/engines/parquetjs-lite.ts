import type { Batch, ColumnType } from '../../core/batch.ts'
import { ConfigError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { Compression, ParquetEngine, SegmentFacts, SegmentOptions, SegmentWriter } from '../engine.ts'
import { CODECS, FIELD_TYPES } from './parquetjs-lite-file.ts'
import { ParquetjsLiteSegment } from './parquetjs-lite-segment.ts'

/** Why a column type is refused, see docs/decisions/0001-parquet-engines.md. */
const REASONS: Readonly<Partial<Record<ColumnType, string>>> = {
  ns: 'it rounds integers beyond 2^53, and nanoseconds are beyond',
  int_list: 'it writes lists in a legacy form that cannot tell a missing list',
}

/**
 * Writes with parquetjs-lite what that can hold exactly, and refuses the rest. It reads through `reader`, since its
 * own reader takes neither other engines' files nor, exactly, its own.
 */
export class ParquetjsLiteEngine implements ParquetEngine {
  readonly name = 'parquetjs-lite'
  readonly #reader: ParquetEngine

  /** @param reader reads back and inspects; closed with this engine */
  constructor(reader: ParquetEngine) {
    this.#reader = reader
  }

  assertCanHold(dataset: DatasetDefinition, compression: Compression): void {
    for (const { name, type } of dataset.columns) {
      if (FIELD_TYPES[type]) continue
      throw new ConfigError(
        `parquetjs-lite cannot hold ${dataset.name}.${name} (${type}): ${REASONS[type]}`,
        {
          hint: 'Set sinks.parquet.engine: duckdb.',
        },
      )
    }
    if (CODECS[compression]) return
    throw new ConfigError(`parquetjs-lite has no ${compression} compression`, {
      hint: `Set sinks.parquet.compression to ${Object.keys(CODECS).join(', ')}, or sinks.parquet.engine: duckdb.`,
    })
  }

  async openSegment(options: SegmentOptions): Promise<SegmentWriter> {
    this.assertCanHold(options.dataset, options.compression)
    return new ParquetjsLiteSegment(options, this.#reader)
  }

  read(dataset: DatasetDefinition, paths: readonly string[]): AsyncIterable<Batch> {
    return this.#reader.read(dataset, paths)
  }

  async holds(dataset: DatasetDefinition, path: string, expected: Batch): Promise<boolean> {
    return await this.#reader.holds(dataset, path, expected)
  }

  async inspect(path: string): Promise<SegmentFacts> {
    return await this.#reader.inspect(path)
  }

  async close(): Promise<void> {
    await this.#reader.close()
  }
}
