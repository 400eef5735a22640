import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, MalformedError } from '../../../src/core/errors.ts'
import { collect } from '../../../src/core/flow.ts'
import { createRateLimiter } from '../../../src/core/rate-limit.ts'
import { datasetNamed } from '../../../src/market/datasets/index.ts'
import type { AnswerEvent, FieldEvent } from '../../../src/sources/polygon/options.ts'
import { historySourceContract } from '../../contracts/history-source-contract.ts'
import { runNode } from '../../support/run-node.ts'
import {
  startVendorServer,
  type Script,
  type ScriptedAnswer,
  type VendorServer,
} from '../../support/vendor-server.ts'
import { aggregates, ask, KEY, never, rowsOf, sourceAt, wireBar } from './support.ts'

const open: VendorServer[] = []
async function serve(script: Script | readonly ScriptedAnswer[]): Promise<VendorServer> {
  const server = await startVendorServer(script)
  open.push(server)
  return server
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()))
})

const page = (index: number, more: object = {}) => ({ body: aggregates([wireBar(index)], more) })
const minutes = (rows: Record<string, unknown>[]) =>
  rows.map((row) => ((row['timestamp'] as number) / 1000 - Date.UTC(2025, 0, 2, 15)) / 60_000)

describe('the requests', () => {
  const paths: Record<string, string> = {
    equity_bars_1s:
      '/v2/aggs/ticker/SPY/range/1/second/2025-01-02/2025-01-03?adjusted=false&sort=asc&limit=50000',
    equity_bars_1m:
      '/v2/aggs/ticker/SPY/range/1/minute/2025-01-02/2025-01-03?adjusted=false&sort=asc&limit=50000',
    equity_bars_1h:
      '/v2/aggs/ticker/SPY/range/1/hour/2025-01-02/2025-01-03?adjusted=false&sort=asc&limit=50000',
    equity_bars_1d:
      '/v2/aggs/ticker/SPY/range/1/day/2025-01-02/2025-01-03?adjusted=false&sort=asc&limit=50000',
    equity_trades:
      '/v3/trades/SPY?timestamp.gte=1735794000000000000&timestamp.lt=1735966800000000000&order=asc&limit=50000&sort=timestamp',
    equity_quotes:
      '/v3/quotes/SPY?timestamp.gte=1735794000000000000&timestamp.lt=1735966800000000000&order=asc&limit=50000&sort=timestamp',
    // from 20:15 New York time on the evening before to 17:00
    option_bars_1m: `/v2/aggs/ticker/SPY/range/1/minute/${Date.UTC(2025, 0, 2, 1, 15)}/${Date.UTC(2025, 0, 3, 22) - 1}?adjusted=false&sort=asc&limit=50000`,
    option_bars_1d:
      '/v2/aggs/ticker/SPY/range/1/day/2025-01-02/2025-01-03?adjusted=false&sort=asc&limit=50000',
    splits:
      '/v3/reference/splits?ticker=SPY&execution_date.gte=2025-01-01&execution_date.lte=2025-01-03&order=asc&limit=1000&sort=execution_date',
    dividends:
      '/v3/reference/dividends?ticker=SPY&ex_dividend_date.gte=2025-01-01&ex_dividend_date.lte=2025-01-03&order=asc&limit=1000&sort=ex_dividend_date',
  }

  test.each(Object.keys(paths))('%s is asked for raw, ascending and with the largest page', async (name) => {
    const server = await serve([{ body: { status: 'OK' } }])
    expect(await rowsOf(sourceAt(server.url), ask(name))).toEqual([])
    expect(server.requests.map(({ url }) => url)).toEqual([paths[name]])
  })

  test('ticks are asked for by the days of New York, also where its clocks change', async () => {
    const server = await serve([{ body: {} }])
    await rowsOf(sourceAt(server.url), ask('equity_trades', { from: '2025-03-07', to: '2025-03-10' }))
    const query = new URL(server.requests[0]!.url, server.url).searchParams
    expect(query.get('timestamp.gte')).toBe(`${Date.parse('2025-03-07T00:00:00-05:00')}000000`)
    expect(query.get('timestamp.lt')).toBe(`${Date.parse('2025-03-11T00:00:00-04:00')}000000`)
  })

  test('the key travels in a header and never in an address', async () => {
    const server = await serve([page(1, { next_url: 'https://api.polygon.io/v2/x?cursor=1' }), page(2)])
    await rowsOf(sourceAt(server.url), ask('equity_bars_1m'))
    expect(server.requests).toHaveLength(2)
    for (const { url, headers } of server.requests) {
      expect(headers['authorization']).toBe(`Bearer ${KEY}`)
      expect(url).not.toContain(KEY)
      expect(url).not.toContain('apiKey')
    }
  })

  test.each(['', '/', '//', '/vendor/api', '/vendor/api/'])(
    'the base address may end in %j',
    async (ending) => {
      const server = await serve([{ body: aggregates([]) }])
      await rowsOf(sourceAt(server.url + ending), ask('equity_bars_1m'))
      const prefix = ending.replace(/\/+$/, '')
      expect(server.requests[0]!.url.startsWith(`${prefix}/v2/aggs/`)).toBe(true)
    },
  )

  test('tickers with unusual characters are encoded', async () => {
    const server = await serve([{ body: {} }])
    await rowsOf(sourceAt(server.url), ask('equity_bars_1m', { ticker: 'I:A/B C' }))
    expect(server.requests[0]!.url).toContain('/ticker/I%3AA%2FB%20C/range/')
  })

  test.each(['not a url', 'ftp://host', 'https://user:pass@host', 'https://host/?apiKey=x'])(
    'the base address %s is refused without repeating it',
    (baseUrl) => {
      expect(() => sourceAt(baseUrl)).toThrow(ConfigError)
      expect(() => sourceAt(baseUrl)).not.toThrow(baseUrl)
    },
  )

  test('the vendor client is loaded by the first request, not before', async () => {
    const { stdout, stderr } = await runNode(`
      import { createRequire } from 'node:module'
      const { createPolygonSource } = await import('./src/sources/polygon/index.ts')
      const { optionsFor, ask, rowsOf } = await import('./tests/sources/polygon/support.ts')
      const isLoaded = () => Object.keys(createRequire(process.cwd() + '/x.js').cache).some((path) => path.includes('follow-redirects'))
      const source = createPolygonSource(optionsFor('http://127.0.0.1:9'))
      console.log(isLoaded())
      await rowsOf(source, ask('equity_bars_1m')).catch(() => undefined)
      console.log(isLoaded())
    `)
    expect({ stdout, stderr }).toEqual({ stdout: 'false\ntrue\n', stderr: '' })
  })
})

