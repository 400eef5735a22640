import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { describeFaults, FAULT_KINDS, parseFault, type SimulatorOptions } from '../../src/simulator/index.ts'
import { bars, get, getAll, type Got, minutes, type Row, simulate } from './support.ts'

const withFaults = (texts: readonly string[], options: SimulatorOptions = {}) =>
  simulate({ faults: texts.map(parseFault), ...options })

const DAYS = bars('AAPL', '1/day', '2025-01-02', '2025-01-31', 'adjusted=false&limit=5')
const clean = await simulate()
const cleanRows = await getAll(clean, DAYS)
const PLAIN = { 'accept-encoding': 'identity' }

describe('which calls a fault acts on', () => {
  const statuses = async (fault: string, paths: readonly string[]): Promise<number[]> => {
    const simulator = await withFaults([fault])
    const out: number[] = []
    for (const path of paths) out.push((await get(simulator, path)).status)
    return out
  }
  const [a, b] = ['/v1/marketstatus/now', '/v1/marketstatus/upcoming']

  test.each([
    ['503', [a, a, b], [503, 503, 503]],
    ['503:first=2', [a, b, a], [503, 503, 200]],
    ['503:after=1,first=1', [a, a, a], [200, 503, 200]],
    ['503:every=3', [a, a, a, a], [503, 200, 200, 503]],
    ['503:each=1', [a, b, a, b], [503, 503, 200, 200]],
    ['503:ask=2', [a, b, a, a], [200, 200, 503, 503]],
    ['503:path=upcoming', [a, b, a], [200, 503, 200]],
    ['503:every=3,burst=2', [a, a, a, a], [503, 503, 200, 503]],
    ['503:first=1,burst=3', [a, a, a, a], [503, 503, 503, 200]],
    ['503:rate=0', [a, a], [200, 200]],
    ['503:rate=1', [a, a], [503, 503]],
  ])('%s', async (fault, paths, expected) => {
    expect(await statuses(fault, paths)).toEqual(expected)
  })

  test('a rate is kept, by the same calls for the same seed', async () => {
    const paths = Array.from({ length: 60 }, () => a)
    const first = await statuses('503:rate=0.3', paths)
    const share = first.filter((status) => status === 503).length / 60
    expect(share).toBeGreaterThan(0.1)
    expect(share).toBeLessThan(0.55)
    expect(await statuses('503:rate=0.3', paths)).toEqual(first)
  })

  test('what acted is counted', async () => {
    const simulator = await withFaults(['503:first=2', 'delayed'])
    for (let i = 0; i < 3; i++) await get(simulator, DAYS)
    expect(simulator.stats().faultsFired).toEqual({ 503: 2, delayed: 1 })
  })
})

describe('reading a fault', () => {
  test('takes a name and options', () => {
    expect(parseFault('429:first=2,retry-after=1').options).toMatchObject({ first: 2, 'retry-after': 1 })
  })

  test.each([
    ['429s', "unknown fault '429s'"],
    ['429:frist=2', "fault '429': unknown option 'frist'"],
    ['429:first=two', "fault '429': first=two is not a whole number"],
    ['429:rate=2', "fault '429': rate=2 is not a number from 0 to 1"],
    ['reset:when=later', "fault 'reset': when=later is not one of before, headers, body"],
    ['missing-day:day=2025-02-30', "fault 'missing-day': day=2025-02-30 is not a date YYYY-MM-DD"],
    ['missing-day', "fault 'missing-day' needs a day"],
    ['503:path=', "fault '503': path= is not a text"],
    ['503:', "fault '503': unknown option ''"],
  ])('refuses %s', (text, message) => {
    const refusal = refusalOf(() => parseFault(text))
    expect(refusal).toBeInstanceOf(UsageError)
    expect(refusal).toMatchObject({ message, hint: expect.stringMatching(/\w/) as string })
  })

  test('describes every fault and every option', () => {
    const text = describeFaults()
    for (const { name, does, options } of FAULT_KINDS) {
      expect(text).toContain(name)
      expect(text).toContain(does)
      for (const option of Object.keys(options)) expect(text).toContain(`${option}=`)
    }
  })
})

test('the documentation lists every fault as the program does', () => {
  const page = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')
  expect(page).toContain(describeFaults())
})

