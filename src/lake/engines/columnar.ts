import type { ParquetEngine, SegmentOptions, SegmentWriter } from '../engine.ts'
import { PAGE_CODECS } from './columnar/codecs.ts'
import { ColumnarSegment } from './columnar/segment.ts'
import { ReaderBacked } from './reader-backed.ts'

/**
 * Encodes columns into Parquet itself, as they lie in memory; see docs/decisions/0014-columnar-writer.md. It has no
 * reader of its own: `reader` (DuckDB) reads, compares what was written with what was given, sorts what comes in too
 * much disorder, and writes what is to be compressed in a way that is not known here.
 */
export class ColumnarEngine extends ReaderBacked implements ParquetEngine {
  readonly name = 'columnar'

  /** Every dataset and every compression: nothing is refused. */
  assertCanHold(): void {
    return
  }

  async openSegment(options: SegmentOptions): Promise<SegmentWriter> {
    const codec = PAGE_CODECS[options.compression]
    if (!codec) return await this.reader.openSegment(options)
    return new ColumnarSegment(options, codec, this.reader)
  }
}
