import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { envelope, minuteBars, startBarVendor } from '../support/bar-vendor.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { interceptOperations } from '../support/crash/operations.js'
import { expectVerified } from '../support/crash/witness.ts'
import { askDuckDb, filesBelow, unfinishedBelow } from '../support/lake.ts'

const BARS = 'ticker,volume,open,close,high,low,window_start,transactions'
const TRADES =
  'ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp'
/** 2025-06-02 and -03, 09:30 and midnight in New York. */
const OPEN_NS = 1_748_871_000_000_000_000n
const NEXT_NS = OPEN_NS + 86_400_000_000_000n
const MIDNIGHT_NS = 1_748_836_800_000_000_000n

/** A bar as a line of the vendor's day files. */
const bar = (ticker: string, startNs: bigint, minute: number, price = 10) =>
  `${ticker},100.25,${price},${price + 0.5},${price + 1},${price - 1},${startNs + BigInt(minute) * 60_000_000_000n},7`
const minutes = (ticker: string, startNs: bigint, price = 10) =>
  [0, 1, 2].map((minute) => bar(ticker, startNs, minute, price))

/** A file in a folder of its own. */
function file(name: string, content: string | Buffer): string {
  const path = join(freshFolder(), name)
  writeFileSync(path, content)
  return path
}
const csv = (name: string, header: string, lines: readonly string[]) =>
  file(name, `${[header, ...lines].join('\n')}\n`)

const importing = (root: string, ...args: string[]) =>
  runCliJson(['import', ...args, '--data-dir', root], { here: true })
const rowsOf = (root: string, dataset: string, columns = '*') =>
  askDuckDb(
    `SELECT ${columns} FROM read_parquet('${root}/lake/${dataset}/**/*.parquet', hive_partitioning = false) ORDER BY ALL`,
  )
async function bytesBelow(root: string): Promise<Record<string, string>> {
  const names = (await filesBelow(root)).filter((name) => !name.startsWith('state/'))
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(root, name)).toString('base64')]))
}
const actionsOf = (document: Record<string, unknown>) =>
  (document['series'] as { ticker: string; sessions: { date: string; action: string }[] }[]).flatMap(
    ({ ticker, sessions }) => sessions.map(({ date, action }) => `${ticker} ${date} ${action}`),
  )