describe('refusals', () => {
  test('429 comes in the words of the vendor, with Retry-After or an empty body if asked', async () => {
    const plain = await get(await withFaults(['429']), DAYS)
    expect([plain.status, plain.headers.get('retry-after')]).toEqual([429, null])
    expect(plain.body['error']).toContain("You've exceeded the maximum requests per minute")
    const waiting = await get(await withFaults(['429:retry-after=7,body=empty']), DAYS)
    expect([waiting.headers.get('retry-after'), waiting.text]).toEqual(['7', ''])
  })

  test.each(['500', '502', '503', '504'])('%s comes as JSON, HTML or nothing', async (status) => {
    const json = await get(await withFaults([status]), DAYS)
    expect([json.status, json.body.status]).toEqual([Number(status), 'ERROR'])
    const html = await get(await withFaults([`${status}:body=html`]), DAYS)
    expect(html.headers.get('content-type')).toBe('text/html')
    expect(html.text).toContain(`<title>${status}`)
    expect((await get(await withFaults([`${status}:body=empty`]), DAYS)).text).toBe('')
  })

  test('a key can be revoked on the way', async () => {
    const simulator = await withFaults(['401:after=1'])
    expect((await get(simulator, DAYS)).status).toBe(200)
    expect((await get(simulator, DAYS)).body['error']).toBe('Unknown API Key')
  })

  test('an entitlement wall stands before an endpoint, or before a date', async () => {
    const wall = await withFaults(['entitlement:path=/v3/trades'])
    expect((await get(wall, '/v3/trades/SPY')).status).toBe(403)
    expect((await get(wall, DAYS)).status).toBe(200)
    const dated = await withFaults(['entitlement:before=2025-01-15'])
    expect((await get(dated, bars('AAPL', '1/day', '2025-01-02', '2025-01-14'))).status).toBe(403)
    expect(await getAll(dated, DAYS)).toEqual(cleanRows.filter(({ t }) => t >= Date.parse('2025-01-15')))
  })
})

describe('the connection', () => {
  /** What node's own client sees: bytes until the end, or the error code. */
  const raw = async (
    fault: string,
    headers = {},
  ): Promise<{ bytes: number; length: number; code: string }> => {
    const simulator = await withFaults([fault])
    return new Promise((resolve) => {
      const seen = { bytes: 0, length: NaN, code: 'none' }
      const failed = (error: NodeJS.ErrnoException): void =>
        resolve({ ...seen, code: error.code ?? error.message })
      const call = request(
        simulator.url + DAYS,
        { headers: { authorization: 'Bearer k', ...headers } },
        (response) => {
          seen.length = Number(response.headers['content-length'])
          response.on('data', (chunk: Buffer) => (seen.bytes += chunk.length))
          response.on('error', failed)
          response.on('end', () => resolve(seen))
        },
      )
      call.on('error', failed).end()
    })
  }

  test('is reset before an answer, after its headers or within its body', async () => {
    expect(await raw('reset')).toMatchObject({ bytes: 0, length: NaN, code: 'ECONNRESET' })
    expect(await raw('reset:when=headers')).toMatchObject({ bytes: 0, code: 'ECONNRESET' })
    expect((await raw('reset:when=body')).code).toBe('ECONNRESET')
  })

  test('ends in the middle of the body, with and without a length', async () => {
    const cut = await raw('truncated')
    expect(cut.bytes).toBe(Math.floor(cut.length / 2))
    expect(cut.code).toBe('ECONNRESET')
    expect(await raw('truncated:how=chunked')).toMatchObject({ length: NaN, code: 'ECONNRESET' })
    expect((await raw('truncated', { 'accept-encoding': 'gzip' })).code).toBe('ECONNRESET')
  })

  test('stays silent for ever, until the client gives up', async () => {
    const simulator = await withFaults(['hang'])
    const waiting = fetch(simulator.url + DAYS, {
      headers: { authorization: 'Bearer k' },
      signal: AbortSignal.timeout(200),
    })
    await expect(waiting).rejects.toThrow('timeout')
    expect(simulator.stats().answersByStatus).toEqual({ 0: 1 })
  })

  test('is slow to begin, so that a later call is answered first', async () => {
    const simulator = await withFaults(['slow:delay-ms=300,path=AAPL'])
    const order: string[] = []
    const slow = get(simulator, DAYS).finally(() => order.push('slow'))
    await get(simulator, '/v1/marketstatus/now').then(() => order.push('quick'))
    expect((await slow).body.results).toEqual(cleanRows.slice(0, 5))
    expect(order).toEqual(['quick', 'slow'])
  })

  test('is slow to go on: a body in many pieces, but whole', async () => {
    const simulator = await withFaults(['slow:delay-ms=0,trickle-ms=40'])
    const response = await fetch(simulator.url + DAYS, { headers: { authorization: 'Bearer k', ...PLAIN } })
    const pieces: Uint8Array[] = []
    for await (const piece of response.body!) pieces.push(piece as Uint8Array)
    expect(pieces.length).toBeGreaterThan(3)
    expect(JSON.parse(Buffer.concat(pieces).toString())).toMatchObject({ results: cleanRows.slice(0, 5) })
  })

  test('has a latency of its own if asked', async () => {
    const [far, near] = [await simulate({ latencyMs: 300 }), await simulate()]
    const order: string[] = []
    const late = get(far, DAYS).then(() => order.push('far'))
    await get(near, DAYS).then(() => order.push('near'))
    await late
    expect(order).toEqual(['near', 'far'])
  })
})

