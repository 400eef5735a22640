import type { ColumnType } from '../../core/batch.ts'
import { ConfigError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { Compression, ParquetEngine, SegmentOptions, SegmentWriter } from '../engine.ts'
import { CODECS, FIELD_TYPES } from './parquetjs-lite-file.ts'
import { ParquetjsLiteSegment } from './parquetjs-lite-segment.ts'
import { ReaderBacked } from './reader-backed.ts'

/** Why a column type is refused, see docs/decisions/0001-parquet-engines.md. */
const REASONS: Readonly<Partial<Record<ColumnType, string>>> = {
  ns: 'it rounds integers beyond 2^53, and nanoseconds are beyond',
  int_list: 'it writes lists in a legacy form that cannot tell a missing list',
}

/**
 * Writes with parquetjs-lite what that can hold exactly, and refuses the rest. It reads through `reader`, since its
 * own reader takes neither other engines' files nor, exactly, its own.
 */
export class ParquetjsLiteEngine extends ReaderBacked implements ParquetEngine {
  readonly name = 'parquetjs-lite'

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
    return new ParquetjsLiteSegment(options, this.reader)
  }
}
