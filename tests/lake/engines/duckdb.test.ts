import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { constantString, stringAt, type Batch, type StringColumn } from '../../../src/core/batch.ts'
import { SchemaError } from '../../../src/core/errors.ts'
import { COMPRESSIONS, type ParquetEngine } from '../../../src/lake/engine.ts'
import { createEngine } from '../../../src/lake/engines/index.ts'
import { DATASETS } from '../../../src/market/datasets/index.ts'
import { parquetEngineContract } from '../../contracts/parquet-engine-contract.ts'
import { hyparquetMetadata } from '../../contracts/parquet-readers.ts'
import { batchOf, fullDataset, only, rowsOf, sampleRows } from './samples.ts'

describe('duckdb engine', () => {
  parquetEngineContract({
    make: (tempDirectory) => createEngine('duckdb', { tempDirectory, memoryLimitMb: 512 }),
    dataset: fullDataset,
    compressions: COMPRESSIONS,
  })

  let folder: string
  let engine: ParquetEngine
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapelake-duckdb-'))
    engine = createEngine('duckdb', { tempDirectory: join(folder, 'temp'), memoryLimitMb: 128, threads: 1 })
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true })
  })

  const options = { dataset: fullDataset, compression: 'zstd', rowGroupRows: 122_880, metadata: {} } as const

  test('every dataset is held, with every compression', () => {
    for (const dataset of DATASETS) {
      for (const compression of COMPRESSIONS)
        expect(() => engine.assertCanHold(dataset, compression)).not.toThrow()
    }
  })

  test('columns have the logical types that other tools expect, timestamps flagged UTC', async () => {
    const path = join(folder, 'types.parquet')
    const writer = await engine.openSegment({ ...options, path })
    await writer.append(
      batchOf(
        fullDataset,
        sampleRows(10).map((row) => only(fullDataset, row)),
      ),
    )
    await writer.finish()
    const { schema } = await hyparquetMetadata(path)
    const found = Object.fromEntries(
      schema.map(({ name, type, converted_type, logical_type }) => [
        name,
        [type, converted_type, logical_type],
      ]),
    )
    expect(found).toMatchObject({
      ticker: ['BYTE_ARRAY', 'UTF8', undefined],
      timestamp: ['INT64', 'TIMESTAMP_MICROS', { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' }],
      day: ['INT32', 'DATE', undefined],
      price: ['DOUBLE', undefined, undefined],
      clock_ns: ['INT64', 'INT_64', undefined],
      codes: [undefined, 'LIST', undefined],
    })
  })

  test('days and instants before 1970 survive', async () => {
    const given = sampleRows(3).map((row, i) => ({
      ...only(fullDataset, row),
      timestamp: -86_400_000_000 * (3 - i) - 1,
      day: -2557 + i,
    }))
    const path = join(folder, 'old.parquet')
    const writer = await engine.openSegment({ ...options, path })
    await writer.append(batchOf(fullDataset, given))
    await writer.finish()
    expect(await rowsOf(engine.read(fullDataset, [path]))).toEqual(given)
  })

  test('more rows than the memory limit holds are sorted through the temporary folder, which is cleaned', async () => {
    const own = createEngine('duckdb', {
      tempDirectory: join(folder, 'spill'),
      memoryLimitMb: 64,
      threads: 1,
    })
    const path = join(folder, 'big.parquet')
    const writer = await own.openSegment({ ...options, path })
    const [size, parts] = [100_000, 12] // about 130 MB as columns
    for (let part = parts - 1; part >= 0; part--) await writer.append(ticks(part * size, size))
    expect(await writer.finish()).toEqual({ rows: size * parts })
    let at = 0
    for await (const batch of own.read(fullDataset, [path])) {
      const clocks = batch.columns.clock_ns as BigInt64Array
      expect([clocks[0], clocks.at(-1)]).toEqual([BigInt(at), BigInt(at + batch.length - 1)])
      expect(stringAt(batch.columns.id as StringColumn, 0)).toBe(`id-${at}`)
      at += batch.length
    }
    expect(at).toBe(size * parts)
    await own.close()
    expect(await readdir(join(folder, 'spill'))).toEqual([])
  })

  test('a text with a zero in it survives, as the first of its column too', async () => {
    const given = sampleRows(3).map((row, i) => ({ ...only(fullDataset, row), id: i < 2 ? 'a\0b' : 'a' }))
    const path = join(folder, 'zero.parquet')
    const writer = await engine.openSegment({ ...options, path })
    await writer.append(batchOf(fullDataset, given))
    await writer.finish()
    expect(await rowsOf(engine.read(fullDataset, [path]))).toEqual(given)
  })

  test('a closed segment takes no more rows', async () => {
    const path = join(folder, 'closed.parquet')
    const writer = await engine.openSegment({ ...options, path })
    await writer.abort()
    const batch = batchOf(fullDataset, sampleRows(1))
    await expect(writer.append(batch)).rejects.toBeInstanceOf(SchemaError)
  })

  test('an integer beyond ±2^53 in a foreign file is refused, not rounded', async () => {
    const path = join(folder, 'foreign.parquet')
    const writer = await engine.openSegment({ ...options, path })
    await writer.append(batchOf(fullDataset, sampleRows(2)))
    await writer.finish()
    const asCount = { ...fullDataset, columns: [{ ...fullDataset.columns[6]!, type: 'int64' as const }] }
    await expect(rowsOf(engine.read(asCount, [path]))).rejects.toThrow(
      /clock_ns: 1704205800000000001 is beyond/,
    )
  })
})

/** Rows with the clock `from`, `from + 1`, …; built as columns, as there are many. */
function ticks(from: number, length: number): Batch {
  const numbers = (value: (row: number) => number) => Float64Array.from({ length }, (_, row) => value(row))
  return {
    dataset: fullDataset.name,
    length,
    schema: fullDataset.columns.map(({ name, type }) => ({ name, type })),
    columns: {
      ticker: constantString('SPY', length),
      timestamp: numbers((row) => 1.7e15 + Math.floor((from + row) / 1000)),
      day: numbers(() => NaN),
      price: numbers((row) => 400 + (row % 100) / 100),
      count: numbers((row) => row),
      note: { codes: new Int32Array(length).fill(-1), dictionary: [] },
      clock_ns: BigInt64Array.from({ length }, (_, row) => BigInt(from + row)),
      venue_ns: BigInt64Array.from({ length }, (_, row) => BigInt(from + row)),
      codes: { offsets: new Uint32Array(length + 1), values: new Int32Array() },
      id: {
        codes: Int32Array.from({ length }, (_, row) => row),
        dictionary: Array.from({ length }, (_, row) => `id-${from + row}`),
      },
    },
  }
}