describe('pages', () => {
  test('come in order, each one fetched once', async () => {
    const next = (cursor: number) => ({ next_url: `http://other-host:443/v2/more?cursor=${cursor}` })
    const server = await serve([page(1, next(2)), page(2, next(3)), page(3)])
    expect(minutes(await rowsOf(sourceAt(server.url), ask('equity_bars_1m')))).toEqual([1, 2, 3])
    expect(server.requests.slice(1).map(({ url }) => url)).toEqual(['/v2/more?cursor=2', '/v2/more?cursor=3'])
  })

  test.each([
    ['the vendor’s host', 'https://api.polygon.io/v2/a?cursor=Zm9v'],
    ['its other host with a port', 'https://api.massive.com:443/v2/a?cursor=Zm9v'],
    ['a path alone', '/v2/a?cursor=Zm9v'],
    ['a host that has nothing to do with it', 'http://evil.example/v2/a?cursor=Zm9v'],
    ['an address that carries a key', 'https://api.polygon.io/v2/a?apiKey=oops&cursor=Zm9v'],
  ])('next_url may name %s: the next page is asked from the configured base', async (_, nextUrl) => {
    const server = await serve([page(1, { next_url: nextUrl }), page(2)])
    expect(await rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).toHaveLength(2)
    expect(server.requests[1]!.url).toBe('/v2/a?cursor=Zm9v')
  })

  test('a base with a path keeps it on the next page, whether next_url repeats it or not', async () => {
    for (const path of ['/base/v2/a?cursor=1', '/v2/a?cursor=1']) {
      const server = await serve([page(1, { next_url: `http://x${path}` }), page(2)])
      await rowsOf(sourceAt(`${server.url}/base/`), ask('equity_bars_1m'))
      expect(server.requests[1]!.url).toBe('/base/v2/a?cursor=1')
    }
  })

  test('a failure on one page does not fetch the pages before it again', async () => {
    const server = await serve([
      page(1, { next_url: '/v2/a?cursor=2' }),
      page(2, { next_url: '/v2/a?cursor=3' }),
      { status: 500, body: 'oops' },
      { body: '{"results":[{"o":' },
      page(3),
    ])
    const source = sourceAt(server.url)
    expect(minutes(await rowsOf(source, ask('equity_bars_1m')))).toEqual([1, 2, 3])
    expect(server.requests.map(({ url }) => /cursor=(\d)/.exec(url)?.[1] ?? '1')).toEqual([
      '1',
      '2',
      '3',
      '3',
      '3',
    ])
    expect(source.calls).toBe(5)
  })

  test.each([
    ['absent', {}],
    ['null', { results: null }],
    ['empty', { results: [] }],
  ])('a last page whose results are %s ends the request quietly', async (_, body) => {
    const server = await serve([page(1, { next_url: '/v2/a?cursor=2' }), { body: { status: 'OK', ...body } }])
    const batches = await collect(sourceAt(server.url).read(ask('equity_bars_1m'), never))
    expect(batches.map(({ length }) => length)).toEqual([1])
  })

  test('an empty page in the middle does not end it', async () => {
    const server = await serve([{ body: { next_url: '/v2/a?cursor=2' } }, page(2)])
    expect(await rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).toHaveLength(1)
  })

  test.each([
    ['to itself', ['/v2/a?cursor=2', '/v2/a?cursor=2']],
    ['back to the page before', ['/v2/a?cursor=2', '/v2/a?cursor=3', '/v2/a?cursor=2']],
  ])('a next_url that leads %s is an error, not an endless download', async (_, nextUrls) => {
    const server = await serve((_request, index) =>
      page(index, { next_url: nextUrls[index] ?? nextUrls.at(-1) }),
    )
    const reading = rowsOf(sourceAt(server.url), ask('equity_bars_1m'))
    await expect(reading).rejects.toThrow(/next_url does not advance/)
    expect(server.requests).toHaveLength(nextUrls.length)
  })

  test('so is one that leads to page after page without rows, each under a new cursor', async () => {
    const server = await serve((_request, index) => ({ body: { next_url: `/v2/a?cursor=${index}` } }))
    const reading = rowsOf(sourceAt(server.url), ask('equity_bars_1m'))
    await expect(reading).rejects.toThrow('next_url does not advance: page after page has no rows')
    expect(server.requests).toHaveLength(11)
  })

  test('a next_url that leads back to the first page is one too', async () => {
    const server = await serve((request) => page(1, { next_url: request.url }))
    await expect(rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).rejects.toThrow(MalformedError)
    expect(server.requests).toHaveLength(1)
  })

  test('a next_url that is no address is an error', async () => {
    const server = await serve([page(1, { next_url: 'http://' })])
    await expect(rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).rejects.toThrow('next_url is not a URL')
  })
})