describe('pages', () => {
  const dates = (rows: readonly Row[]): number[] => rows.map(({ t }) => t)

  test('come twice', async () => {
    const rows = await getAll(await withFaults(['duplicate-page:first=1']), DAYS)
    expect(dates(rows)).toEqual(dates([...cleanRows.slice(0, 5), ...cleanRows]))
  })

  test('come twice each, and the last one once', async () => {
    const rows = await getAll(await withFaults(['duplicate-page']), DAYS)
    expect(rows.length).toBe(5 * 2 * Math.floor((cleanRows.length - 1) / 5) + (cleanRows.length % 5 || 5))
    expect(new Set(dates(rows)).size).toBe(cleanRows.length)
  })

  test('lead to themselves for ever', async () => {
    const simulator = await withFaults(['duplicate-page:then=loop'])
    const first = (await get(simulator, `${DAYS}&apiKey=secret`)).body
    const second = (await get(simulator, first.next_url!)).body
    expect(second.results).toEqual(first.results)
    expect(second.next_url).toBe(first.next_url)
    expect(first.next_url).not.toContain('secret')
  })

  test('come in another order', async () => {
    const rows = await getAll(await withFaults(['reorder-pages:first=1']), DAYS)
    expect(dates(rows)).toEqual(
      dates([...cleanRows.slice(5, 10), ...cleanRows.slice(0, 5), ...cleanRows.slice(10)]),
    )
    const all = await getAll(await withFaults(['reorder-pages']), DAYS)
    expect(dates(all).toSorted((a, b) => a - b)).toEqual(dates(cleanRows))
  })

  test('end with an empty one', async () => {
    const simulator = await withFaults(['empty-last-page'])
    expect(dates(await getAll(simulator, DAYS))).toEqual(dates(cleanRows))
    const last = (await get(simulator, bars('AAPL', '1/day', '2025-01-02', '2025-01-03'))).body
    const empty = (await get(simulator, last.next_url!)).body
    expect(empty).toMatchObject({ status: 'OK', resultsCount: 0, queryCount: 0 })
    expect(empty).not.toHaveProperty('results')
    expect(empty).not.toHaveProperty('next_url')
  })

  test('point to another host, with the right path', async () => {
    const simulator = await withFaults(['wrong-next-host:host=evil.invalid'])
    const next = new URL((await get(simulator, DAYS)).body.next_url!)
    expect(next.host).toBe('evil.invalid')
    const rebased = await get(simulator, next.pathname + next.search)
    expect(dates(rebased.body.results!)).toEqual(dates(cleanRows.slice(5, 10)))
  })

  test('have no results at all', async () => {
    const { body } = await get(await withFaults(['no-results']), DAYS)
    expect(body).toMatchObject({ status: 'OK', resultsCount: 0 })
    expect(body).not.toHaveProperty('results')
    expect(body).not.toHaveProperty('next_url')
  })

  test('of lists and ticks can be doubled as well', async () => {
    const simulator = await withFaults(['duplicate-page:first=1'])
    const path = '/v3/reference/splits?limit=4'
    const all = await getAll(clean, path)
    expect(await getAll(simulator, path)).toEqual([...all.slice(0, 4), ...all])
  })
})

