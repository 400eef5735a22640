import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { get, getAll, minutes, NOW_MS, simulate, type Row } from './support.ts'

const simulator = await simulate()
const LIST = '/v3/reference/options/contracts'
const listing = (underlying: string, date: string, more = '') =>
  `${LIST}?underlying_ticker=${underlying}&as_of=${date}&expiration_date=${date}&limit=1000${more}`
const textOf = (row: Row, field: string): string => String(row[field])

describe('listed options', () => {
  test.each(['2026-03-02', '2026-03-03', '2026-03-04', '2026-03-05', '2026-03-06'])(
    'of SPY expire on every session, dollar by dollar around the price: %s',
    async (date) => {
      const { body } = await get(simulator, `/v1/open-close/SPY/${date}?adjusted=false`)
      const strikes = new Set(
        (await getAll(simulator, listing('SPY', date))).map((row) => row['strike_price']),
      )
      const middle = Math.round(Number(body['open']))
      for (let strike = middle - 7; strike <= middle + 7; strike++) expect(strikes).toContain(strike)
    },
  )

  test('of an index have weekly roots and name the index', async () => {
    const rows = await getAll(simulator, listing('SPX', '2026-03-05'))
    expect(rows.length).toBeGreaterThan(100)
    for (const row of rows) {
      expect(row).toMatchObject({ underlying_ticker: 'SPX', exercise_style: 'european' })
      expect(textOf(row, 'ticker')).toMatch(/^O:SPXW260305[CP]\d{8}$/)
    }
    const monthly = await getAll(simulator, listing('SPX', '2026-02-20'))
    expect(monthly.every((row) => textOf(row, 'ticker').startsWith('O:SPX260220'))).toBe(true)
  })

  test('have adjusted roots and odd strikes after a corporate action', async () => {
    const rows = await getAll(simulator, listing('AMD', '2026-02-20'))
    const adjusted = rows.filter((row) => textOf(row, 'ticker').startsWith('O:AMD1'))
    expect(adjusted.length).toBeGreaterThan(10)
    for (const row of adjusted) {
      expect(row).toMatchObject({ underlying_ticker: 'AMD', additional_underlyings: [{ type: 'currency' }] })
    }
    expect(adjusted.some((row) => !Number.isInteger(Number(row['strike_price']) * 2))).toBe(true)
  })

  test('on their last day are listed as expired too, once it is over', async () => {
    const past = await getAll(simulator, listing('SPY', '2026-03-09', '&expired=true'))
    expect(past).toEqual(await getAll(simulator, listing('SPY', '2026-03-09')))
    expect(await getAll(simulator, listing('SPY', '2026-03-10', '&expired=true'))).toEqual([])
  })
})

describe('option bars', () => {
  test('follow the underlying, and most contracts trade in some minutes only', async () => {
    const date = '2026-03-06'
    const spot = new Map((await getAll(simulator, minutes('SPY', date))).map((bar) => [bar.t, bar]))
    const contracts = await getAll(simulator, listing('SPY', date, '&contract_type=call'))
    const counts: number[] = []
    for (const contract of contracts.filter((_, i) => i % 6 === 0)) {
      const bars = await getAll(simulator, minutes(textOf(contract, 'ticker'), date))
      counts.push(bars.length)
      for (const bar of bars) {
        const under = spot.get(bar.t)!
        const strike = Number(contract['strike_price'])
        expect(bar.h).toBeGreaterThanOrEqual(Math.max(bar.o, bar.c))
        expect(bar.l).toBeLessThanOrEqual(Math.min(bar.o, bar.c))
        // never below what exercising it is worth, but for the rounding to cents
        expect(bar.c).toBeGreaterThanOrEqual(under.c - strike - 0.006)
        expect(Number.isInteger(bar.v) && bar.v > 0).toBe(true)
      }
    }
    expect(counts.filter((count) => count === 0).length).toBeGreaterThan(3)
    expect(Math.max(...counts)).toBeGreaterThan(300)
  })

  test('of a day are those of its minutes', async () => {
    const [contract] = await getAll(simulator, listing('SPY', '2026-03-06', '&strike_price.gte=600'))
    const ticker = textOf(contract!, 'ticker')
    const bars = await getAll(simulator, minutes(ticker, '2026-03-06'))
    const { body } = await get(simulator, `/v2/aggs/ticker/${ticker}/range/1/day/2026-03-06/2026-03-06`)
    if (bars.length === 0) return expect(body.results).toBeUndefined()
    expect(body.results![0]).toMatchObject({
      o: bars[0]!.o,
      c: bars.at(-1)!.c,
      h: Math.max(...bars.map(({ h }) => h)),
      v: bars.reduce((sum, { v }) => sum + v, 0),
    })
  })

  test('exist of listed contracts only, and not before the clock', async () => {
    expect((await get(simulator, minutes('O:SPY260306C00000500', '2026-03-06'))).body.results).toBeUndefined()
    expect((await get(simulator, minutes('O:nonsense', '2026-03-06'))).body.results).toBeUndefined()
    expect((await get(simulator, minutes('O:SPY260311C00600000', '2026-03-11'))).body.results).toBeUndefined()
  })
})