describe('import', () => {
  test('takes a day file of all tickers into one series each, absent columns null', async () => {
    const root = freshFolder()
    const path = file(
      '2025-06-02.csv.gz',
      gzipSync([BARS, ...minutes('A', OPEN_NS), ...minutes('NULL', OPEN_NS), ''].join('\n')),
    )
    const { code, document } = await importing(root, path)
    expect([code, document['dataset'], document['rows']]).toEqual([0, 'equity_bars_1m', 6])
    expect(document['schema']).toEqual({ name: 'tapelake.import', version: 1 })
    expect(
      await rowsOf(
        root,
        'equity_bars_1m',
        'ticker, epoch_us(timestamp)::VARCHAR AS us, open, volume, vwap, trade_count::INTEGER AS n',
      ),
    ).toEqual(
      ['A', 'NULL'].flatMap((ticker) =>
        [0, 1, 2].map((minute) => ({
          ...{ ticker, us: String(OPEN_NS / 1000n + BigInt(minute) * 60_000_000n) },
          ...{ open: 10, volume: 100.25, vwap: null, n: 7 },
        })),
      ),
    )
    const { document: status } = await runCliJson(['status', '--data-dir', root], { here: true })
    expect(status).toMatchObject({
      provenance: 'real',
      series: [{ ticker: 'A', cells: { complete: 1 } }, { ticker: 'NULL' }],
    })
    await expectVerified(root)
  })

  test('the same file twice changes no file', async () => {
    const root = freshFolder()
    const path = csv('days.csv', BARS, [
      ...minutes('A', OPEN_NS),
      ...minutes('A', NEXT_NS),
      ...minutes('B', NEXT_NS),
    ])
    await importing(root, path)
    const before = await bytesBelow(root)
    for (const more of [[], ['--force']]) {
      const { code, document } = await importing(root, path, ...more)
      expect([code, document['rows']]).toEqual([0, 0])
      expect(actionsOf(document)).toEqual(['A 2025-06-02 same', 'A 2025-06-03 same', 'B 2025-06-03 same'])
      expect(await bytesBelow(root)).toEqual(before)
    }
  })

  test('tells with --dry-run what would change, and changes nothing', async () => {
    const root = freshFolder()
    await importing(root, csv('a.csv', BARS, minutes('A', OPEN_NS)))
    const before = await bytesBelow(root)
    const path = csv('b.csv', BARS, [...minutes('A', OPEN_NS, 99), ...minutes('A', NEXT_NS)])
    const { document } = await importing(root, path, '--dry-run')
    expect(actionsOf(document)).toEqual(['A 2025-06-02 keep', 'A 2025-06-03 add'])
    expect(await bytesBelow(root)).toEqual(before)
    const fresh = freshFolder()
    await importing(fresh, path, '--dry-run')
    expect((await filesBelow(fresh)).filter((name) => !name.startsWith('state/scratch'))).toEqual([])
  })

  test('never overwrites what REST recorded, but with --force', async () => {
    const root = freshFolder()
    const vendor = await startBarVendor()
    const env = { POLYGON_REST_URL: vendor.url, POLYGON_API_KEY: 'k', TAPELAKE_NOW: '2025-06-11T02:00:00Z' }
    await runHere(
      ['backfill', '--ticker', 'SPY', '--from', '2025-06-02', '--to', '2025-06-02', '--data-dir', root],
      { env },
    )
    await vendor.close()
    const { requests } = vendor
    const asked = requests.length
    const before = await bytesBelow(root)
    const path = csv('spy.csv', BARS, minutes('SPY', OPEN_NS))
    const { code, document } = await importing(root, path)
    expect([code, actionsOf(document)]).toEqual([0, ['SPY 2025-06-02 keep']])
    expect(await bytesBelow(root)).toEqual(before)
    const { stdout } = await runHere(['import', path, '--force', '--data-dir', root])
    expect(stdout).toContain('1 replaced')
    expect(await rowsOf(root, 'equity_bars_1m', 'open, vwap')).toEqual(
      Array(3).fill({ open: 10, vwap: null }),
    )
    expect(requests).toHaveLength(asked)
    await expectVerified(root)
  })

  test('keeps a row that breaks a rule in quarantine', async () => {
    const root = freshFolder()
    const bad = `A,100,10,10,9,11,${OPEN_NS + 60_000_000_000n},7`
    const { document } = await importing(root, csv('a.csv', BARS, [bar('A', OPEN_NS, 0), bad]))
    expect(document).toMatchObject({ rows: 1, refused: 1 })
    const { document: quarantine } = await runCliJson(['quarantine', 'list', '--data-dir', root], {
      here: true,
    })
    expect(quarantine['entries']).toMatchObject([{ rule: 'high_below_low', session: '2025-06-02', rows: 1 }])
  })

  test('tells of rows that come twice, takes the last, and their session is scored by it', async () => {
    const root = freshFolder()
    const path = csv('twice.csv', BARS, [...minutes('A', OPEN_NS), bar('A', OPEN_NS, 1, 20)])
    const run = await runHere(['import', path, '--data-dir', root])
    expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('A row came twice')])
    expect(await rowsOf(root, 'equity_bars_1m', 'open')).toEqual([{ open: 10 }, { open: 10 }, { open: 20 }])
    const { document } = await runCliJson(['quality', '--data-dir', root], { here: true })
    expect(document).toMatchObject({ sessions: [{ parts: { duplicates: 0.75 } }] })
  })

  test('of which every row is refused ends with exit 3', async () => {
    const root = freshFolder()
    const path = csv('bad.csv', BARS, [bar('A', OPEN_NS, 0, -10)])
    expect(await importing(root, path)).toMatchObject({ code: 3, document: { rows: 0, refused: 1 } })
  })

  test('cut off anywhere keeps every series old or new, and the same import again finishes it', async () => {
    const path = csv(
      'days.csv',
      BARS,
      ['A', 'B'].flatMap((ticker) => minutes(ticker, OPEN_NS)),
    )
    let finished = false
    for (let at = 4; !finished; at += 29) {
      const root = freshFolder()
      let count = 0
      const restore = await interceptOperations({
        before: () => {
          if (++count < at) return undefined
          throw Object.assign(new Error('EIO: dead'), { code: 'EIO' })
        },
        torn: () => {
          throw new Error('never torn')
        },
      })
      await runHere(['import', path, '--data-dir', root])
      restore()
      finished = count < at
      const { code } = await importing(root, path)
      expect([code, await rowsOf(root, 'equity_bars_1m', 'count(*)::INTEGER AS rows')]).toEqual([
        0,
        [{ rows: 6 }],
      ])
      expect(await unfinishedBelow(root)).toEqual([])
      await expectVerified(root)
    }
  })
})

