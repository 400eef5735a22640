import { open, type FileHandle } from 'node:fs/promises'
import type { Batch } from '../../../core/batch.ts'
import type { SegmentOptions } from '../../engine.ts'
import { ByteWriter } from './byte-writer.ts'
import type { PageCodec } from './codecs.ts'
import { encodeFooter, type RowGroupFacts } from './footer.ts'
import { encodeRowGroup } from './row-group.ts'

/** In the form that other tools parse; the version is that of this writer. */
const CREATED_BY = 'tapelake version 1.0.0 (build columnar)'
const MAGIC = Buffer.from('PAR1')

/** Memory of files that are closed, for those to come. */
const writers: ByteWriter[] = []
const MOST_WRITERS = 2

/** A Parquet file being written, row group by row group. The file is made with the first. */
export class ColumnarFile {
  readonly #options: SegmentOptions
  readonly #codec: PageCodec
  readonly #rowGroups: RowGroupFacts[] = []
  #handle: FileHandle | undefined
  readonly #pending = writers.pop() ?? new ByteWriter()
  #flushed = 0
  #closed = false

  constructor(options: SegmentOptions, codec: PageCodec) {
    this.#options = options
    this.#codec = codec
    this.#pending.reset().bytes(MAGIC)
  }

  /** Writes `batch`, in order and not empty, as one row group. */
  async add(batch: Batch): Promise<void> {
    const offset = this.#flushed + this.#pending.length
    const chunks = await encodeRowGroup(this.#options.dataset.columns, batch, this.#codec, this.#pending)
    this.#rowGroups.push({ rows: batch.length, offset, chunks })
  }

  /** Writes what was encoded. */
  async flush(): Promise<void> {
    this.#handle ??= await open(this.#options.path, 'w')
    await this.#handle.writeFile(this.#pending.written)
    this.#flushed += this.#pending.length
    this.#pending.reset()
  }

  /** Completes and closes the file. */
  async finish(): Promise<void> {
    const { columns } = this.#options.dataset
    const footer = encodeFooter({
      columns,
      rowGroups: this.#rowGroups,
      codec: this.#codec,
      metadata: this.#options.metadata,
      createdBy: CREATED_BY,
    })
    this.#pending.bytes(footer)
    this.#pending.uint32(footer.length)
    this.#pending.bytes(MAGIC)
    await this.flush()
    await this.close()
  }

  /** Closes the file, whole or not. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (writers.length < MOST_WRITERS) writers.push(this.#pending)
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}
