import { existsSync } from 'node:fs'
import { link, mkdir, readdir, readFile, truncate, writeFile as writeText } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXIT, IntegrityError, InterruptedError, UsageError } from '../../../src/core/errors.ts'
import { openReader, type LakeReader } from '../../../src/lake/reader/index.ts'
import { barRows, bars, OPEN_US, smallLake, splits, writeFile, type SmallLake } from './small-lake.ts'

describe('the lake reader', () => {
  let lake: SmallLake
  beforeAll(async () => {
    lake = await smallLake()
  })
  afterAll(() => lake.close())

  const rowsOf = async (sql: string, reader: LakeReader = lake.reader): Promise<unknown[][]> => {
    const rows: unknown[][] = []
    for await (const chunk of (await reader.query(sql)).chunks()) rows.push(...chunk.getRows())
    return rows
  }
  const refusalOf = async (sql: string): Promise<UsageError> => {
    const error: unknown = await rowsOf(sql).catch((reason: unknown) => reason)
    expect(error, sql).toBeInstanceOf(UsageError)
    return error as UsageError
  }

  describe('views', () => {
    test('each dataset is a view over exactly its files, with the types of its columns', async () => {
      expect(
        await rowsOf(
          'SELECT ticker, count(*)::INTEGER, sum(trade_count)::INTEGER FROM equity_bars_1m GROUP BY 1 ORDER BY 1',
        ),
      ).toEqual([
        ['I:VIX', 10, 40],
        ['QQQ', 100, 4000],
        ['SPY', 780, 2 * sumOf(390)],
      ])
      const types = await rowsOf('DESCRIBE equity_trades')
      expect(Object.fromEntries(types.map(([name, type]) => [name, type]))).toMatchObject({
        ticker: 'VARCHAR',
        timestamp: 'TIMESTAMP WITH TIME ZONE',
        sip_timestamp_ns: 'BIGINT',
        price: 'DOUBLE',
        conditions: 'INTEGER[]',
      })
    })

    test('a dataset that holds nothing is an empty view with the same columns', async () => {
      expect(await rowsOf('FROM splits')).toEqual([])
      const names = (await rowsOf('DESCRIBE splits')).map(([name]) => name)
      expect(names).toEqual(splits.columns.map(({ name }) => name))
    })

    test('a file that lies beside the others but is not in the list is not seen', async () => {
      await writeFile(lake.folder, bars, 'ticker=SPY/month=2025-03', barRows('SPY', OPEN_US, 50))
      expect(await rowsOf(`SELECT count(*)::INTEGER FROM equity_bars_1m WHERE ticker = 'SPY'`)).toEqual([
        [780],
      ])
    })

    test('instants are UTC whatever the machine says, in files of both engines', async () => {
      expect(process.env.TZ).toBe('America/New_York')
      const day = (date: string) =>
        `SELECT count(*)::INTEGER FROM equity_bars_1m WHERE ticker = 'SPY' AND timestamp >= '${date} 14:30' AND timestamp < '${date} 15:00'`
      expect(await rowsOf(day('2025-01-03'))).toEqual([[30]])
      expect(await rowsOf(day('2025-02-03'))).toEqual([[30]])
      expect(await rowsOf(`SELECT current_setting('TimeZone')`)).toEqual([['UTC']])
    })

    test('New York wall clocks are there for the asking, offline', async () => {
      const sql = `SELECT strftime(min(timestamp) AT TIME ZONE 'America/New_York', '%H:%M') FROM equity_bars_1m`
      expect(await rowsOf(sql)).toEqual([['09:30']])
    })

    test('a query for one ticker opens no file of another', async () => {
      const [plan] = await rowsOf(`EXPLAIN SELECT count(close) FROM equity_bars_1m WHERE ticker = 'I:VIX'`)
      expect(String(plan![1])).toMatch(/Scanning Files:\s*1\/4/)
    })

    test('a folder above the lake that is called like a column does not take its place', async () => {
      const folder = join(lake.folder, 'close=7')
      const path = await writeFile(folder, bars, 'ticker=SPY/month=2025-01', barRows('SPY', OPEN_US, 1))
      const reader = await openReader({
        views: [{ dataset: bars, files: [path] }],
        tempDirectory: lake.folder,
      })
      expect(await rowsOf('SELECT ticker, close FROM equity_bars_1m', reader)).toEqual([['SPY', 100.2]])
      await reader.close()
    })

    test('thousands of files, and names with quotes and brackets, are one view', async () => {
      const folder = join(lake.folder, "many 'q' [x]*")
      await mkdir(folder)
      const files = Array.from({ length: 2500 }, (_, i) => join(folder, `${i}.parquet`))
      for (const file of files) await link(lake.files.bars[0]!, file)
      const reader = await openReader({ views: [{ dataset: bars, files }], tempDirectory: lake.folder })
      expect(
        await rowsOf('SELECT count(*)::INTEGER, count(DISTINCT ticker)::INTEGER FROM equity_bars_1m', reader),
      ).toEqual([[250_000, 1]])
      await reader.close()
    })
  })

  describe('only reading is possible', () => {
    test.each([
      'VALUES (1)',
      'WITH x AS (SELECT 1) SELECT * FROM x',
      'FROM equity_bars_1m LIMIT 1',
      'SHOW TABLES',
      'SUMMARIZE equity_trades',
      'DESCRIBE SELECT 1',
      'EXPLAIN SELECT 1',
      'explain\n analyze -- why\n SELECT 1',
      'EXPLAIN (ANALYZE, FORMAT json) SELECT 1',
      "SELECT ';' -- ; not a second statement",
      'SELECT 1;',
      'TABLE splits',
    ])('%s is allowed', async (sql) => {
      await expect(rowsOf(sql)).resolves.toBeDefined()
    })

    test.each([
      ['CREATE TABLE t (a INTEGER)', 'CREATE'],
      ['DROP VIEW equity_bars_1m', 'DROP'],
      ['INSERT INTO splits VALUES (1)', ''],
      ['SET threads = 1', 'SET'],
      ["SET TimeZone = 'America/New_York'", 'SET'],
      ['RESET TimeZone', ''],
      ['PRAGMA threads = 4', ''],
      ["ATTACH '/tmp/x.db'", ''],
      ['LOAD icu', 'LOAD'],
      ['INSTALL httpfs', ''],
      ['CHECKPOINT', ''],
      ['BEGIN', 'TRANSACTION'],
      ['CALL pragma_version()', 'CALL'],
      ['PREPARE q AS SELECT 1', 'PREPARE'],
      ["EXPORT DATABASE '/tmp/x'", ''],
      ["COPY splits TO '/tmp/tapelake-should-not-exist.csv'", ''],
      ['EXPLAIN ANALYZE CREATE TABLE t (a INTEGER)', 'CREATE'],
      ['SELECT 1; SELECT 2', '2 statements'],
      ['SELECT 1; DROP VIEW splits', '2 statements'],
    ])('%s is refused with exit code 2', async (sql, words) => {
      const error = await refusalOf(sql)
      expect(error.exitCode).toBe(EXIT.usage)
      expect(error.message).toContain(words)
      expect(existsSync('/tmp/tapelake-should-not-exist.csv')).toBe(false)
    })

    test.each(['', '  \n', ';', '-- nothing', '/* nothing */ ;'])(
      'an empty query (%j) is refused',
      async (sql) => {
        expect((await refusalOf(sql)).message).toBe('the query is empty')
      },
    )

    test('files outside the list cannot be read, by any function', async () => {
      const secret = join(lake.folder, 'secret.txt')
      await writeText(secret, 'key')
      for (const from of [
        `read_text('${secret}')`,
        `read_csv('/etc/passwd')`,
        `'${secret}'`,
        `glob('${lake.folder}/*')`,
        `read_parquet('${lake.folder}/lake/*/*/*/*.parquet')`,
        `read_parquet('https://127.0.0.1:1/x.parquet')`,
        `read_json('${secret}')`,
      ]) {
        const error = await refusalOf(`SELECT * FROM ${from}`)
        expect(error.message).not.toContain('key')
      }
    })

    test('no form of COPY touches a file of the lake, inside EXPLAIN neither', async () => {
      const [path] = lake.files.bars
      const before = await readFile(path!)
      const copy = `COPY (SELECT 1) TO '${path}' (FORMAT parquet, USE_TMP_FILE false)`
      for (const sql of [
        copy,
        `EXPLAIN ANALYZE ${copy}`,
        `EXPLAIN ANALYSE ${copy}`,
        `EXPLAIN (ANALYZE) ${copy}`,
        `explain/**/analyze/* ) */${copy}`,
        `EXPLAIN (FORMAT json, ANALYZE true) ${copy}`,
        `EXPLAIN -- ANALYZE SELECT 1\nANALYZE ${copy}`,
        `EXPLAIN /* /* */ SELECT 1 -- */ ANALYZE ${copy}`,
        `EXPLAIN --\rANALYZE ${copy} /*\nSELECT 1 --*/`,
        `/* */ EXPLAIN ANALYZE ${copy}`,
        `EXPLAIN EXPLAIN ANALYZE ${copy}`,
      ]) {
        await refusalOf(sql)
      }
      expect(await readFile(path!)).toEqual(before)
      expect((await readdir(join(path!, '..'))).length).toBe(1)
    })
  })

  describe('mistakes in SQL', () => {
    test('an unknown table brings the list of views', async () => {
      const error = await refusalOf('SELECT * FROM equity_bar')
      expect(error.message).toContain('Table with name equity_bar does not exist')
      expect(error.message).toContain('LINE 1')
      expect(error.hint).toBe('The lake has: equity_bars_1m, equity_trades, splits, dividends.')
    })

    test('an unknown column brings those that exist, and where in the text', async () => {
      const error = await refusalOf('SELECT clse FROM equity_bars_1m')
      expect(error.message).toContain('"close"')
      expect(error.message).toContain('^')
      expect(error.hint).toBeUndefined()
    })

    test('a slip in the syntax says near what', async () => {
      expect((await refusalOf('SELEC 1')).message).toContain('syntax error at or near "SELEC"')
    })

    test('a failure while rows are computed is told as one, not as a crash', async () => {
      expect((await refusalOf(`SELECT CAST(ticker AS INTEGER) FROM equity_bars_1m`)).message).toContain(
        'INT32',
      )
      expect((await refusalOf('SELECT ?')).message).toContain('parameters')
    })
  })

  describe('running', () => {
    test('queries run at the same time', async () => {
      const counts = await Promise.all(
        [1, 2, 3, 4].map((n) => rowsOf(`SELECT ${n}, count(*)::INTEGER FROM equity_bars_1m`)),
      )
      expect(counts).toEqual([[[1, 890]], [[2, 890]], [[3, 890]], [[4, 890]]])
    })

    test('more than the memory limit holds is sorted through the temporary folder', async () => {
      const sorted = `SELECT * FROM (SELECT hash(r) AS h, repeat('x', 50) AS t FROM range(5000000) t(r)) ORDER BY h`
      const [row] = await rowsOf(
        `SELECT count(*)::INTEGER FROM (SELECT h, lag(h) OVER () AS before FROM (${sorted})) WHERE h < before`,
      )
      expect(row).toEqual([0])
    })

    test('an abort ends a query that would run for ever, before its first row and between rows', async () => {
      const endless =
        'SELECT count(*) FROM range(100000000000) a, range(100000000000) b WHERE a.range + b.range = -1'
      const early = new AbortController()
      const running = lake.reader.query(endless, early.signal).then(async (result) => {
        for await (const _ of result.chunks());
      })
      setTimeout(() => early.abort(), 20)
      await expect(running).rejects.toBeInstanceOf(InterruptedError)
      const late = new AbortController()
      const result = await lake.reader.query('FROM range(100000000000)', late.signal)
      const reading = (async () => {
        for await (const _ of result.chunks()) late.abort()
      })()
      await expect(reading).rejects.toBeInstanceOf(InterruptedError)
      await expect(lake.reader.query('SELECT 1', AbortSignal.abort())).rejects.toBeInstanceOf(
        InterruptedError,
      )
    })

    test('a result that is not read to its end is given up', async () => {
      const result = await lake.reader.query('FROM range(100000000000)')
      for await (const chunk of result.chunks()) {
        expect(chunk.rowCount).toBe(2048)
        break
      }
      result.close()
      expect(await rowsOf('SELECT 1')).toEqual([[1]])
    })

    test('a torn file is an integrity error that names it, not a mistake of the user', async () => {
      const good = await writeFile(lake.folder, bars, 'ticker=DIA/month=2025-01', barRows('DIA', OPEN_US, 10))
      const torn = await writeFile(lake.folder, bars, 'ticker=IWM/month=2025-01', barRows('IWM', OPEN_US, 10))
      await truncate(torn, 300)
      const reader = await openReader({
        views: [{ dataset: bars, files: [good, torn] }],
        tempDirectory: lake.folder,
      })
      const error: unknown = await rowsOf('FROM equity_bars_1m', reader).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(IntegrityError)
      expect(String(error)).toContain(torn)
      await reader.close()
      const opening = openReader({ views: [{ dataset: bars, files: [torn] }], tempDirectory: lake.folder })
      await expect(opening).rejects.toBeInstanceOf(IntegrityError)
    })

    test('closing leaves the temporary folder empty', async () => {
      const tempDirectory = join(lake.folder, 'own-temp')
      const reader = await openReader({ views: [], tempDirectory })
      expect(await rowsOf('SELECT 1', reader)).toEqual([[1]])
      await reader.close()
      expect(await readdir(tempDirectory)).toEqual([])
    })
  })
})

/** Sum of the counts that {@link barRows} gives to `length` bars. */
const sumOf = (length: number): number =>
  Array.from({ length }, (_, i) => (i % 5 === 0 ? 0 : i)).reduce((a, b) => a + b, 0)