describe('content', () => {
  const page = async (fault: string, path = DAYS): Promise<Got> => get(await withFaults([fault]), path)
  const rowsOf = async (fault: string): Promise<readonly Row[]> => (await page(fault)).body.results!

  test('is JSON that stops in the middle, at the length that was announced', async () => {
    const got = await get(await withFaults(['broken-json']), DAYS, PLAIN)
    expect(got.status).toBe(200)
    expect(Number(got.headers.get('content-length'))).toBe(got.text.length)
    expect(() => JSON.parse(got.text) as unknown).toThrow(SyntaxError)
  })

  test('has its rows shuffled or repeated', async () => {
    const month = bars('AAPL', '1/day', '2025-01-02', '2025-03-31')
    const rows = await getAll(clean, month)
    const shuffled = (await page('reorder-rows', month)).body.results!
    expect(shuffled).not.toEqual(rows)
    expect(shuffled.toSorted((a, b) => a.t - b.t)).toEqual(rows)
    const repeated = (await page('duplicate-rows:rows=0.5', month)).body.results!
    expect(repeated.length).toBeGreaterThan(rows.length)
    expect(new Set(repeated.map(({ t }) => t)).size).toBe(rows.length)
  })

  test('is about another ticker', async () => {
    expect((await page('wrong-ticker')).body['ticker']).toBe('WRNG')
    const grouped = await page('wrong-ticker:ticker=QQQ', '/v2/aggs/ticker/AAPL/prev')
    expect(grouped.body.results![0]!['T']).toBe('QQQ')
  })

  test('has broken rows, each in the way that was asked', async () => {
    expect((await rowsOf('invalid-rows:rows=1,kind=high-below-low')).every(({ h, l }) => h < l)).toBe(true)
    expect((await rowsOf('invalid-rows:rows=1,kind=negative-price')).every(({ o }) => o === -1)).toBe(true)
    expect((await rowsOf('invalid-rows:rows=1,kind=null-close')).every(({ c }) => c === null)).toBe(true)
    const trades = await page('invalid-rows:rows=1,kind=negative-price', '/v3/trades/SPY?limit=3')
    expect(trades.body.results!.map((row) => row['price'])).toEqual([-1, -1, -1])
  })

  test('has broken rows on one day only', async () => {
    const simulator = await withFaults(['invalid-rows:day=2025-01-07'])
    const rows = await getAll(simulator, minutes('AAPL', '2025-01-06', '2025-01-08'))
    const right = await getAll(clean, minutes('AAPL', '2025-01-06', '2025-01-08'))
    const changed = rows.filter((row, i) => JSON.stringify(row) !== JSON.stringify(right[i]))
    const ofDay = right.filter(
      ({ t }) => t >= Date.parse('2025-01-07T05:00Z') && t < Date.parse('2025-01-08T05:00Z'),
    )
    expect(changed.map(({ t }) => t)).toEqual(ofDay.map(({ t }) => t))
  })

  test('lacks a day, in bars and in ticks', async () => {
    const rows = await getAll(await withFaults(['missing-day:day=2025-01-07']), DAYS)
    expect(rows.length).toBe(cleanRows.length - 1)
    const trades = await page('missing-day:day=2025-01-03', '/v3/trades/THNY?timestamp=2025-01-03')
    expect(trades.body).not.toHaveProperty('results')
  })

  test('starts later than asked, without a word', async () => {
    const rows = await getAll(await withFaults(['truncate-range:from=2025-01-15']), DAYS)
    expect(rows).toEqual(cleanRows.filter(({ t }) => t >= Date.parse('2025-01-15')))
    expect((await page('truncate-range:from=2025-02-14')).status).toBe(403)
    const half = await getAll(await withFaults(['truncate-range']), DAYS)
    expect(half).toEqual(cleanRows.slice(-half.length))
    expect(half.length).toBeLessThan(cleanRows.length)
  })

  test('is DELAYED', async () => {
    expect((await page('delayed')).body).toMatchObject({ status: 'DELAYED', results: cleanRows.slice(0, 5) })
  })

  test('changes its mind at the second ask', async () => {
    const simulator = await withFaults(['restate:ask=2'])
    const first = (await get(simulator, DAYS)).body.results!
    const second = (await get(simulator, DAYS)).body.results!
    expect(first).toEqual(cleanRows.slice(0, 5))
    expect(second[0]!.v).toBe(first[0]!.v + 100)
    expect(second.slice(1)).toEqual(first.slice(1))
  })

  test('drifts: a field renamed, added, null, of another type', async () => {
    expect((await rowsOf('drift'))[0]).not.toHaveProperty('v')
    expect((await rowsOf('drift:field=rename'))[0]).toHaveProperty('volume', cleanRows[0]!.v)
    expect((await rowsOf('drift:field=extra'))[0]).toHaveProperty('new_field')
    expect((await rowsOf('drift:field=null'))[0]!.v).toBeNull()
    expect((await rowsOf('drift:field=type'))[0]!.v).toBe(String(cleanRows[0]!.v))
  })

  test('keeps nanoseconds exact under any edit', async () => {
    const path = '/v3/trades/SPY?timestamp=2025-01-03&order=asc&limit=100'
    const exact = (text: string) => [...text.matchAll(/"sip_timestamp":(\d+)/g)].map((match) => match[1])
    expect(exact((await page('delayed', path)).text)).toEqual(exact((await get(clean, path)).text))
  })

  test('survives several faults at once', async () => {
    const simulator = await withFaults(['delayed', 'invalid-rows:rows=1', 'broken-json', 'wrong-ticker'])
    const got = await get(simulator, DAYS)
    expect(got.status).toBe(200)
    expect(got.body).toEqual({})
    expect(got.text).toContain('"ticker":"AAPL"')
  })
})

function refusalOf(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}
