import { describe, expect, test } from 'vitest'
import { bars, get, getAll, simulate } from './support.ts'

const simulator = await simulate()
const rows = async (path: string) => (await get(simulator, path)).body.results!

describe('daily summaries', () => {
  test('grouped bars hold every stock that traded, stamped 16:00 in New York', async () => {
    const { body } = await get(simulator, '/v2/aggs/grouped/locale/us/market/stocks/2025-01-03')
    expect(body['resultsCount']).toBe(body.results!.length)
    expect(body.results!.length).toBeGreaterThan(55)
    const spy = body.results!.find((row) => row['T'] === 'SPY')!
    expect(new Date(spy.t).toISOString()).toBe('2025-01-03T21:00:00.000Z')
    const [day] = await getAll(simulator, bars('SPY', '1/day', '2025-01-03', '2025-01-03', 'adjusted=true'))
    expect({ ...spy, t: 0, T: 0 }).toEqual({ ...day, t: 0, T: 0 })
    expect(body.results!.some((row) => String(row['T']).startsWith('I:'))).toBe(false)
  })

  test('grouped bars of a closed day have no results', async () => {
    const { status, body } = await get(simulator, '/v2/aggs/grouped/locale/us/market/stocks/2025-01-09')
    expect([status, body['resultsCount'], 'results' in body]).toEqual([200, 0, false])
  })

  test('the previous close is the last session before today', async () => {
    const { body } = await get(simulator, '/v2/aggs/ticker/AAPL/prev')
    expect(body.results).toHaveLength(1)
    expect(new Date(body.results![0]!.t).toISOString()).toBe('2026-03-09T20:00:00.000Z')
    expect(body.results![0]!['T']).toBe('AAPL')
    expect((await get(simulator, '/v2/aggs/ticker/NOSUCH/prev')).body).not.toHaveProperty('results')
  })

  test('open and close of a day are flat, with the extended hours', async () => {
    const { body } = await get(simulator, '/v1/open-close/AAPL/2025-01-03')
    const [day] = await getAll(simulator, bars('AAPL', '1/day', '2025-01-03', '2025-01-03', ''))
    expect(body).toMatchObject({
      status: 'OK',
      from: '2025-01-03',
      symbol: 'AAPL',
      open: day!.o,
      close: day!.c,
      volume: day!.v,
    })
    expect(body).toHaveProperty('preMarket')
    expect(body).toHaveProperty('afterHours')
    const index = await get(simulator, '/v1/open-close/I:SPX/2025-01-03')
    expect(index.body['from']).toBe('2025-01-03T00:00:00.000Z')
    expect(index.body).not.toHaveProperty('volume')
  })

  test.each(['AAPL/2025-01-04', 'AAPL/2031-01-02', 'NOSUCH/2025-01-03'])(
    'open and close of %s is not found',
    async (what) => {
      const { status, body } = await get(simulator, `/v1/open-close/${what}`)
      expect(status).toBe(404)
      expect(body).toMatchObject({ status: 'NOT_FOUND', message: 'Data not found.' })
    },
  )
})

