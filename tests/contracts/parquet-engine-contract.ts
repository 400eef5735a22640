import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DiskError, IntegrityError, SchemaError } from '../../src/core/errors.ts'
import type { Compression, ParquetEngine, SegmentOptions } from '../../src/lake/engine.ts'
import { isHeldAs } from '../../src/lake/engines/duckdb-columns.ts'
import type { DatasetDefinition } from '../../src/market/dataset.ts'
import { batchOf, only, rowsOf, sampleRows, type Row } from '../lake/engines/samples.ts'
import { duckdbRows, hyparquetMetadata, hyparquetRows } from './parquet-readers.ts'

export interface EngineUnderTest {
  readonly make: (tempDirectory: string) => ParquetEngine
  /** The widest dataset that the engine says it can hold. */
  readonly dataset: DatasetDefinition
  readonly compressions: readonly Compression[]
}

const CODEC_NAMES = { zstd: 'ZSTD', snappy: 'SNAPPY', gzip: 'GZIP', uncompressed: 'UNCOMPRESSED' }
const METADATA = {
  'tapelake.run_id': 'r1',
  quotes: `it's "{quoted}" \\ back`,
  'ünïcode 🚀': 'größer, 日本, 🚀',
}

/** What every Parquet engine owes the lake. */
export function parquetEngineContract({ make, dataset, compressions }: EngineUnderTest): void {
  const compression = compressions[0]!
  let folder: string
  let engine: ParquetEngine
  let files = 0

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapelake-engine-'))
    engine = make(join(folder, 'temp'))
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true })
  })

  const rows = (count: number): Row[] => sampleRows(count).map((row) => only(dataset, row))

  async function open(options: Partial<SegmentOptions> = {}) {
    const path = join(folder, `${++files}.parquet.tmp`)
    const all = { dataset, path, compression, rowGroupRows: 122_880, metadata: METADATA, ...options }
    return { path: all.path, writer: await engine.openSegment(all) }
  }

  async function write(parts: readonly (readonly Row[])[], options: Partial<SegmentOptions> = {}) {
    const { path, writer } = await open(options)
    for (const part of parts) await writer.append(batchOf(dataset, part))
    return { path, written: await writer.finish() }
  }

  describe('what was written comes back', () => {
    test.each([1, 2047, 2048, 2049, 5000])(
      'every value of %i rows, as three readers see it',
      async (count) => {
        const given = rows(count)
        const { path, written } = await write([given])
        expect(written).toEqual({ rows: count })
        expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
        expect(await hyparquetRows(dataset, path)).toEqual(given)
        const [sums] = await duckdbRows(
          `SELECT count(*)::INTEGER AS rows, sum(price) AS prices, sum("count")::DOUBLE AS counts FROM read_parquet('${path}')`,
        )
        const sum = (name: string) => given.reduce((total, row) => total + Number(row[name] ?? 0), 0)
        expect(sums).toMatchObject({ rows: count, counts: sum('count') || (count === 1 ? null : 0) })
        expect(Number(sums!.prices)).toBeCloseTo(sum('price'), 6)
      },
    )

    test('rows given in several batches, the split anywhere', async () => {
      const given = rows(3000)
      const { path } = await write([given.slice(0, 1), [], given.slice(1, 2500), given.slice(2500)])
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
    })

    test('a column that is null in every row, and one that is null in the first rows only', async () => {
      const given = rows(4000).map((row, i) => ({ ...row, price: null, note: i < 3000 ? null : 'late' }))
      const { path } = await write([given], { rowGroupRows: 2048 })
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
      expect(await hyparquetRows(dataset, path)).toEqual(given)
    })

    test('the ends of the ranges: 0, ±2^53 − 1, tiny and huge doubles, infinity', async () => {
      const counts = [0, 2 ** 53 - 1, -(2 ** 53 - 1), -1, 2 ** 32, -(2 ** 32) - 1]
      const prices = [0, 5e-324, -1.7976931348623157e308, Infinity, 0.1 + 0.2, 1e21]
      const given = rows(6).map((row, i) => ({ ...row, count: counts[i], price: prices[i] }))
      const { path } = await write([given])
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
      expect(await hyparquetRows(dataset, path)).toEqual(given)
    })

    test('several tickers in one file, the first of them coming again later', async () => {
      const given = ['AAPL', 'MSFT', 'SPY'].flatMap((ticker) => rows(700).map((row) => ({ ...row, ticker })))
      const { path } = await write([given])
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
      const mixed = [...given.slice(1400), ...given.slice(0, 700), ...given.slice(700, 1400)]
      expect(await rowsOf(engine.read(dataset, [(await write([mixed])).path]))).toEqual(given)
    })

    test('several files, in the order in which they are named, in bounded batches', async () => {
      const given = rows(70_000)
      const parts = [given.slice(0, 40_000), given.slice(40_000)]
      const paths = await Promise.all(parts.map(async (part) => (await write([part])).path))
      const lengths: number[] = []
      for await (const { length } of engine.read(dataset, paths)) lengths.push(length)
      expect(Math.max(...lengths)).toBeLessThanOrEqual(65_536)
      const last = (await rowsOf(engine.read(dataset, paths.toReversed()))).at(-1)
      expect(last).toEqual(given[39_999])
    })

    test('exactly what was written, and nothing that differs in a single cell', async () => {
      const given = rows(2100)
      const { path } = await write([given])
      const holds = (other: readonly Row[]) => engine.holds(dataset, path, batchOf(dataset, other))
      expect(await holds(given)).toBe(true)
      for (const at of [0, 1, 2048, 2099]) {
        for (const [name, value] of Object.entries(given[at]!)) {
          const elsewhere = given.find((row) => row[name] !== null)![name]
          for (const other of value === null ? [elsewhere] : otherValues(value)) {
            const changed = given.with(at, { ...given[at], [name]: other })
            expect([at, name, other, await holds(changed)]).toEqual([at, name, other, false])
          }
        }
      }
      expect(await holds(given.slice(0, -1))).toBe(false)
      expect(await holds([...given, given[0]!])).toBe(false)
      expect(await holds(given.with(7, given[8]!).with(8, given[7]!))).toBe(false)
    })

    test('nothing from no files', async () => {
      expect(await rowsOf(engine.read(dataset, []))).toEqual([])
    })

    test('a path with quotes, glob characters and spaces', async () => {
      const strange = join(folder, "it's [a] *folder? {b}")
      await mkdir(strange)
      const given = rows(10)
      const { path } = await write([given], { path: join(strange, 'x[1]*.parquet.tmp') })
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
      expect((await engine.inspect(path)).rows).toBe(10)
    })

    test('random rows in random order with random repeats', async () => {
      await fc.assert(
        fc.asyncProperty(randomRows(dataset), fc.nat(), async (given, cut) => {
          const at = cut % (given.length + 1)
          const { path } = await write([given.slice(0, at), given.slice(at)], { rowGroupRows: 2048 })
          const expected = lastPerKey(dataset, given)
          expect(await rowsOf(engine.read(dataset, [path]))).toEqual(expected)
          expect(await hyparquetRows(dataset, path)).toEqual(expected)
        }),
        { numRuns: 25 },
      )
    })
  })

  describe('keys', () => {
    test('rows in any order are sorted by the key', async () => {
      const given = rows(5000)
      const shuffled = given.map((_, i) => given[(i * 1237) % 5000]!)
      const { path } = await write([shuffled.slice(0, 3000), shuffled.slice(3000)])
      expect(await hyparquetRows(dataset, path)).toEqual(given)
    })

    test('of rows that share a key the last given wins, within a batch and across batches', async () => {
      const given = rows(100)
      const corrected = given.map((row) => ({ ...row, price: 1.5, note: 'corrected' }))
      const { path, written } = await write([
        [...given, corrected[3]!],
        [corrected[50]!, corrected[99]!],
      ])
      expect(written).toEqual({ rows: 100 })
      const expected = given.map((row, i) => ([3, 50, 99].includes(i) ? corrected[i]! : row))
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(expected)
    })

    test('a repeated key at the seam of two batches is noticed', async () => {
      const given = rows(10)
      const again = { ...given[9]!, price: 2.25 }
      const { path } = await write([given, [again]])
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual([...given.slice(0, 9), again])
    })
  })

  describe('the file tells what it is', () => {
    test('the metadata is back as it was given, unicode and quotes included', async () => {
      const { path } = await write([rows(10)])
      const facts = await engine.inspect(path)
      expect(facts).toMatchObject({ rows: 10, bytes: (await stat(path)).size, metadata: METADATA })
      expect(facts.columns.map(({ name }) => name)).toEqual(dataset.columns.map(({ name }) => name))
      const held = dataset.columns.map(({ type }, i) => isHeldAs(type, facts.columns[i]!.type))
      expect(held).not.toContain(false)
      const { key_value_metadata: pairs = [] } = await hyparquetMetadata(path)
      expect(Object.fromEntries(pairs.map(({ key, value }) => [key, value]))).toMatchObject(METADATA)
    })

    test.each(compressions)('compression %s is what the column chunks say', async (codec) => {
      const given = rows(3000)
      const { path } = await write([given], { compression: codec })
      const { row_groups: groups } = await hyparquetMetadata(path)
      const codecs = groups.flatMap(({ columns }) => columns.map(({ meta_data: meta }) => meta?.codec))
      expect(new Set(codecs)).toEqual(new Set([CODEC_NAMES[codec]]))
      expect(await hyparquetRows(dataset, path)).toEqual(given)
    })

    test('row groups have the asked size', async () => {
      const { path } = await write([rows(10_000)], { rowGroupRows: 4096 })
      const { row_groups: groups } = await hyparquetMetadata(path)
      expect(groups.map((group) => Number(group.num_rows))).toEqual([4096, 4096, 1808])
    })

    test('minimum, maximum and null count of every row group are right', async () => {
      const given = rows(5000)
      const { path } = await write([given], { rowGroupRows: 2048 })
      const { row_groups: groups } = await hyparquetMetadata(path)
      groups.forEach(({ columns }, g) => {
        const part = given.slice(g * 2048, (g + 1) * 2048)
        for (const { meta_data: meta } of columns) {
          const name = meta!.path_in_schema[0]!
          if (name === 'codes' || name === 'note') continue // lists have none; text by look-up below
          const { min_value: min, max_value: max, null_count: nulls } = meta!.statistics!
          const values = part.map((row) => row[name]).filter((value) => value !== null)
          expect([name, g, loose(min), loose(max)]).toEqual([
            name,
            g,
            extreme(values, -1),
            extreme(values, 1),
          ])
          expect([name, Number(nulls)]).toEqual([name, part.length - values.length])
        }
      })
    })

    test('no reader that prunes by statistics misses a text', async () => {
      const given = rows(3000)
      const { path } = await write([given], { rowGroupRows: 2048 })
      for (const note of new Set(given.map((row) => row.note))) {
        const where = note === null ? 'note IS NULL' : `note = '${(note as string).replaceAll("'", "''")}'`
        const [found] = await duckdbRows(
          `SELECT count(*)::INTEGER AS n FROM read_parquet('${path}') WHERE ${where}`,
        )
        expect([note, found!.n]).toEqual([note, given.filter((row) => row.note === note).length])
      }
    })
  })

  describe('what does not fit is refused', () => {
    const refusal = async (given: readonly Row[], shape: (rows: Row[]) => Row[] = (all) => all) => {
      const { writer, path } = await open()
      const error: unknown = await writer
        .append(batchOf(dataset, shape([...given])))
        .catch((reason: unknown) => reason)
      await writer.abort()
      expect(existsSync(path)).toBe(false)
      return error
    }

    test('a null where the column allows none, naming column and row', async () => {
      const error = await refusal(rows(3), ([a, b, c]) => [a!, { ...b, timestamp: null }, c!])
      expect(error).toBeInstanceOf(SchemaError)
      expect(String(error)).toContain(`${dataset.name}.timestamp: null in row 1`)
      expect(await refusal(rows(2), ([a, b]) => [a!, { ...b, ticker: null }])).toBeInstanceOf(SchemaError)
    })

    test('a fraction or a number beyond ±2^53 where whole numbers are held', async () => {
      for (const count of [1.5, 2 ** 60, Infinity]) {
        const error = await refusal(rows(1), ([row]) => [{ ...row, count }])
        expect(error).toBeInstanceOf(SchemaError)
        expect(String(error)).toContain(`${dataset.name}.count`)
      }
      expect(await refusal(rows(1), ([row]) => [{ ...row, day: 0.5 }])).toBeInstanceOf(SchemaError)
    })

    test('a batch of another dataset, with a missing, unknown, retyped or short column', async () => {
      const batch = batchOf(dataset, rows(2))
      const { writer } = await open()
      const [first, ...others] = batch.schema
      const wrong = [
        { ...batch, dataset: 'other' },
        { ...batch, schema: others },
        { ...batch, schema: [...batch.schema, { name: 'extra', type: 'double' as const }] },
        { ...batch, schema: [{ ...first!, type: 'double' as const }, ...others] },
        { ...batch, columns: { ...batch.columns, price: new Float64Array(1) } },
      ]
      for (const bad of wrong) await expect(writer.append(bad)).rejects.toBeInstanceOf(SchemaError)
      await writer.abort()
    })

    test('a segment without rows', async () => {
      const { writer, path } = await open()
      await writer.append(batchOf(dataset, []))
      await expect(writer.finish()).rejects.toBeInstanceOf(SchemaError)
      expect(existsSync(path)).toBe(false)
    })
  })

  describe('bad days', () => {
    test('abort leaves nothing, at any stage and twice', async () => {
      const before = await readdir(folder)
      const { writer } = await open()
      await writer.append(batchOf(dataset, rows(5000)))
      await writer.abort()
      await writer.abort()
      const unused = await open()
      await unused.writer.abort()
      expect(await readdir(folder)).toEqual(before)
    })

    test('a file that is overwritten holds the new rows only', async () => {
      const path = join(folder, 'again.parquet.tmp')
      await write([rows(5000)], { path })
      const given = rows(5000).map((row) => ({ ...row, price: 7 }))
      await write([given], { path })
      expect(await rowsOf(engine.read(dataset, [path]))).toEqual(given)
    })

    test('a torn, a foreign, an empty and a missing file are named, not read', async () => {
      const { path } = await write([rows(2000)])
      const whole = (await stat(path)).size
      await truncate(path, whole - 100)
      const foreign = join(folder, 'foreign.parquet')
      await writeFile(foreign, 'PAR1 this is not a Parquet file PAR1')
      const empty = join(folder, 'empty.parquet')
      await writeFile(empty, '')
      for (const bad of [path, foreign, empty, join(folder, 'missing.parquet')]) {
        await expect(engine.inspect(bad)).rejects.toBeInstanceOf(IntegrityError)
        await expect(engine.inspect(bad)).rejects.toThrow(bad)
        await expect(rowsOf(engine.read(dataset, [bad]))).rejects.toBeInstanceOf(IntegrityError)
      }
    })

    test('a folder that is not there is a failure that leaves nothing', async () => {
      const path = join(folder, 'nowhere', 'x.parquet.tmp')
      await expect(write([rows(10)], { path })).rejects.toThrow()
      expect(existsSync(join(folder, 'nowhere'))).toBe(false)
    })

    test.skipIf(!canMount())('a full disk is a DiskError, the process lives, no file is left', async () => {
      const tiny = mountTinyDisk()
      try {
        const path = join(tiny.folder, 'x.parquet.tmp')
        await expect(write([rows(30_000)], { path })).rejects.toBeInstanceOf(DiskError)
        await expect(write([rows(30_000)], { path })).rejects.toThrow(/no space left/i)
        expect(existsSync(path)).toBe(false)
        const small = await write([rows(10)], { path })
        expect(small.written).toEqual({ rows: 10 })
      } finally {
        tiny.unmount()
      }
    })

    test('segments can be written at the same time', async () => {
      const parts = [rows(3000), rows(4000), rows(10)]
      const all = await Promise.all(parts.map((part) => write([part])))
      expect(all.map(({ written }) => written.rows)).toEqual([3000, 4000, 10])
    })

    test('a reader that stops early leaves the engine usable', async () => {
      const { path } = await write([rows(20_000)])
      for await (const batch of engine.read(dataset, [path, path, path, path])) {
        expect(batch.length).toBeGreaterThan(0)
        break
      }
      expect((await engine.inspect(path)).rows).toBe(20_000)
    })
  })
}