describe('the dataset of a file', () => {
  test('is told by where its bars begin, whatever the file is called', async () => {
    const root = freshFolder()
    const { document } = await importing(root, csv('x.txt', BARS, [bar('A', MIDNIGHT_NS, 0)]))
    expect(document).toMatchObject({ dataset: 'equity_bars_1d', rows: 1 })
    const hours = csv('h.csv', 'ticker,timestamp,open,high,low,close,volume', [
      'A,2025-06-02T14:00:00Z,1,1,1,1,1',
    ])
    const { code, document: refused } = await importing(root, hours)
    expect([code, JSON.stringify(refused)]).toEqual([2, expect.stringContaining('hours or minutes')])
    expect((await importing(root, hours, '--dataset', 'equity_bars_1h')).document['rows']).toBe(1)
  })

  test('of options is a series per underlying', async () => {
    const root = freshFolder()
    const path = csv(
      'o.csv',
      BARS,
      ['O:SPY250602C00590000', 'O:SPXW250602P05900000'].flatMap((one) => minutes(one, OPEN_NS)),
    )
    const { document } = await importing(root, path)
    expect(document['dataset']).toBe('option_bars_1m')
    expect(actionsOf(document)).toEqual(['SPX 2025-06-02 add', 'SPY 2025-06-02 add'])
    await expectVerified(root)
  })

  test('trades keep every nanosecond; 0 where REST sends nothing is null', async () => {
    const root = freshFolder()
    const sip = OPEN_NS + 123_456_789n
    const path = csv('t.csv', TRADES, [
      `A,"12,37",0,11,id1,${sip - 5n},153.12,901,${sip},2036.584149,1,0,0`,
      `A,,0,4,id2,0,153.13,902,${sip + 1n},1,1,202,${sip}`,
    ])
    const { document } = await importing(root, path)
    expect(document['dataset']).toBe('equity_trades')
    const columns =
      'sip_timestamp_ns, participant_timestamp_ns, trf_timestamp_ns, trf_id, conditions::VARCHAR AS conditions, size, correction'
    expect(await rowsOf(root, 'equity_trades', columns)).toEqual([
      {
        sip_timestamp_ns: sip,
        participant_timestamp_ns: sip - 5n,
        trf_timestamp_ns: null,
        trf_id: null,
        conditions: '[12, 37]',
        size: 2036.584149,
        correction: 0n,
      },
      {
        sip_timestamp_ns: sip + 1n,
        participant_timestamp_ns: null,
        trf_timestamp_ns: sip,
        trf_id: 202n,
        conditions: null,
        size: 1,
        correction: 0n,
      },
    ])
  })

  test('quotes are known by their header', async () => {
    const root = freshFolder()
    const header =
      'ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,indicators,participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp'
    const { document } = await importing(
      root,
      csv('q.csv', header, [`A,4,10.02,3,11,10.01,2,1,"604,605",${OPEN_NS},77,${OPEN_NS},1,0`]),
    )
    expect(document).toMatchObject({ dataset: 'equity_quotes', rows: 1 })
    expect(await rowsOf(root, 'equity_quotes', 'bid_price, ask_size, indicators::VARCHAR AS i')).toEqual([
      { bid_price: 10.01, ask_size: 3, i: '[604, 605]' },
    ])
  })

  test('that lacks a column which must not be null is refused', async () => {
    const path = csv('a.csv', 'ticker,window_start,open,high,low,close', [`A,${OPEN_NS},1,1,1,1`])
    const { code, document } = await importing(freshFolder(), path)
    expect([code, JSON.stringify(document)]).toEqual([2, expect.stringContaining('needs a column volume')])
    const { code: none } = await importing(freshFolder(), csv('b.csv', 'a,b', ['1,2']))
    expect(none).toBe(2)
  })
})

