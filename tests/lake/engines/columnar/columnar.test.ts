import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rowAt, sliceBatch, takeRows, type Batch } from '../../../../src/core/batch.ts'
import { SchemaError } from '../../../../src/core/errors.ts'
import { COMPRESSIONS, type ParquetEngine, type SegmentOptions } from '../../../../src/lake/engine.ts'
import { createEngine } from '../../../../src/lake/engines/index.ts'
import { DATASETS } from '../../../../src/market/datasets/index.ts'
import { parquetEngineContract } from '../../../contracts/parquet-engine-contract.ts'
import { duckdbRows, hyparquetMetadata, hyparquetRows } from '../../../contracts/parquet-readers.ts'
import { batchOf, fullDataset, only, rowsOf, sampleRows } from '../samples.ts'
import { randomNumbers, STYLES, tableOf, type ColumnShape } from './tables.ts'

const RUNS = Number(process.env.TAPELAKE_TABLE_RUNS ?? 40)

describe('columnar engine', () => {
  parquetEngineContract({
    make: (tempDirectory) => createEngine('columnar', { tempDirectory, memoryLimitMb: 512 }),
    dataset: fullDataset,
    compressions: COMPRESSIONS,
  })

  let folder: string
  let engine: ParquetEngine
  let files = 0
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapelake-columnar-'))
    engine = createEngine('columnar', { tempDirectory: join(folder, 'temp'), memoryLimitMb: 256 })
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true })
  })

  async function write(batches: readonly Batch[], options: Partial<SegmentOptions> = {}): Promise<string> {
    const path = join(folder, `${++files}.parquet`)
    const shape = { compression: 'zstd', rowGroupRows: 122_880, metadata: {} } as const
    const writer = await engine.openSegment({ dataset: fullDataset, path, ...shape, ...options })
    for (const batch of batches) await writer.append(batch)
    await writer.finish()
    return path
  }

  test('every dataset is held, with every compression', () => {
    for (const dataset of DATASETS) {
      for (const compression of COMPRESSIONS)
        expect(() => engine.assertCanHold(dataset, compression)).not.toThrow()
    }
  })

  test('random tables of every column type are read as they were, by DuckDB and by hyparquet', async () => {
    const shape = fc.record({ style: fc.constantFrom(...STYLES), nulls: fc.constantFrom(0, 0.02, 0.5, 1) })
    const table = fc.record({
      rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3000 })),
      shapes: fc.array(shape, {
        minLength: fullDataset.columns.length,
        maxLength: fullDataset.columns.length,
      }),
      rowGroupRows: fc.constantFrom(122_880, 1000, 17),
      compression: fc.constantFrom('zstd' as const, 'uncompressed' as const), // the others are DuckDB's
      seed: fc.nat(),
    })
    await fc.assert(
      fc.asyncProperty(table, async ({ rows, shapes, seed, ...options }) => {
        const batch = random(rows, shapes, seed)
        const path = await write([batch], options)
        expect(await engine.holds(fullDataset, path, batch)).toBe(true)
        const given = Array.from({ length: rows }, (_, row) => rowAt(batch, row))
        expect(await hyparquetRows(fullDataset, path)).toEqual(given)
        await rm(path)
      }),
      { numRuns: RUNS },
    )
  })

  const random = (rows: number, shapes: readonly ColumnShape[], seed: number): Batch =>
    tableOf(fullDataset, rows, (column) => shapes[fullDataset.columns.indexOf(column)]!, randomNumbers(seed))

  test.each(STYLES)('200,000 rows of style %s, with statistics as DuckDB finds them', async (style) => {
    const shapes = fullDataset.columns.map((_, i) => ({ style, nulls: i % 2 === 0 ? 0.1 : 0 }))
    const batch = random(200_000, shapes, 7)
    const path = await write([batch])
    expect(await engine.holds(fullDataset, path, batch)).toBe(true)
    const { row_groups: groups } = await hyparquetMetadata(path)
    expect(groups.map(({ num_rows: rows }) => Number(rows))).toEqual([122_880, 77_120])
    let from = 0
    for (const { columns, num_rows: rows } of groups) {
      const part = `(SELECT * FROM read_parquet('${path}', file_row_number = true) WHERE file_row_number BETWEEN ${from} AND ${from + Number(rows) - 1})`
      for (const name of ['timestamp', 'price', 'count', 'clock_ns', 'venue_ns']) {
        const meta = columns.find(({ meta_data }) => meta_data!.path_in_schema[0] === name)!.meta_data!
        const value = name === 'timestamp' ? `epoch_us("${name}")` : `"${name}"`
        const [found] = await duckdbRows(
          `SELECT min(${value}) AS least, max(${value}) AS greatest, count(*) - count(${value}) AS nulls FROM ${part}`,
        )
        const { min_value: least, max_value: greatest, null_count: nulls } = meta.statistics!
        expect([name, plain(least), plain(greatest), Number(nulls)]).toEqual([
          name,
          plain(found!.least),
          plain(found!.greatest),
          Number(found!.nulls),
        ])
      }
      from += Number(rows)
    }
  })

  test('the two zeros keep their signs, and statistics hold them both', async () => {
    const prices = [0, -0, 0]
    const given = sampleRows(3).map((row, i) => ({ ...only(fullDataset, row), price: prices[i] }))
    const path = await write([batchOf(fullDataset, given)])
    expect((await hyparquetRows(fullDataset, path)).map(({ price }) => price)).toEqual(prices)
    const { row_groups: groups } = await hyparquetMetadata(path)
    const { statistics } = groups[0]!.columns.find(
      ({ meta_data }) => meta_data!.path_in_schema[0] === 'price',
    )!.meta_data!
    expect([statistics!.min_value, statistics!.max_value]).toEqual([-0, 0])
  })

  test('columns have the types of DuckDB’s own files, and the file says who wrote it', async () => {
    const batch = batchOf(fullDataset, sampleRows(10))
    const theirs = createEngine('duckdb', { tempDirectory: join(folder, 'temp') })
    const path = join(folder, 'theirs.parquet')
    const shape = { dataset: fullDataset, compression: 'zstd', rowGroupRows: 122_880, metadata: {} } as const
    const writer = await theirs.openSegment({ ...shape, path })
    await writer.append(batch)
    await writer.finish()
    await theirs.close()
    const ours = await write([batch])
    const types = async (file: string) =>
      (await engine.inspect(file)).columns.map(({ name, type }) => [name, type])
    expect(await types(ours)).toEqual(await types(path))
    expect((await hyparquetMetadata(ours)).created_by).toMatch(/^tapelake version /)
  })

  test('the same rows make the same bytes, in whatever batches they come', async () => {
    const batch = random(
      5000,
      fullDataset.columns.map(() => ({ style: 'walk', nulls: 0.1 })),
      3,
    )
    const options = { rowGroupRows: 1500 }
    const whole = await write([batch], options)
    const parts = await write(
      [sliceBatch(batch, 0, 17), sliceBatch(batch, 17, 4000), sliceBatch(batch, 4000, 5000)],
      options,
    )
    const bytes = async (path: string) =>
      await duckdbRows(`SELECT md5(content) AS md5 FROM read_blob('${path}')`)
    expect(await bytes(parts)).toEqual(await bytes(whole))
  })

  test('rows that belong before a row group already written are sorted in, repeats included', async () => {
    const given = sampleRows(9000).map((row) => only(fullDataset, row))
    const batch = batchOf(fullDataset, given)
    const backwards = [8, 7, 6, 5, 4, 3, 2, 1, 0].map((part) =>
      sliceBatch(batch, part * 1000, (part + 1) * 1000),
    )
    const again = { ...given[4321]!, price: 1.25 }
    const path = await write([...backwards, batchOf(fullDataset, [again])], { rowGroupRows: 1500 })
    expect(await rowsOf(engine.read(fullDataset, [path]))).toEqual(given.toSpliced(4321, 1, again))
  })

  test('a late row at the very end is sorted in', async () => {
    const batch = batchOf(fullDataset, sampleRows(4000))
    const late = takeRows(batch, [0])
    const rest = sliceBatch(batch, 1, 4000)
    const path = await write([sliceBatch(rest, 0, 2000), sliceBatch(rest, 2000, 3999), late], {
      rowGroupRows: 1000,
    })
    expect(await engine.holds(fullDataset, path, batch)).toBe(true)
  })

  test('a segment that was given up after it was handed over leaves nothing', async () => {
    const before = await readdir(folder)
    const path = join(folder, 'given-up.parquet')
    const shape = { compression: 'zstd', rowGroupRows: 500, metadata: {} } as const
    const writer = await engine.openSegment({ dataset: fullDataset, path, ...shape })
    const batch = batchOf(fullDataset, sampleRows(2000))
    for (const [from, to] of [
      [1000, 2000],
      [0, 1000],
      [500, 700],
    ] as const)
      await writer.append(sliceBatch(batch, from, to))
    await writer.abort()
    expect(await readdir(folder)).toEqual(before)
    await expect(writer.append(batch)).rejects.toBeInstanceOf(SchemaError)
  })
})

const plain = (value: unknown): unknown =>
  typeof value === 'bigint'
    ? String(value)
    : typeof value === 'number' && Number.isInteger(value)
      ? String(value)
      : value