describe('corporate actions', () => {
  test('splits are those that the adjustment of bars uses', async () => {
    expect(
      (await rows('/v3/reference/splits?ticker=AAPL')).map((row) => [
        row['execution_date'],
        row['split_from'],
        row['split_to'],
      ]),
    ).toEqual([
      ['2020-08-31', 1, 4],
      ['2014-06-09', 1, 7],
      ['2005-02-28', 1, 2],
    ])
  })

  test('splits can be filtered, turned round and paged', async () => {
    const reverse = await rows('/v3/reference/splits?reverse_split=true&limit=1000')
    expect(reverse.map((row) => row['ticker']).sort()).toEqual(['C', 'GE'])
    const since = await rows('/v3/reference/splits?execution_date.gte=2024-01-01&order=asc&limit=1000')
    expect(since[0]!['execution_date']).toBe('2024-02-26')
    const all = await rows('/v3/reference/splits?limit=1000')
    expect(await getAll(simulator, '/v3/reference/splits?limit=4')).toEqual(all)
    expect((await rows('/v3/reference/splits')).length).toBe(10)
  })

  test('the newer endpoint adds kind and cumulative factor, and sorts with a dot', async () => {
    const [first] = await rows('/stocks/v1/splits?ticker=NVDA&sort=execution_date.asc')
    expect(first).toMatchObject({ execution_date: '2006-04-07', adjustment_type: 'forward_split' })
    expect(first!['historical_adjustment_factor']).toBeCloseTo(1 / 120, 5)
    expect((await get(simulator, '/stocks/v1/splits?sort=execution_date')).status).toBe(400)
  })

  test('dividends come every quarter, on sessions', async () => {
    const dates = (
      await rows(
        '/v3/reference/dividends?ticker=KO&ex_dividend_date.gte=2024-01-01&ex_dividend_date.lt=2025-01-01',
      )
    ).map((row) => String(row['ex_dividend_date']))
    expect(dates).toHaveLength(4)
    for (const date of dates) expect(await getAll(simulator, bars('KO', '1/day', date))).toHaveLength(1)
    expect(await rows('/v3/reference/dividends?ticker=TSLA')).toEqual([])
    expect(await rows('/v3/reference/dividends?ticker=NOSUCH')).toEqual([])
  })

  test('pages of all dividends neither overlap nor skip', async () => {
    const query = 'ex_dividend_date.gte=2025-01-01'
    const all = await rows(`/v3/reference/dividends?${query}&limit=1000`)
    expect(await getAll(simulator, `/v3/reference/dividends?${query}&limit=97`)).toEqual(all)
    expect(new Set(all.map((row) => row['id'])).size).toBe(all.length)
  })

  test('the newer endpoint adjusts amounts to the shares of today', async () => {
    const before = (await rows('/stocks/v1/dividends?ticker=WMT&ex_dividend_date.lt=2024-02-26&limit=1'))[0]!
    expect(before['split_adjusted_cash_amount']).toBeCloseTo(Number(before['cash_amount']) / 3, 5)
    const factors = (await rows('/stocks/v1/dividends?ticker=WMT')).map((row) =>
      Number(row['historical_adjustment_factor']),
    )
    expect(factors.every((factor, i) => factor < 1 && (i === 0 || factor < factors[i - 1]!))).toBe(true)
  })
})

describe('tickers', () => {
  test('are listed in pages, with the delisted ones apart', async () => {
    const active = await getAll(simulator, '/v3/reference/tickers?market=stocks&limit=7')
    const names = active.map((row) => String(row['ticker']))
    expect(names).toEqual([...names].sort())
    expect(names).toContain('NA')
    expect(names).not.toContain('GONE')
    const gone = await rows('/v3/reference/tickers?active=false')
    expect(gone.map((row) => [row['ticker'], row['delisted_utc']])).toEqual([
      ['GONE', '2023-05-02T00:00:00Z'],
    ])
    expect((await rows('/v3/reference/tickers?search=apple')).map((row) => row['ticker'])).toEqual(['AAPL'])
    expect((await rows('/v3/reference/tickers?ticker.gte=XOM')).map((row) => row['ticker'])).toEqual(['XOM'])
    expect((await rows('/v3/reference/tickers?ticker.any_of=SPY,QQQ')).length).toBe(2)
  })

  test('are known one by one, as of a date, and unknown ones are not found', async () => {
    expect((await get(simulator, '/v3/reference/tickers/SPY')).body).toMatchObject({
      results: { ticker: 'SPY', type: 'ETF' },
    })
    expect((await get(simulator, '/v3/reference/tickers/NEWC?date=2021-01-04')).status).toBe(404)
    expect((await get(simulator, '/v3/reference/tickers/NOSUCH')).body).toMatchObject({ status: 'NOT_FOUND' })
    expect((await get(simulator, '/v3/reference/tickers/SPY?date=tomorrow')).status).toBe(400)
  })
})