describe('the chain', () => {
  test('is hundreds of contracts in pages of 250, each once', async () => {
    const first = await get(simulator, '/v3/snapshot/options/AAPL?limit=250')
    expect(first.body.results).toHaveLength(250)
    const all = await getAll(simulator, '/v3/snapshot/options/AAPL?limit=250')
    const symbols = all.map((row) => (row['details'] as { ticker: string }).ticker)
    expect(new Set(symbols).size).toBe(symbols.length)
    expect(symbols.length).toBeGreaterThan(500)
    expect((await get(simulator, '/v3/snapshot/options/SPY?limit=251')).status).toBe(400)
  })

  test('leaves out what is not known, and never repeats a symbol of the path for another underlying', async () => {
    const all = await getAll(simulator, '/v3/snapshot/options/I:RUT?limit=250&expiration_date.lte=2026-03-13')
    expect(all.some((row) => row['greeks'] === undefined)).toBe(true)
    expect(all.some((row) => Object.keys(row['day'] as object).length === 0)).toBe(true)
    expect(all[0]!['underlying_asset']).toMatchObject({
      ticker: 'I:RUT',
      value: expect.any(Number) as number,
    })
    const symbol = (all[0]!['details'] as { ticker: string }).ticker
    expect((await get(simulator, `/v3/snapshot/options/I:RUT/${symbol}`)).body.results).toEqual(all[0])
    expect((await get(simulator, `/v3/snapshot/options/SPY/${symbol}`)).status).toBe(404)
    expect((await get(simulator, '/v3/snapshot/options/NOSUCH')).body.results).toEqual([])
  })

  test('needs a plan with snapshots', async () => {
    const free = await simulate({ plan: 'free' })
    expect((await get(free, '/v3/snapshot/options/SPY')).status).toBe(403)
    const starter = await simulate({ plan: 'starter' })
    const { body } = await get(starter, '/v3/snapshot/options/SPY')
    expect(body.results!.every((row) => row['last_quote'] === undefined)).toBe(true)
  })
})

describe('snapshots of underlyings', () => {
  test('follow the movable clock: before the open there is no open price, but a pre-market one', async () => {
    const early = await simulate({ now: () => Date.parse('2026-03-10T12:30:00Z') })
    expect((await get(early, '/v1/open-close/SPY/2026-03-10')).status).toBe(404)
    const stock = (await get(early, '/v2/snapshot/locale/us/markets/stocks/tickers/SPY')).body['ticker']
    const bars = await getAll(early, minutes('SPY', '2026-03-10'))
    expect(stock).toMatchObject({ day: { o: 0 }, min: { c: bars.at(-1)!.c, t: bars.at(-1)!.t } })
    const night = await simulate({ now: () => Date.parse('2026-03-10T07:00:00Z') })
    const then = (await get(night, '/v2/snapshot/locale/us/markets/stocks/tickers/SPY')).body['ticker']
    expect(then).toMatchObject({ min: { c: 0, t: 0 } })
    expect((await get(night, '/v2/snapshot/locale/us/markets/stocks/tickers/NOSUCH')).status).toBe(404)
  })

  test('of indices tell item by item what is not known', async () => {
    const { body } = await get(simulator, '/v3/snapshot/indices?ticker.any_of=I:SPX,I:NOSUCH')
    expect(body.results).toMatchObject([
      { ticker: 'I:SPX', type: 'indices', session: { open: expect.any(Number) as number } },
      { ticker: 'I:NOSUCH', error: 'NOT_FOUND' },
    ])
  })

  test('have instants that doubles cannot hold, written exactly', async () => {
    const { text } = await get(simulator, '/v3/snapshot/indices?ticker.any_of=I:SPX')
    const written = /"last_updated":(\d{19})/.exec(text)![1]!
    expect(String(BigInt(Number(written)))).not.toBe(written)
    expect(Number(written) / 1e6).toBeLessThanOrEqual(NOW_MS)
  })
})

const RECORDED = new URL('../../../shared/recorded/', import.meta.url)
describe.skipIf(!existsSync(RECORDED))('shapes recorded from the vendor', () => {
  test('a chain has the parts and the fields of the real one', async () => {
    const file = new URL('client-python/test_rest/mocks/v3/snapshot/options/AAPL.json', RECORDED)
    const [real] = (JSON.parse(readFileSync(file, 'utf8')) as { results: Row[] }).results
    const all = await getAll(simulator, '/v3/snapshot/options/AAPL?limit=250')
    const ours = all.find((row) => row['greeks'] && row['last_trade'] && (row['day'] as Row).c !== null)!
    const whole = all.find((row) => 'change' in (row['day'] as object)) ?? ours
    const keys = (row: unknown) =>
      Object.keys(row as object)
        .filter((key) => key !== 'decimal_size')
        .sort()
    expect(keys(ours)).toEqual(keys(real))
    for (const part of ['details', 'greeks', 'last_quote', 'last_trade', 'underlying_asset'])
      expect(keys(ours[part]), part).toEqual(keys(real![part]))
    expect(keys(whole['day'])).toEqual(keys(real!['day']))
  })
})