/** Statistics as hyparquet gives them, in the values that rows have. */
const loose = (value: unknown): unknown =>
  typeof value === 'bigint' && value <= 2n ** 53n ? Number(value) : value

function extreme(values: readonly unknown[], sign: 1 | -1): unknown {
  return values.reduce((best, value) => (sign * compareValues(value, best) > 0 ? value : best))
}

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string))
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
}

function lastPerKey(dataset: DatasetDefinition, given: readonly Row[]): Row[] {
  const keyOf = (row: Row) => dataset.key.map((name) => row[name])
  const last = new Map(given.map((row) => [JSON.stringify(keyOf(row).map(String)), row]))
  return [...last.values()].sort((a, b) => {
    const [keyA, keyB] = [keyOf(a), keyOf(b)]
    const at = keyA.findIndex((value, i) => compareValues(value, keyB[i]) !== 0)
    return at < 0 ? 0 : compareValues(keyA[at], keyB[at])
  })
}

function randomRows(dataset: DatasetDefinition): fc.Arbitrary<Row[]> {
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 3 })
  const text = fc.string({ unit: 'grapheme', maxLength: 20 })
  const micros = fc.integer({ min: 0, max: Date.UTC(2100, 0) }).map((ms) => ms * 1000 + (ms % 1000))
  const ns = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
  const row = fc.record({
    ticker: fc.constantFrom('SPY', 'QQQ', 'BRK.B'),
    timestamp: fc.oneof(fc.integer({ min: 0, max: 20 }), micros),
    day: maybe(fc.integer({ min: 0, max: 60_000 })),
    price: maybe(fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value))),
    count: maybe(fc.maxSafeInteger()),
    note: maybe(text),
    clock_ns: fc.oneof(fc.bigInt({ min: 0n, max: 3n }), ns),
    venue_ns: maybe(ns),
    codes: maybe(fc.array(fc.integer(), { minLength: 1, maxLength: 5 })),
    id: fc.oneof(fc.constantFrom('a', '', 'é', '🚀', '\uFB01'), text),
  })
  return fc.array(row, { minLength: 1, maxLength: 60 }).map((all) => all.map((each) => only(dataset, each)))
}

/** Whether this process may mount a file system. */
function canMount(): boolean {
  try {
    mountTinyDisk().unmount()
    return true
  } catch {
    return false
  }
}

/** A file system of 64 KiB. */
function mountTinyDisk(): { readonly folder: string; unmount(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'tapelake-tiny-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' })
  } catch (error) {
    rmdirSync(folder)
    throw error
  }
  return {
    folder,
    unmount: () => {
      execFileSync('umount', [folder])
      rmdirSync(folder)
    },
  }
}

/** Values like `value` but not equal to it. */
function otherValues(value: unknown): unknown[] {
  if (typeof value === 'bigint') return [value + 1n, value - 2n ** 40n]
  if (typeof value === 'string') return [null, `${value}x`, 'SPX']
  if (Array.isArray(value)) return [null, [...(value as number[]), 1], [(value[0] as number) + 1]]
  const number = value as number
  return Number.isInteger(number) ? [null, number + 1, number - 2 ** 33] : [null, number * (1 + 2 ** -52)]
}
