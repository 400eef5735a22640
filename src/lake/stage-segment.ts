import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { allEnded } from '../core/all-ended.ts'
import type { Batch } from '../core/batch.ts'
import { IntegrityError } from '../core/errors.ts'
import { RowDigest } from './digest.ts'
import { asDiskError, fsyncFolder, makeFolder, sealFile, type FileSum } from './durable.ts'
import type { Compression, ParquetEngine, SegmentWriter } from './engine.ts'
import { segmentPath, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import type { Segment, SegmentOrigin } from './ledger.ts'
import { scanContent, type Content } from './scan.ts'
import { segmentMetadata } from './segment-metadata.ts'

const NOTHING_COMMITTED = 'Nothing was committed. Check the disk and run the same command again.'

/** How segments are written. */
export interface SegmentSettings {
  readonly engine: ParquetEngine
  readonly compression: Compression
  /** Rows in a row group. */
  readonly rowGroupRows: number
}

export interface StagingContext extends SegmentSettings {
  readonly root: string
  readonly series: SeriesId
  readonly partition: string
  readonly runId: string
  readonly provenance: 'real' | 'synthetic'
  readonly origins: readonly SegmentOrigin[]
  /** Sessions of which it does not hold all rows, as far as is known. */
  readonly unfinished: readonly string[]
}

/** A segment that is whole, checked and durable under its temporary name, waiting for the commit. */
export interface StagedSegment {
  readonly segment: Segment
  readonly content: Content
}

/**
 * Writes one segment under its temporary name, reads it back and compares it with what was given: either `stage`,
 * with all of its rows at once, or `append` and `finish`, where rows may come in any order and repeat keys (the last
 * wins).
 */
export class SegmentStaging {
  readonly #context: StagingContext
  readonly #path: string
  readonly #writtenAt: string
  readonly #written = new RowDigest()
  #writer: SegmentWriter | undefined

  constructor(context: StagingContext) {
    this.#context = context
    this.#path = join(context.root, segmentPath(context.series, context.partition) + TEMPORARY_SUFFIX)
    this.#writtenAt = new Date().toISOString()
  }

  async append(batch: Batch): Promise<void> {
    if (!this.#writer) await makeFolder(dirname(this.#path))
    this.#writer ??= await this.#open()
    await this.#onDisk(async () => await this.#writer!.append(batch))
    this.#written.add(batch)
  }

  /**
   * Writes `batch`, in order of its key and each key once, as the whole segment: the disk, the engine and this thread
   * have work at the same time.
   *
   * @throws {IntegrityError} when the file does not hold `batch`, cell for cell
   */
  async stage(batch: Batch): Promise<StagedSegment> {
    const { series } = this.#context
    const folder = makeFolder(dirname(this.#path))
    await allEnded([folder, this.#openWith(batch)])
    const writer = this.#writer!
    await this.#onDisk(() => writer.finish())
    const reading = this.#context.engine.holds(series.dataset, this.#path, batch)
    const content = nextTurn().then(() => scanContent(series.dataset, [batch])) // the engine and the disk begin first
    const [sum] = await allEnded([this.#makeDurable(), this.#assertHeld(reading, content, batch.length)])
    return { segment: this.#describe(await content, sum), content: await content }
  }

  async #openWith(batch: Batch): Promise<void> {
    const writer = (this.#writer = await this.#open())
    await this.#onDisk(async () => {
      await writer.append(batch)
      await writer.prepare?.()
    })
  }

  async #assertHeld(reading: Promise<boolean>, scanning: Promise<Content>, rows: number): Promise<void> {
    const [same, { disorder, strays }] = await allEnded([reading, scanning])
    if (same && disorder === 0 && strays === 0) return
    throw new IntegrityError(
      same
        ? `${this.#path}: ${disorder} rows out of order, ${strays} outside any session`
        : `${this.#path}: read back other rows than the ${rows} that were written`,
      { hint: NOTHING_COMMITTED },
    )
  }

  /** Both the bytes and the name: a commit is durable only if the name of what it names is. */
  async #makeDurable(): Promise<FileSum> {
    const [sum] = await allEnded([sealFile(this.#path), fsyncFolder(dirname(this.#path))])
    return sum
  }

  async #open(): Promise<SegmentWriter> {
    const { engine, series, compression, rowGroupRows } = this.#context
    return await engine.openSegment({
      dataset: series.dataset,
      path: this.#path,
      compression,
      rowGroupRows,
      metadata: segmentMetadata(this.#context, this.#writtenAt),
    })
  }

  /** @throws {IntegrityError} when the file does not hold what was written */
  async finish(): Promise<StagedSegment> {
    const writer = this.#writer
    if (!writer) throw new IntegrityError(`${this.#path}: a segment without rows`)
    const { rows } = await this.#onDisk(() => writer.finish())
    const sum = await this.#makeDurable()
    const content = await this.#readBack(rows)
    return { segment: this.#describe(content, sum), content }
  }

  async #readBack(rows: number): Promise<Content> {
    const { engine, series } = this.#context
    const content = await scanContent(series.dataset, engine.read(series.dataset, [this.#path]))
    const repeated = this.#written.rows - rows // keys given twice: only then may the digests differ
    const same = repeated > 0 || content.digest === this.#written.toString()
    if (content.rows !== rows || !same || content.disorder > 0 || content.strays > 0) {
      throw new IntegrityError(
        `${this.#path}: read back ${content.rows} rows (digest ${content.digest}, ${content.disorder} out of order, ` +
          `${content.strays} outside any session), wrote ${rows} (digest ${this.#written.toString()})`,
        { hint: NOTHING_COMMITTED },
      )
    }
    return content
  }

  #describe(content: Content, sum: FileSum): Segment {
    const { series, partition, engine, runId, origins } = this.#context
    const dates = [...content.sessions.keys()].sort()
    return {
      path: segmentPath(series, partition),
      partition,
      rows: content.rows,
      ...sum,
      digest: content.digest,
      first: dates[0]!,
      last: dates.at(-1)!,
      engine: engine.name,
      run: runId,
      writtenAt: this.#writtenAt,
      origins: [...origins],
    }
  }

  /** Removes what was written. Never throws. */
  async abort(): Promise<void> {
    await this.#writer?.abort()
    await rm(this.#path, { force: true }).catch(() => undefined)
  }

  async #onDisk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw asDiskError(error, this.#path)
    }
  }
}