describe('a damaged file', () => {
  const good = minutes('A', OPEN_NS)
  const lines = [BARS, ...good, ...minutes('B', OPEN_NS)]
  const gz = gzipSync(`${lines.join('\n')}\n`)
  const flipped = Buffer.from(gz)
  flipped[flipped.length - 6]! ^= 1
  const cases: readonly (readonly [string, () => string, RegExp])[] = [
    [
      'a word where a number belongs',
      () => csv('w.csv', BARS, [...good, good[0]!.replace('10,', 'ten,')]),
      /w\.csv:5: .*ten/,
    ],
    [
      'an open quote',
      () => csv('q.csv', BARS, [...good, `"${good[0]!}`, good[1]!]),
      /q\.csv:5: a quote that is never closed/,
    ],
    [
      'too few values',
      () => csv('few.csv', BARS, [...good, 'A,1,2']),
      /few\.csv:5: 3 values where the header names 8/,
    ],
    ['no ticker', () => csv('n.csv', BARS, [...good, good[0]!.slice(1)]), /n\.csv:5: no ticker/],
    [
      'a bad list',
      () => csv('l.csv', TRADES, [`A,"12,x",0,11,id1,1,153.12,901,${OPEN_NS},1,1,0,0`]),
      /l\.csv:2: conditions '12,x'/,
    ],
    [
      'an instant without its zone',
      () => csv('z.csv', 'ticker,timestamp,open,high,low,close,volume', ['A,2025-06-02 13:30:00,1,1,1,1,1']),
      /z\.csv:2: timestamp '2025-06-02 13:30:00'.*zone/,
    ],
    [
      'gzip cut off',
      () => file('cut.csv.gz', gz.subarray(0, gz.length - 20)),
      /cut\.csv\.gz: damaged or cut-off gzip/,
    ],
    [
      'gzip with a wrong checksum',
      () => file('flip.csv.gz', flipped),
      /flip\.csv\.gz: damaged or cut-off gzip/,
    ],
    [
      'JSON that ends early',
      () => file('p.json', `${JSON.stringify(envelope('A', []))}\n{"ticker":`),
      /p\.json:2: /,
    ],
    [
      'adjusted prices',
      () => file('adj.json', JSON.stringify({ ...envelope('A', minuteBars('2025-06-02')), adjusted: true })),
      /adj\.json:1: .*adjusted/,
    ],
    [
      'a torn Parquet file',
      () => file('t.parquet', 'PAR1 and nothing else'),
      /t\.parquet: not a whole Parquet file/,
    ],
    ['nothing at all', () => file('e.csv', ''), /e\.csv: the file is empty/],
    ['no file', () => '/nowhere/x.csv', /x\.csv: cannot be read/],
  ]
  test.each(cases)('%s: is refused as a whole, with its name and line', async (_, make, message) => {
    const root = freshFolder()
    const { code, document } = await importing(root, make())
    expect(code).toBe(1)
    expect((document['error'] as { message: string }).message).toMatch(message)
    expect(existsSync(join(root, 'lake'))).toBe(false)
    expect(existsSync(join(root, 'lake.json'))).toBe(false)
  })

  test('keeps good files of the same import out, too', async () => {
    const root = freshFolder()
    const { code } = await importing(root, csv('good.csv', BARS, good), csv('bad.csv', BARS, ['A,1']))
    expect([code, existsSync(join(root, 'lake'))]).toEqual([1, false])
  })
})