describe('option contracts', () => {
  const list = '/v3/reference/options/contracts'

  test('are those alive on a date: listed already, not yet expired', async () => {
    const alive = await getAll(simulator, `${list}?underlying_ticker=SPY&as_of=2025-01-06&limit=1000`)
    expect(alive.length).toBeGreaterThan(500)
    expect(alive.every((row) => String(row['expiration_date']) >= '2025-01-06')).toBe(true)
    const expired = await rows(`${list}?underlying_ticker=SPY&as_of=2025-01-06&expired=true&limit=1000`)
    expect(expired.length).toBeGreaterThan(500)
    expect(expired.every((row) => String(row['expiration_date']) < '2025-01-06')).toBe(true)
  })

  test('can be narrowed by expiration, strike and kind', async () => {
    const some = await rows(
      `${list}?underlying_ticker=SPY&as_of=2025-01-06&expiration_date=2025-01-17&contract_type=put&strike_price.gte=600&strike_price.lte=620&limit=1000`,
    )
    expect(some.length).toBeGreaterThan(0)
    for (const row of some) {
      expect(row).toMatchObject({
        contract_type: 'put',
        expiration_date: '2025-01-17',
        underlying_ticker: 'SPY',
      })
      expect(String(row['ticker'])).toMatch(/^O:SPY250117P00(60|61|62)\d{4}$/)
    }
  })

  test('expire the session before where the Friday is a holiday', async () => {
    const dates = new Set(
      (await getAll(simulator, `${list}?underlying_ticker=F&as_of=2025-04-10&limit=1000`)).map(
        (row) => row['expiration_date'],
      ),
    )
    expect(dates).toContain('2025-04-17')
    expect(dates).not.toContain('2025-04-18')
  })

  test('are found one by one, unknown ones are not, malformed ones are refused', async () => {
    const [first] = await rows(`${list}?underlying_ticker=BRK.B&limit=1`)
    const one = await get(simulator, `${list}/${String(first!['ticker'])}`)
    expect(one.body.results).toEqual(first)
    expect((await get(simulator, `${list}/O:SPY250117C00000500?as_of=2025-01-06`)).status).toBe(404)
    expect((await get(simulator, `${list}/O:SPY250230C00600000`)).status).toBe(400)
    expect(await rows(`${list}?underlying_ticker=NOSUCH`)).toEqual([])
  })
})

describe('the market', () => {
  test.each([
    ['2026-03-10T12:00:00Z', 'extended-hours', true, false],
    ['2026-03-10T13:30:00Z', 'open', false, false],
    ['2026-03-10T20:00:00Z', 'extended-hours', false, true],
    ['2026-03-11T00:00:00Z', 'closed', false, false],
    ['2025-11-28T18:00:00Z', 'extended-hours', false, true],
    ['2025-12-25T18:00:00Z', 'closed', false, false],
  ])('is at %s: %s', async (now, market, earlyHours, afterHours) => {
    const then = await simulate({ now: () => Date.parse(now) })
    expect((await get(then, '/v1/marketstatus/now')).body).toMatchObject({ market, earlyHours, afterHours })
  })

  test('tells its time with the offset of New York', async () => {
    expect((await get(simulator, '/v1/marketstatus/now')).body['serverTime']).toBe(
      '2026-03-10T17:00:00-04:00',
    )
    const winter = await simulate({ now: () => Date.parse('2026-01-05T21:00:00Z') })
    expect((await get(winter, '/v1/marketstatus/now')).body['serverTime']).toBe('2026-01-05T16:00:00-05:00')
  })

  test('announces holidays and early closes as a bare array', async () => {
    const days = (await get(simulator, '/v1/marketstatus/upcoming')).body as unknown as Record<
      string,
      unknown
    >[]
    expect(days[0]).toEqual({ date: '2026-04-03', exchange: 'NYSE', name: 'Good Friday', status: 'closed' })
    expect(days.find((day) => day['date'] === '2026-11-27')).toMatchObject({
      status: 'early-close',
      open: '2026-11-27T14:30:00.000Z',
      close: '2026-11-27T18:00:00.000Z',
    })
  })

  test('explains the codes that its tape uses', async () => {
    const { body } = await get(simulator, '/v3/trades/AAPL?limit=5000')
    const ids = async (path: string) => new Set((await rows(path)).map((row) => row['id']))
    const conditions = await ids('/v3/reference/conditions?data_type=trade')
    const exchanges = await ids('/v3/reference/exchanges?asset_class=stocks')
    for (const trade of body.results!) {
      expect(exchanges).toContain(trade['exchange'])
      for (const code of (trade['conditions'] as number[] | undefined) ?? [])
        expect(conditions).toContain(code)
    }
  })
})
