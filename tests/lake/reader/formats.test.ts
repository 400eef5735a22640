import { existsSync } from 'node:fs'
import { readdir, writeFile as writeBytes } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { tableFromIPC, type Vector } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { UsageError } from '../../../src/core/errors.ts'
import { RESULT_FORMATS, writeResult } from '../../../src/lake/reader/index.ts'
import { duckdbRows } from '../../contracts/parquet-readers.ts'
import { Collector, smallLake, tradeRows, type SmallLake } from './small-lake.ts'

describe('what a query prints', () => {
  let lake: SmallLake
  beforeAll(async () => {
    lake = await smallLake()
  })
  afterAll(() => lake.close())

  const text = async (sql: string, format: 'csv' | 'json' | 'table', maxRows?: number) =>
    (await lake.answer(sql, format, maxRows)).toString('utf8')

  const oddities = `
    SELECT NULL AS missing, '' AS empty, 'a,"b"' || chr(10) || 'c' AS awkward, 0.1 + 0.2::DOUBLE AS sum,
      9223372036854775807 AS big, sum(x) AS huge, 1.50::DECIMAL(10,2) AS money, true AS yes,
      'NaN'::DOUBLE AS nan, 'infinity'::DOUBLE AS inf, DATE '2024-02-29' AS day, [1, NULL, 3] AS list,
      {'a': 1, 'b': 'x"y'} AS parts, MAP {'k': 1} AS pairs, INTERVAL 90 MINUTE AS span,
      '11111111-2222-3333-4444-555555555555'::UUID AS id
    FROM (VALUES (9223372036854775807), (1)) t(x)`

  const instants = `
    SELECT TIMESTAMPTZ '2025-01-03 14:30:00Z' AS s, TIMESTAMPTZ '2025-01-03 14:30:00.25Z' AS ms,
      TIMESTAMPTZ '1969-12-31 23:59:59.999999Z' AS us, TIMESTAMP '2025-01-03 09:30:00' AS wall,
      TIMESTAMP_NS '2025-01-03 14:30:00.123456789' AS ns, TIMESTAMP_MS '2025-01-03 14:30:00.5' AS as_ms,
      TIMESTAMP_S '2025-01-03 14:30:00' AS as_s, TIMESTAMPTZ 'infinity' AS never, TIME '09:30:00' AS clock`

  describe('csv', () => {
    test('has a header, quotes as RFC 4180 asks, and tells null from an empty text', async () => {
      const [header, ...rest] = (await text(oddities, 'csv')).split('\n')
      expect(header).toBe('missing,empty,awkward,sum,big,huge,money,yes,nan,inf,day,list,parts,pairs,span,id')
      expect(rest.join('\n')).toBe(
        ',"","a,""b""\nc",0.30000000000000004,9223372036854775807,9223372036854775808,1.50,true,NaN,Infinity,' +
          '2024-02-29,"[1,null,3]","{""a"":1,""b"":""x\\""y""}","[{""key"":""k"",""value"":1}]",01:30:00,' +
          '11111111-2222-3333-4444-555555555555\n',
      )
    })

    test('gives instants in ISO 8601 with Z, wall clocks without, and only the digits that matter', async () => {
      const [, values] = (await text(instants, 'csv')).split('\n')
      expect(values).toBe(
        '2025-01-03T14:30:00Z,2025-01-03T14:30:00.250Z,1969-12-31T23:59:59.999999Z,2025-01-03T09:30:00,' +
          '2025-01-03T14:30:00.123456789,2025-01-03T14:30:00.500,2025-01-03T14:30:00,infinity,09:30:00',
      )
    })

    test('every row and digit is back when another program reads it', async () => {
      const path = join(lake.folder, 'back.csv')
      await writeBytes(path, await lake.answer('FROM equity_bars_1m', 'csv'))
      const types = `{'timestamp': 'TIMESTAMPTZ', 'trade_count': 'BIGINT', 'volume': 'DOUBLE'}`
      const back = `read_csv('${path}', types = ${types})`
      const [difference] = await duckdbRows(
        `SELECT count(*)::INTEGER AS n, count(vwap)::INTEGER AS vwaps, count(trade_count)::INTEGER AS counts,
           sum(epoch_us(timestamp) % 1000003)::DOUBLE AS instants, max(vwap) AS vwap FROM ${back}`,
      )
      const [wanted] = await lake.reader
        .query(
          `SELECT count(*)::INTEGER, count(vwap)::INTEGER, count(trade_count)::INTEGER,
          sum(epoch_us(timestamp) % 1000003)::DOUBLE, max(vwap) FROM equity_bars_1m`,
        )
        .then(async (result) => {
          const rows: unknown[][] = []
          for await (const chunk of result.chunks()) rows.push(...chunk.getRows())
          return rows
        })
      expect(Object.values(difference!)).toEqual(wanted)
      expect(difference!.vwap).toBe(0.1 + 0.2)
    })

    test('an answer without rows is its header, a lone null is a line of its own', async () => {
      expect(await text('FROM splits', 'csv')).toBe('ticker,execution_date,split_from,split_to,id\n')
      expect(await text('SELECT NULL AS a', 'csv')).toBe('a\n""\n')
    })
  })

  describe('json', () => {
    test('is an array of objects in which integers of any size are exact', async () => {
      const answer = await text(
        'SELECT sip_timestamp_ns, participant_timestamp_ns, sequence_number FROM equity_trades',
        'json',
      )
      expect(answer).toBe(
        '[\n{"sip_timestamp_ns":1735914600123456789,"participant_timestamp_ns":null,"sequence_number":9007199254740991},\n' +
          '{"sip_timestamp_ns":1735914600123456790,"participant_timestamp_ns":9223372036854775807,"sequence_number":9007199254740991}\n]\n',
      )
    })

    test('parses, whatever the types', async () => {
      const [row] = JSON.parse(await text(oddities, 'json')) as Record<string, unknown>[]
      expect(row).toMatchObject({
        missing: null,
        empty: '',
        awkward: 'a,"b"\nc',
        sum: 0.1 + 0.2,
        money: 1.5,
        yes: true,
        nan: null,
        inf: null,
        day: '2024-02-29',
        list: [1, null, 3],
        parts: { a: 1, b: 'x"y' },
        pairs: [{ key: 'k', value: 1 }],
        span: '01:30:00',
      })
      expect(JSON.parse(await text('FROM splits', 'json'))).toEqual([])
      expect(JSON.parse(await text('FROM range(5000)', 'json'))).toHaveLength(5000)
    })

    test('keeps columns of the same name apart', async () => {
      expect(JSON.parse(await text('SELECT 1 AS a, 2 AS a, 3 AS a', 'json'))).toEqual([
        { a: 1, a_2: 2, a_3: 3 },
      ])
    })
  })

  describe('table', () => {
    test('aligns columns, numbers to the right, wide characters counted as two', async () => {
      expect(
        await text(`SELECT * FROM (VALUES ('日本', 1.5, 'x'), (NULL, 22, 'y')) t(name, price, z)`, 'table'),
      ).toBe('name  price  z\n────  ─────  ─\n日本    1.5  x\n       22.0  y\n2 rows\n')
    })

    test('shows at most the rows asked for and tells how many there are', async () => {
      const lines = (await text('FROM range(5000)', 'table', 3)).split('\n')
      expect(lines.slice(2)).toEqual(['    0', '    1', '    2', '5000 rows, 3 shown', ''])
      expect((await text('FROM range(5000)', 'table')).split('\n')).toHaveLength(2 + 40 + 2)
      expect(await text('FROM splits', 'table')).toMatch(/\n0 rows\n$/)
      expect(await text('SELECT 1 AS a', 'table')).toBe('a\n─\n1\n1 row\n')
    })

    test('cuts long texts, and leaves a query plan as it is', async () => {
      expect(await text(`SELECT repeat('x', 100) AS t`, 'table')).toContain(`${'x'.repeat(59)}…\n`)
      expect(await text('EXPLAIN SELECT 1', 'table')).toMatch(/│ +PROJECTION +│\n/)
    })
  })

  describe('parquet', () => {
    test('is a whole file with the same rows and types, and no temporary file stays', async () => {
      const path = join(lake.folder, 'answer.parquet')
      await writeBytes(
        path,
        await lake.answer('SELECT * FROM equity_trades ORDER BY sip_timestamp_ns;', 'parquet'),
      )
      const rows = await duckdbRows(
        `SELECT sip_timestamp_ns AS ns, conditions, id, typeof(timestamp) AS type FROM read_parquet('${path}')`,
      )
      expect(rows).toMatchObject([
        {
          ns: tradeRows[0]!.sip_timestamp_ns,
          conditions: [12, 37],
          id: 'a,"b"\nc',
          type: 'TIMESTAMP WITH TIME ZONE',
        },
        { ns: tradeRows[1]!.sip_timestamp_ns, conditions: null, id: 'größe 🚀' },
      ])
      expect(await readdir(join(lake.folder, 'temp'))).toHaveLength(1)
      const [own] = await readdir(join(lake.folder, 'temp'))
      expect(await readdir(join(lake.folder, 'temp', own!))).toEqual([])
    })

    test('also of a query that ends in a comment', async () => {
      expect((await lake.answer('SELECT 1 AS a -- the end', 'parquet')).subarray(-4).toString()).toBe('PAR1')
    })
  })

  describe('arrow', () => {
    test('has the types that other tools expect, and every value', async () => {
      const table = tableFromIPC(await lake.answer('FROM equity_trades ORDER BY sip_timestamp_ns', 'arrow'))
      const types = Object.fromEntries(table.schema.fields.map(({ name, type }) => [name, String(type)]))
      expect(types).toMatchObject({
        ticker: 'Utf8',
        timestamp: 'Timestamp<MICROSECOND, UTC>',
        sip_timestamp_ns: 'Int64',
        price: 'Float64',
        conditions: 'List<Int32>',
      })
      const column = (name: string) => table.getChild(name)!
      expect([...column('sip_timestamp_ns')]).toEqual(tradeRows.map((row) => row.sip_timestamp_ns))
      expect([...column('participant_timestamp_ns')]).toEqual([null, 9_223_372_036_854_775_807n])
      expect([...column('id')]).toEqual(['a,"b"\nc', 'größe 🚀'])
      const lists = [...column('conditions')] as (Vector | null)[]
      expect(lists.map((list) => list && [...list])).toEqual([[12, 37], null])
    })

    test('is several batches for a large answer, nulls in their places', async () => {
      const sql =
        'SELECT range AS a, CASE WHEN range % 3 = 0 THEN NULL ELSE range END AS b FROM range(100000)'
      const table = tableFromIPC(await lake.answer(sql, 'arrow'))
      expect(table.batches.length).toBeGreaterThan(1)
      expect(table.numRows).toBe(100_000)
      const [a, b] = [table.getChild('a')!, table.getChild('b')!]
      for (const row of [0, 1, 2, 3, 2047, 2048, 32_767, 32_768, 99_998, 99_999]) {
        expect(a.get(row)).toBe(BigInt(row))
        expect(b.get(row)).toBe(row % 3 === 0 ? null : BigInt(row))
      }
    })

    test('exact numbers that are no int64 are decimals, and the rest is text', async () => {
      const table = tableFromIPC(await lake.answer(oddities, 'arrow'))
      const type = (name: string) => String(table.schema.fields.find((field) => field.name === name)!.type)
      expect(['huge', 'money', 'yes', 'day', 'parts', 'span', 'list'].map(type)).toEqual([
        'Decimal[38e0]',
        'Decimal[10e+2]',
        'Bool',
        'Date32<DAY>',
        'Utf8',
        'Utf8',
        'List<Int32>',
      ])
      const words = [...(table.getChild('huge')!.get(0) as Uint32Array)]
      expect(words.reduceRight((value, word) => (value << 32n) | BigInt(word), 0n)).toBe(2n ** 63n)
      expect(table.getChild('yes')!.get(0)).toBe(true)
      expect([...(table.getChild('list')!.get(0) as Vector)]).toEqual([1, null, 3])
    })

    test('an answer without rows still has its schema', async () => {
      const table = tableFromIPC(await lake.answer('FROM splits', 'arrow'))
      expect([table.numRows, table.schema.fields.length]).toEqual([0, 5])
    })
  })

  describe('the output', () => {
    test.each(RESULT_FORMATS)('%s: stays open and keeps no listener', async (format) => {
      const out = new Collector()
      for (let i = 0; i < 3; i++) await writeResult(await lake.reader.query('SELECT 1 AS a'), format, out)
      expect(out.writableEnded).toBe(false)
      expect(['drain', 'error', 'close'].map((event) => out.listenerCount(event))).toEqual([0, 0, 0])
    })

    test('a slow reader is waited for: what is queued stays small however large the answer', async () => {
      let most = 0
      let bytes = 0
      const out = new Writable({
        highWaterMark: 1024,
        write(piece: Buffer, _encoding, done) {
          most = Math.max(most, this.writableLength)
          bytes += piece.length
          setImmediate(done)
        },
      })
      await writeResult(
        await lake.reader.query('SELECT range AS a, range AS b FROM range(300000)'),
        'csv',
        out,
      )
      expect(bytes).toBeGreaterThan(3_000_000)
      expect(most).toBeLessThan(200_000)
    })

    test('an output that fails ends the query with its error, and the reader goes on', async () => {
      for (const format of ['csv', 'json', 'arrow', 'parquet'] as const) {
        const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
        const out = new Writable({
          highWaterMark: 1,
          write: (_piece, _encoding, done) => setImmediate(done, gone),
        })
        out.on('error', () => undefined)
        const result = await lake.reader.query('FROM range(10000000)')
        await expect(writeResult(result, format, out)).rejects.toMatchObject({ code: 'EPIPE' })
      }
      expect(await text('SELECT 1 AS a', 'csv')).toBe('a\n1\n')
    })

    test('an output that is closed already is told as EPIPE', async () => {
      const out = new Collector()
      out.destroy()
      await expect(writeResult(await lake.reader.query('SELECT 1'), 'csv', out)).rejects.toMatchObject({
        code: 'EPIPE',
      })
    })

    test('a query that fails half-way rejects', async () => {
      const sql = `SELECT CASE WHEN range = 50000 THEN error('boom') ELSE range::VARCHAR END FROM range(100000)`
      for (const format of RESULT_FORMATS) {
        const written = lake.reader.query(sql).then((result) => writeResult(result, format, new Collector()))
        await expect(written).rejects.toBeInstanceOf(UsageError)
      }
      expect(existsSync(lake.files.bars[0]!)).toBe(true)
    })
  })
})
