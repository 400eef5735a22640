import type { Batch } from '../../core/batch.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { ParquetEngine, SegmentFacts, SegmentOptions, SegmentWriter } from '../engine.ts'
import { PAGE_CODECS } from './columnar/codecs.ts'
import { ColumnarSegment } from './columnar/segment.ts'

/**
 * Encodes columns into Parquet itself, as they lie in memory; see docs/decisions/0014-columnar-writer.md. It has no
 * reader of its own: `reader` (DuckDB) reads, compares what was written with what was given, sorts what comes in too
 * much disorder, and writes what is to be compressed in a way that is not known here.
 */
export class ColumnarEngine implements ParquetEngine {
  readonly name = 'columnar'
  readonly #reader: ParquetEngine

  /** @param reader closed with this engine */
  constructor(reader: ParquetEngine) {
    this.#reader = reader
  }

  /** Every dataset and every compression: nothing is refused. */
  assertCanHold(): void {
    return
  }

  async openSegment(options: SegmentOptions): Promise<SegmentWriter> {
    const codec = PAGE_CODECS[options.compression]
    if (!codec) return await this.#reader.openSegment(options)
    return new ColumnarSegment(options, codec, this.#reader)
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