describe('rows', () => {
  test('bars arrive exactly: fractional volume, absent vwap and count as null, microseconds', async () => {
    const { vw: _vw, n: _n, ...bare } = wireBar(2)
    const server = await serve([
      {
        body: aggregates([
          { ...wireBar(1), v: 9099.618093 },
          { ...bare, v: 7.09e7 },
        ]),
      },
    ])
    const [first, second] = await rowsOf(sourceAt(server.url), ask('equity_bars_1m'))
    expect(first).toEqual({
      ticker: 'SPY',
      timestamp: (Date.UTC(2025, 0, 2, 15) + 60_000) * 1000,
      open: 100,
      high: 100.3,
      low: 99.9,
      close: 100.2,
      volume: 9099.618093,
      vwap: 100.1,
      trade_count: 12,
    })
    expect(second).toMatchObject({ volume: 70_900_000, vwap: null, trade_count: null })
  })

  test('a batch says whose rows it holds, even when the vendor answers for another ticker', async () => {
    const server = await serve([{ body: aggregates([wireBar(1)], { ticker: 'QQQ' }) }])
    expect(await rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).toMatchObject([{ ticker: 'QQQ' }])
  })

  test('an answer that names no ticker holds rows of the one asked for', async () => {
    const server = await serve([{ body: { results: [wireBar(1)] } }])
    expect(await rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).toMatchObject([{ ticker: 'SPY' }])
  })

  test('trades keep nanoseconds and take the exact size where the vendor sends one', async () => {
    const trade =
      '"sip_timestamp":1712306654208705342,"participant_timestamp":1712306654208705001,"sequence_number":7,' +
      '"price":1.5,"exchange":4,"id":"a1","conditions":[12,37]'
    const body = `{"results":[{${trade},"size":1,"decimal_size":"0.75"},{${trade},"size":3},{${trade},"size":2,"decimal_size":null}]}`
    const server = await serve([{ body }])
    const rows = await rowsOf(sourceAt(server.url), ask('equity_trades'))
    expect(rows.map((row) => row['size'])).toEqual([0.75, 3, 2])
    expect(rows[0]).toMatchObject({
      ticker: 'SPY',
      timestamp: 1_712_306_654_208_705,
      sip_timestamp_ns: 1_712_306_654_208_705_342n,
      participant_timestamp_ns: 1_712_306_654_208_705_001n,
      trf_timestamp_ns: null,
      conditions: [12, 37],
      tape: null,
    })
  })

  test('each batch names the request and the vendor’s id of it', async () => {
    const server = await serve([
      { ...page(1, { next_url: '/v2/a?cursor=2' }), headers: { 'X-Request-Id': 'from-header' } },
      page(2, { request_id: 'from-body' }),
    ])
    const batches = await collect(
      sourceAt(server.url, { name: 'simulator' }).read(ask('equity_bars_1d'), never),
    )
    expect(batches.map(({ origin }) => origin)).toEqual([
      { source: 'simulator', request: server.requests[0]!.url, requestId: 'from-header' },
      { source: 'simulator', request: '/v2/a?cursor=2', requestId: 'from-body' },
    ])
  })

  test.each([
    ['adjusted prices', { adjusted: true }, /adjusted/],
    ['fewer rows than announced', { resultsCount: 2 }, /announces 2 rows/],
    [
      'a refusal in the dress of a success',
      { status: 'ERROR', error: 'no such thing', results: [] },
      /no such thing/,
    ],
    ['an envelope of another shape', { status: 5 }, /status/],
  ])('an answer with %s is refused', async (_, more, expected) => {
    const server = await serve([page(1, more)])
    const reading = rowsOf(sourceAt(server.url), ask('equity_bars_1m'))
    await expect(reading).rejects.toThrow(MalformedError)
    await expect(rowsOf(sourceAt(server.url), ask('equity_bars_1m'))).rejects.toThrow(expected)
  })
})