describe('other kinds of files', () => {
  test('answers of the REST API, one or several in a file, gzipped or not', async () => {
    const page = (date: string) => JSON.stringify(envelope('SPY', minuteBars(date)))
    for (const text of [
      `[${page('2025-06-02')},\n${page('2025-06-03')}]`,
      `${page('2025-06-02')}\n${page('2025-06-03')}\n`,
    ]) {
      const root = freshFolder()
      const { document } = await importing(root, file('pages.json.gz', gzipSync(text)))
      expect(document).toMatchObject({ dataset: 'equity_bars_1m', rows: 6 })
      expect(actionsOf(document)).toEqual(['SPY 2025-06-02 add', 'SPY 2025-06-03 add'])
      await expectVerified(root)
    }
  })

  test('an answer that names no ticker needs --ticker', async () => {
    const trade = {
      conditions: [12],
      exchange: 11,
      id: 'x',
      price: 1.5,
      sequence_number: 3,
      sip_timestamp: 0,
      size: 2,
    }
    const text = JSON.stringify({ status: 'OK', results: [trade] }).replace(
      '"sip_timestamp":0',
      `"sip_timestamp":${OPEN_NS + 1n}`,
    )
    const path = file('trades.json', text)
    const root = freshFolder()
    expect((await importing(root, path)).code).toBe(2)
    const { document } = await importing(root, path, '--ticker', 'SPY')
    expect(document).toMatchObject({ dataset: 'equity_trades', rows: 1 })
    expect(await rowsOf(root, 'equity_trades', 'ticker, sip_timestamp_ns')).toEqual([
      { ticker: 'SPY', sip_timestamp_ns: OPEN_NS + 1n },
    ])
  })

  test('what query exported, as CSV or as Parquet, is the same again', async () => {
    const [root, folder] = [freshFolder(), freshFolder()]
    await importing(root, csv('a.csv', BARS, [...minutes('A', OPEN_NS), ...minutes('B', OPEN_NS)]))
    for (const name of ['out.csv', 'out.parquet']) {
      const path = join(folder, name)
      await runHere(['query', 'SELECT * FROM equity_bars_1m', '--output', path, '--data-dir', root])
      const { document } = await importing(root, path)
      expect(actionsOf(document)).toEqual(['A 2025-06-02 same', 'B 2025-06-02 same'])
    }
  })

  test('files of another lake say what they are; made-up data enters no real lake', async () => {
    const [made, real] = [freshFolder(), freshFolder()]
    const path = csv('a.csv', BARS, minutes('A', OPEN_NS))
    await importing(made, path, '--synthetic')
    await importing(real, csv('b.csv', BARS, minutes('B', OPEN_NS)))
    const segment = join(made, 'lake/equity_bars_1m/ticker=A/month=2025-06/equity_bars_1m-A-2025-06.parquet')
    const { code, document } = await importing(real, segment)
    expect([code, JSON.stringify(document)]).toEqual([
      2,
      expect.stringContaining('does not take synthetic data'),
    ])
    expect((await importing(made, path)).code).toBe(2)
    const other = freshFolder()
    mkdirSync(other, { recursive: true })
    expect((await importing(other, segment)).document).toMatchObject({ dataset: 'equity_bars_1m', rows: 3 })
    expect(JSON.parse(readFileSync(join(other, 'lake.json'), 'utf8'))).toMatchObject({
      provenance: 'synthetic',
    })
  })

  test('of different kinds are not mixed', async () => {
    const { code } = await importing(
      freshFolder(),
      csv('a.csv', BARS, minutes('A', OPEN_NS)),
      file('b.json', '{}'),
    )
    expect(code).toBe(2)
  })
})

describe('futures', () => {
  test('come in as files, since no source serves them; what cannot have traded is refused', async () => {
    const root = freshFolder()
    const refused = await runHere(['backfill', '--dataset', 'futures_bars_1m', '--ticker', 'ESM2025'])
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain('tapelake import FILE --dataset futures_bars_1m')
    const line = (ticker: string, time: string) => `${ticker},${time},5000,5001,4999,5000.25,12`
    const lines = [line('ESM2025', '2025-06-02T22:00:00Z'), line('ESM2025', '2025-06-20T13:29:00Z')]
    const late = line('ESM2025', '2025-06-20T13:30:00Z')
    const path = csv('es.csv', 'ticker,timestamp,open,high,low,close,volume', [...lines, late])
    const { code, document } = await importing(root, path, '--dataset', 'futures_bars_1m', '--synthetic')
    expect([code, document['rows'], document['refused']]).toEqual([0, 2, 1])
    expect(
      (await runCliJson(['quarantine', 'list', '--data-dir', root], { here: true })).document,
    ).toMatchObject({
      entries: [{ dataset: 'futures_bars_1m', ticker: 'ESM2025', session: '2025-06-20', rule: 'not_traded' }],
    })
    await expectVerified(root)
  })
})
