import { open, type FileHandle } from 'node:fs/promises'
import type { Batch } from '../../../core/batch.ts'
import type { SegmentOptions } from '../../engine.ts'
import type { PageCodec } from './codecs.ts'
import { encodeFooter, type RowGroupFacts } from './footer.ts'
import { encodeRowGroup } from './row-group.ts'

/** In the form that other tools parse; the version is that of this writer. */
const CREATED_BY = 'tapelake version 1.0.0 (build columnar)'
const MAGIC = Buffer.from('PAR1')

/** A Parquet file being written, row group by row group. The file is made with the first. */
export class ColumnarFile {
  readonly #options: SegmentOptions
  readonly #codec: PageCodec
  readonly #rowGroups: RowGroupFacts[] = []
  #handle: FileHandle | undefined
  #pending: Uint8Array[] = [MAGIC]
  #offset = MAGIC.length

  constructor(options: SegmentOptions, codec: PageCodec) {
    this.#options = options
    this.#codec = codec
  }

  /** Writes `batch`, in order and not empty, as one row group. */
  async add(batch: Batch): Promise<void> {
    const chunks = await encodeRowGroup(this.#options.dataset.columns, batch, this.#codec)
    this.#rowGroups.push({
      rows: batch.length,
      offset: this.#offset,
      chunks: chunks.map(({ facts }) => facts),
    })
    for (const { facts, pages } of chunks) {
      this.#pending.push(...pages)
      this.#offset += facts.bytes
    }
  }

  /** Writes what was encoded. */
  async flush(): Promise<void> {
    this.#handle ??= await open(this.#options.path, 'w')
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    await this.#handle.writeFile(bytes)
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
    const length = Buffer.alloc(4)
    length.writeUInt32LE(footer.length)
    this.#pending.push(footer, length, MAGIC)
    await this.flush()
    await this.close()
  }

  /** Closes the file, whole or not. */
  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}
