import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, IntegrityError } from '../../../src/core/errors.ts'
import type { ParquetEngine } from '../../../src/lake/engine.ts'
import { createEngine } from '../../../src/lake/engines/index.ts'
import { ParquetjsLiteEngine } from '../../../src/lake/engines/parquetjs-lite.ts'
import { datasetNamed } from '../../../src/market/datasets/index.ts'
import { parquetEngineContract } from '../../contracts/parquet-engine-contract.ts'
import { duckdbRows } from '../../contracts/parquet-readers.ts'
import { batchOf, only, plainDataset, rowsOf, sampleRows } from './samples.ts'

describe('parquetjs-lite engine', () => {
  parquetEngineContract({
    make: (tempDirectory) => createEngine('parquetjs-lite', { tempDirectory, memoryLimitMb: 512 }),
    dataset: plainDataset,
    compressions: ['snappy', 'gzip', 'uncompressed'],
  })

  let folder: string
  let engine: ParquetEngine
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapelake-parquetjs-'))
    engine = createEngine('parquetjs-lite', { tempDirectory: join(folder, 'temp') })
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true })
  })

  const given = sampleRows(50).map((row) => only(plainDataset, row))
  const options = { dataset: plainDataset, compression: 'snappy', rowGroupRows: 4096, metadata: {} } as const

  test.each(['equity_bars_1m', 'equity_bars_1d', 'splits', 'dividends'])('%s can be held', (name) => {
    expect(() => engine.assertCanHold(datasetNamed(name), 'snappy')).not.toThrow()
  })

  test('nanoseconds are refused before anything is fetched, naming column, reason and way out', async () => {
    const refusal = catchError(() => engine.assertCanHold(datasetNamed('equity_trades'), 'snappy'))
    expect(refusal).toBeInstanceOf(ConfigError)
    expect(refusal.message).toBe(
      'parquetjs-lite cannot hold equity_trades.sip_timestamp_ns (ns): it rounds integers beyond 2^53, and nanoseconds are beyond',
    )
    expect(refusal.hint).toContain('sinks.parquet.engine: duckdb')
    const path = join(folder, 'refused.parquet')
    const open = engine.openSegment({ ...options, dataset: datasetNamed('equity_quotes'), path })
    await expect(open).rejects.toBeInstanceOf(ConfigError)
  })

  test('lists are refused, and zstd is, naming what would do', () => {
    const lists = { ...plainDataset, columns: [{ ...plainDataset.columns[0]!, type: 'int_list' as const }] }
    expect(catchError(() => engine.assertCanHold(lists, 'snappy')).message).toContain('(int_list)')
    const zstd = catchError(() => engine.assertCanHold(plainDataset, 'zstd'))
    expect(zstd).toBeInstanceOf(ConfigError)
    expect(zstd.hint).toContain('snappy, gzip, uncompressed')
  })

  test.each([
    ['timestamp', -1],
    ['day', -1],
  ])('a %s before 1970 is refused, not written wrongly', async (column, value) => {
    const path = join(folder, 'old.parquet')
    const writer = await engine.openSegment({ ...options, path })
    const rows = [{ ...given[0], [column]: value }]
    await expect(writer.append(batchOf(plainDataset, rows))).rejects.toThrow(/before 1970/)
    await writer.abort()
  })

  test('its timestamps lack the UTC flag, yet a read gives the same instants in any time zone', async () => {
    const path = join(folder, 'naive.parquet')
    const writer = await engine.openSegment({ ...options, path })
    await writer.append(batchOf(plainDataset, given))
    await writer.finish()
    const [type] = await duckdbRows(`SELECT typeof("timestamp") AS t FROM read_parquet('${path}') LIMIT 1`)
    expect(type).toEqual({ t: 'TIMESTAMP' })
    expect(process.env.TZ).toBe('America/New_York')
    expect(await rowsOf(engine.read(plainDataset, [path]))).toEqual(given)
  })

  test('files of both engines are read together, whichever comes first', async () => {
    const duckdb = createEngine('duckdb', { tempDirectory: join(folder, 'temp') })
    const paths = [join(folder, 'ours.parquet'), join(folder, 'theirs.parquet')]
    for (const [i, writerEngine] of [engine, duckdb].entries()) {
      const writer = await writerEngine.openSegment({ ...options, path: paths[i]! })
      await writer.append(batchOf(plainDataset, given))
      await writer.finish()
    }
    expect(await rowsOf(duckdb.read(plainDataset, paths))).toEqual([...given, ...given])
    expect(await rowsOf(duckdb.read(plainDataset, paths.toReversed()))).toEqual([...given, ...given])
    await duckdb.close()
  })

  test.each([
    [
      'a changed value',
      (rows: typeof given) => rows.map((row, i) => (i === 7 ? { ...row, price: 1 } : row)),
      /row 7, column price/,
    ],
    ['a lost row', (rows: typeof given) => rows.slice(1), /column timestamp/],
    ['a cut end', (rows: typeof given) => rows.slice(0, -1), /49 rows instead of 50/],
  ])(
    '%s in the file, found when it is read back, is an error and leaves no file',
    async (_, damage, message) => {
      const damaged = {
        ...engine,
        close: () => engine.close(),
        read: async function* () {
          yield batchOf(plainDataset, damage(given))
        },
      }
      const path = join(folder, 'damaged.parquet')
      const writer = await new ParquetjsLiteEngine(damaged).openSegment({
        ...options,
        path,
      })
      await writer.append(batchOf(plainDataset, given))
      const error: unknown = await writer.finish().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(IntegrityError)
      expect(String(error)).toMatch(message)
      expect(existsSync(path)).toBe(false)
    },
  )
})

function catchError(work: () => void): ConfigError {
  try {
    work()
  } catch (error) {
    return error as ConfigError
  }
  throw new Error('nothing was refused')
}