describe('what the source tells', () => {
  test('delayed data are a success and said to be delayed', async () => {
    const answers: AnswerEvent[] = []
    const server = await serve([page(1, { status: 'DELAYED', next_url: '/v2/a?cursor=2' }), page(2)])
    const events = { onAnswer: (event: AnswerEvent) => void answers.push(event) }
    expect(await rowsOf(sourceAt(server.url, { events }), ask('equity_bars_1m'))).toHaveLength(2)
    expect(answers.map(({ delayed }) => delayed)).toEqual([true, false])
    expect(answers[0]).toMatchObject({ status: 200, requestId: 'req-1', path: server.requests[0]!.url })
    expect(answers[0]!.bytes).toBeGreaterThan(100)
  })

  test('calls, retries and waits for the budget are told as they happen', async () => {
    const told: string[] = []
    const server = await serve([{ status: 500 }, page(1)])
    const limiter = createRateLimiter({ callsPerMinute: 1, windowMs: 50 })
    const source = sourceAt(server.url, {
      limiter,
      events: {
        onCall: ({ attempt }) => void told.push(`call ${attempt}`),
        onAnswer: ({ status }) => void told.push(`answer ${status}`),
        onRetry: ({ attempt, waitMs }) => void told.push(`retry ${attempt} after ${waitMs}`),
        onWait: ({ reason }) => void told.push(`wait ${reason}`),
      },
    })
    await rowsOf(source, ask('equity_bars_1m'))
    expect(told.filter((line) => !line.startsWith('wait'))).toEqual([
      'call 1',
      'answer 500',
      'retry 1 after 0',
      'call 2',
      'answer 200',
    ])
    expect(source.calls).toBe(2)
  })

  test('a 429 holds back everybody who shares the budget', async () => {
    const limiter = createRateLimiter({ callsPerMinute: 0 })
    const server = await serve([{ status: 429, headers: { 'retry-after': 1 } }, page(1)])
    const waits: string[] = []
    const turn = { onWait: ({ reason }: { reason: string }) => void waits.push(reason) }
    let other: Promise<void> | undefined
    const events = { onRetry: () => void (other = limiter.run(async () => undefined, never, turn)) }
    await rowsOf(sourceAt(server.url, { limiter, events }), ask('equity_bars_1m'))
    await other
    expect(waits).toEqual(['pause'])
  })

  test('fields that the dataset does not know, and values of the wrong type', async () => {
    const told: Record<string, FieldEvent[]> = { unknown: [], wrong: [] }
    const rows = [
      { ...wireBar(1), otc: true },
      { ...wireBar(2), otc: true, o: 'high' },
    ]
    const server = await serve([{ body: aggregates(rows) }])
    const events = {
      onUnknownField: (event: FieldEvent) => void told['unknown']!.push(event),
      onWrongType: (event: FieldEvent) => void told['wrong']!.push(event),
    }
    const [, second] = await rowsOf(sourceAt(server.url, { events }), ask('equity_bars_1m'))
    expect(second).toMatchObject({ open: null })
    const path = server.requests[0]!.url
    expect(told).toEqual({
      unknown: [{ path, field: 'otc', count: 2 }],
      wrong: [{ path, field: 'o', count: 1 }],
    })
  })

  test.each([
    ['real', {}],
    ['synthetic', { 'X-Tapelake-Simulator': '1' }],
  ])('that its rows are %s', async (provenance, headers) => {
    const server = await serve([{ ...page(1), headers }])
    const source = sourceAt(server.url)
    await rowsOf(source, ask('equity_bars_1m'))
    expect(source.provenance).toBe(provenance)
  })

  test('how much one request may cover', () => {
    const source = sourceAt('http://127.0.0.1:9')
    const limits = (name: string) => source.limits(datasetNamed(name))
    const bars = ['equity_bars_1s', 'equity_bars_1m', 'equity_bars_1h', 'equity_bars_1d']
    expect(bars.map((name) => limits(name).baseSeconds)).toEqual([1, 60, 60, 86_400])
    expect(limits('equity_trades')).toEqual({ pageRows: 50_000, baseSeconds: undefined, anyRange: false })
    expect(limits('splits')).toEqual({ pageRows: 1000, baseSeconds: undefined, anyRange: true })
  })
})

