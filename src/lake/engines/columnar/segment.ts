import { rm } from 'node:fs/promises'
import { concatBatches } from '../../../core/batch-concat.ts'
import { sliceBatch, type Batch } from '../../../core/batch.ts'
import { SchemaError } from '../../../core/errors.ts'
import { dedupLastWins } from '../../../core/sort.ts'
import type { ColumnDefinition } from '../../../market/dataset.ts'
import { onDisk } from '../../durable.ts'
import type { ParquetEngine, SegmentOptions, SegmentWriter } from '../../engine.ts'
import { assertBatchFits } from '../batch-check.ts'
import { KeyOrder } from '../key-order.ts'
import type { PageCodec } from './codecs.ts'
import { ColumnarFile } from './file.ts'

/**
 * Encodes the rows of one segment as they come, a row group at a time. Rows of the row group in hand may come in any
 * order; rows that belong before a row group already encoded make it hand everything over to `sorter`, which can
 * sort more than fits into memory.
 */
export class ColumnarSegment implements SegmentWriter {
  readonly #options: SegmentOptions
  readonly #codec: PageCodec
  readonly #sorter: Pick<ParquetEngine, 'openSegment' | 'read'>
  readonly #order: KeyOrder
  #held: Batch[] = []
  #heldRows = 0
  #file: ColumnarFile | undefined
  #rows = 0
  #handedOver: SegmentWriter | undefined
  #closed = false

  constructor(
    options: SegmentOptions,
    codec: PageCodec,
    sorter: Pick<ParquetEngine, 'openSegment' | 'read'>,
  ) {
    this.#options = options
    this.#codec = codec
    this.#sorter = sorter
    this.#order = new KeyOrder(options.dataset.key)
  }

  async append(batch: Batch): Promise<void> {
    const { dataset, rowGroupRows, path } = this.#options
    if (this.#closed) throw new SchemaError(`${path}: the segment is already closed`)
    assertBatchFits(dataset, batch)
    for (const column of dataset.columns) assertWhole(dataset.name, column, batch)
    if (this.#heldRows >= rowGroupRows) await this.#encodeHeld()
    if (this.#handedOver) return await this.#handedOver.append(batch)
    if (batch.length === 0) return
    this.#held.push(batch)
    this.#heldRows += batch.length
  }

  /** Writes the full row groups of what is held, if they follow what was written before. */
  async #encodeHeld(): Promise<void> {
    const { rowGroupRows } = this.#options
    const rows = this.#joinHeld()
    const whole = rows.length - (rows.length % rowGroupRows)
    if (!(await this.#encodeNext(sliceBatch(rows, 0, whole)))) return await this.#handOver()
    this.#held = whole < rows.length ? [sliceBatch(rows, whole, rows.length)] : []
    this.#heldRows = rows.length - whole
  }

  /** What is held as one batch; in order, and each key once, if nothing was written before. */
  #joinHeld(): Batch {
    const held = concatBatches(this.#held)
    return this.#rows === 0 ? dedupLastWins(held, this.#options.dataset.key) : held
  }

  /** False, and nothing done, when `rows` do not follow what was written before. */
  async #encodeNext(rows: Batch): Promise<boolean> {
    this.#order.add(rows)
    if (!this.#order.strictlyAscending) return false
    await onDisk(this.#options.path, async () => await this.#encode(rows))
    return true
  }

  async #encode(rows: Batch): Promise<void> {
    const { rowGroupRows } = this.#options
    this.#file ??= new ColumnarFile(this.#options, this.#codec)
    for (let from = 0; from < rows.length; from += rowGroupRows) {
      await this.#file.add(sliceBatch(rows, from, Math.min(from + rowGroupRows, rows.length)))
      if (from + rowGroupRows < rows.length) await this.#file.flush()
    }
    this.#rows += rows.length
  }

  async #handOver(): Promise<void> {
    const { dataset, path } = this.#options
    const sorter = (this.#handedOver = await this.#sorter.openSegment(this.#options))
    const file = this.#file
    this.#file = undefined
    await onDisk(path, async () => await file?.finish())
    for await (const batch of this.#sorter.read(dataset, [path])) await sorter.append(batch)
    for (const batch of this.#held) await sorter.append(batch)
    this.#held = []
    this.#heldRows = 0
  }

  async prepare(): Promise<void> {
    if (this.#handedOver || this.#held.length === 0 || this.#heldRows > this.#options.rowGroupRows) return
    if (await this.#encodeNext(this.#joinHeld())) this.#held = []
  }

  async finish(): Promise<{ readonly rows: number }> {
    const { dataset, path } = this.#options
    this.#closed = true
    try {
      if (this.#held.length > 0) await this.#finishHeld()
      if (this.#handedOver) return await this.#handedOver.finish()
      if (this.#rows === 0)
        throw new SchemaError(`${path}: a segment of ${dataset.name} without rows is not written`)
      await onDisk(path, async () => await this.#file?.finish())
    } catch (error) {
      await this.abort()
      throw error
    }
    return { rows: this.#rows }
  }

  async #finishHeld(): Promise<void> {
    if (!(await this.#encodeNext(this.#joinHeld()))) return await this.#handOver()
    this.#held = []
  }

  async abort(): Promise<void> {
    this.#closed = true
    this.#held = []
    await this.#handedOver?.abort()
    await this.#file?.close().catch(() => undefined)
    await rm(this.#options.path, { force: true }).catch(() => undefined)
  }
}

const MAX_EXACT = 2 ** 53
const MAX_INT32 = 2 ** 31 - 1

/** Whole numbers, in range, where the column holds those. */
function assertWhole(dataset: string, { name, type }: ColumnDefinition, batch: Batch): void {
  if (type !== 'timestamp' && type !== 'int64' && type !== 'date') return
  const values = batch.columns[name] as Float64Array
  const max = type === 'date' ? MAX_INT32 : MAX_EXACT
  const row = firstUnfit(values, max)
  if (row >= 0) throw new SchemaError(`${dataset}.${name}: ${values[row]} in row ${row} is no ${type}`)
}

/** The first row whose value is no whole number within ±`max`, or -1; NaN is null. */
function firstUnfit(values: Float64Array, max: number): number {
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!
    if ((value !== Math.floor(value) && value === value) || value > max || value < -max) return row
  }
  return -1
}
