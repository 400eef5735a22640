import type { Batch } from '../../core/batch.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { ParquetEngine, SegmentFacts } from '../engine.ts'

/** What an engine that only writes leaves to another one: reading, comparing, looking into files. */
export abstract class ReaderBacked {
  protected readonly reader: ParquetEngine

  /** @param reader closed with this engine */
  constructor(reader: ParquetEngine) {
    this.reader = reader
  }

  read(dataset: DatasetDefinition, paths: readonly string[]): AsyncIterable<Batch> {
    return this.reader.read(dataset, paths)
  }

  async holds(dataset: DatasetDefinition, path: string, expected: Batch): Promise<boolean> {
    return await this.reader.holds(dataset, path, expected)
  }

  async inspect(path: string): Promise<SegmentFacts> {
    return await this.reader.inspect(path)
  }

  async close(): Promise<void> {
    await this.reader.close()
  }
}