describe('known tickers', () => {
  const knows = async (...answers: ScriptedAnswer[]) => {
    const server = await serve(answers)
    const known = await sourceAt(server.url).knowsTicker('META', '2015-06-01', never)
    return { known, urls: server.requests.map(({ url }) => url) }
  }

  test('a ticker listed on the date is known', async () => {
    const { known, urls } = await knows({ body: { results: { ticker: 'META' } } })
    expect(known).toBe(true)
    expect(urls).toEqual(['/v3/reference/tickers/META?date=2015-06-01'])
  })

  test('a delisted one is found in the list', async () => {
    const { known, urls } = await knows(
      { status: 404 },
      { body: { results: [{ ticker: 'META', active: false }] } },
    )
    expect(known).toBe(true)
    expect(urls[1]).toBe('/v3/reference/tickers?ticker=META&active=false&limit=1')
  })

  test.each([{ body: {} }, { body: { results: [] } }])(
    'one that neither knows is unknown',
    async (answer) => {
      expect((await knows({ status: 404 }, answer)).known).toBe(false)
    },
  )

  test('a refusal is no proof that the ticker does not exist', async () => {
    await expect(knows({ status: 401, body: { error: 'Unknown API Key' } })).rejects.toThrow(
      'Unknown API Key',
    )
  })
})

describe('a scripted vendor keeps the contract of history sources', () => {
  let server: VendorServer
  const script: Script = ({ url }) =>
    url.includes('cursor') ? page(2) : page(1, { next_url: '/v2/a?cursor=2' })
  beforeAll(async () => {
    server = await startVendorServer(script)
  })
  afterAll(() => server.close())

  historySourceContract(() => ({
    provenance: 'real',
    requests: [ask('equity_bars_1m')],
    open: () => sourceAt(server.url),
  }))
})
