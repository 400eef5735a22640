import { existsSync, readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { rowAt } from '../../../src/core/batch.ts'
import { ServerError } from '../../../src/core/errors.ts'
import { collect, type Batches } from '../../../src/core/flow.ts'
import { calendarOf } from '../../../src/market/calendar/index.ts'
import { underlyingNamed } from '../../../src/market/underlyings.ts'
import { createPolygonOptionSource } from '../../../src/sources/polygon/option-source.ts'
import type { OptionSource } from '../../../src/sources/options.ts'
import { startVendorServer, type Script, type VendorServer } from '../../support/vendor-server.ts'
import { never, optionsFor } from './support.ts'

const RECORDED = new URL('../../../../shared/recorded/', import.meta.url)
const SPY = underlyingNamed('SPY')
const SPX = underlyingNamed('SPX')

const open: (VendorServer | OptionSource)[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

async function vendor(script: Script): Promise<{ source: OptionSource; server: VendorServer }> {
  const server = await startVendorServer(script)
  const source = createPolygonOptionSource(optionsFor(server.url))
  open.push(server, source)
  return { source, server }
}

async function rowsOf(batches: Batches): Promise<Record<string, unknown>[]> {
  return (await collect(batches)).flatMap((batch) =>
    Array.from({ length: batch.length }, (_, row) => rowAt(batch, row)),
  )
}

const contract = (ticker: string, more: object = {}) => ({
  cfi: 'OCASPS',
  contract_type: 'call',
  exercise_style: 'american',
  expiration_date: '2025-01-03',
  primary_exchange: 'BATO',
  shares_per_contract: 100,
  strike_price: 585,
  ticker,
  underlying_ticker: 'SPY',
  ...more,
})
const QUERY = {
  underlying: SPY,
  asOf: '2025-01-03',
  expiresFrom: '2025-01-03',
  expiresTo: '2025-01-10',
  strikeFrom: 579.5,
  strikeTo: 591.25,
}

describe('the listing of contracts', () => {
  test.each([
    ['page after page has no rows', () => []],
    ['the same pages come again and again', () => [contract('O:SPY250103C00585000')]],
  ])('ends with an error where %s, each under a new cursor', async (words, results) => {
    const { source, server } = await vendor((_request, index) => ({
      body: { status: 'OK', results: results(), next_url: `/v3/more?cursor=${index}` },
    }))
    await expect(rowsOf(source.contracts(QUERY, never))).rejects.toThrow(words)
    expect(server.requests.length).toBeLessThan(15)
  })

  test('goes on through many pages of other contracts with the same strikes', async () => {
    const { source } = await vendor((_request, index) => ({
      body: {
        ...{ status: 'OK', results: [contract(`O:SPY2501${String(index + 10)}C00585000`)] },
        ...(index < 12 && { next_url: `/v3/more?cursor=${index}` }),
      },
    }))
    expect((await rowsOf(source.contracts(QUERY, never))).length).toBeGreaterThan(12)
  })

  test('asks for those expired and those not, as of the day, inside the window, with the largest page', async () => {
    const { source, server } = await vendor(() => ({ body: { status: 'OK', results: [] } }))
    expect(await rowsOf(source.contracts(QUERY, never))).toEqual([])
    const asked = (expired: boolean) =>
      `/v3/reference/options/contracts?underlying_ticker=SPY&as_of=2025-01-03&expired=${expired}` +
      '&expiration_date.gte=2025-01-03&expiration_date.lte=2025-01-10' +
      '&strike_price.gte=579.5&strike_price.lte=591.25&order=asc&limit=1000&sort=ticker'
    expect(server.requests.map(({ url }) => url)).toEqual([asked(false), asked(true)])
  })

  test('reads all pages of both, and every field', async () => {
    const pages: Record<string, unknown> = {
      false: {
        results: [contract('O:SPY250103C00585000')],
        next_url: 'https://api.polygon.io/v3/x?cursor=2',
      },
      true: {
        results: [
          contract('O:SPY1250103C00585000', {
            additional_underlyings: [{ amount: 6.53, type: 'currency', underlying: 'USD' }],
            correction: 1,
          }),
        ],
      },
    }
    const { source } = await vendor(({ url }) => ({
      body: pages[new URL(url, 'http://x').searchParams.get('expired') ?? ''] ?? {
        results: [contract('malformed')],
      },
    }))
    const rows = await rowsOf(source.contracts(QUERY, never))
    const base = {
      ticker: 'SPY',
      as_of: 20_091,
      contract: 'O:SPY250103C00585000',
      root: 'SPY',
      expiration_date: 20_091,
      strike_price: 585,
      contract_type: 'call',
      exercise_style: 'american',
      shares_per_contract: 100,
      primary_exchange: 'BATO',
      cfi: 'OCASPS',
      additional_underlyings: null,
      correction: null,
    }
    expect(rows).toEqual([
      base,
      { ...base, contract: 'malformed', root: null },
      {
        ...base,
        contract: 'O:SPY1250103C00585000',
        root: 'SPY1',
        additional_underlyings: '[{"amount":6.53,"type":"currency","underlying":"USD"}]',
        correction: 1,
      },
    ])
  })

  test('ends with the failure of any page', async () => {
    const { source } = await vendor(({ url }) =>
      url.includes('expired=true')
        ? { status: 500 }
        : { body: { results: [contract('O:SPY250103C00585000')] } },
    )
    await expect(rowsOf(source.contracts(QUERY, never))).rejects.toBeInstanceOf(ServerError)
  })

  test.skipIf(!existsSync(RECORDED))('reads what the vendor really sent, two pages of it', async () => {
    const folder = 'client-python/test_rest/mocks/v3/reference/options/'
    const files = ['contracts.json', 'contracts&cursor=YXA9JTdCJTIySUQlMjIlM0ElMjIy.json']
    const bodies = files.map((file) => readFileSync(new URL(folder + file, RECORDED)))
    const { source, server } = await vendor(({ url }) => ({
      body: url.includes('cursor') ? bodies[1] : url.includes('expired=true') ? { results: [] } : bodies[0],
    }))
    const rows = await rowsOf(source.contracts(QUERY, never))
    expect(server.requests.length).toBeGreaterThanOrEqual(3)
    const sent = bodies.flatMap(
      (body) =>
        (JSON.parse(body.toString()) as { results: { ticker: string; strike_price: number }[] }).results,
    )
    expect(rows.map((row) => [row['contract'], row['strike_price']])).toEqual(
      sent.map(({ ticker, strike_price: strike }) => [ticker, strike]),
    )
  })
})

describe('the chain', () => {
  const CHAIN = { underlying: SPY, snapshotMs: Date.UTC(2025, 0, 3, 15), sessionDate: '2025-01-03' }

  test('is asked for by pages of 250, of an index under its own name', async () => {
    const { source, server } = await vendor(() => ({ body: { results: [] } }))
    await rowsOf(source.chain(CHAIN, never))
    await rowsOf(source.chain({ ...CHAIN, underlying: SPX }, never))
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/v3/snapshot/options/SPY?order=asc&limit=250&sort=ticker',
      '/v3/snapshot/options/I%3ASPX?order=asc&limit=250&sort=ticker',
    ])
  })

  test('has null for what is absent, never zero, and one snapshot time', async () => {
    const details = { ticker: 'O:SPY250103P00400000', contract_type: 'put', expiration_date: '2025-01-03' }
    const item = { details: { ...details, strike_price: 400 }, day: {}, underlying_asset: { value: 5868.5 } }
    const { source } = await vendor(() => ({ body: { results: [item, { ...item, greeks: null }] } }))
    const rows = await rowsOf(source.chain(CHAIN, never))
    for (const row of rows) {
      const { ticker, contract, session_date, snapshot_time, strike_price, underlying_price, ...rest } = row
      expect([ticker, contract, strike_price, underlying_price]).toEqual(['SPY', details.ticker, 400, 5868.5])
      expect([session_date, snapshot_time]).toEqual([20_091, CHAIN.snapshotMs * 1000])
      expect(rest).toMatchObject({ contract_type: 'put', expiration_date: 20_091 })
      const { contract_type: _type, expiration_date: _date, ...absent } = rest
      expect(new Set(Object.values(absent))).toEqual(new Set([null]))
    }
    expect(rows).toHaveLength(2)
  })

  test('keeps nanoseconds exact', async () => {
    const text =
      '{"results":[{"details":{"ticker":"O:SPY250103C00585000"},"last_quote":{"bid":1.1,"last_updated":1735916400123456789},' +
      '"last_trade":{"size":2,"conditions":[209,7],"sip_timestamp":1735916400987654321},"fmv_last_updated":1735916400000000001}]}'
    const { source } = await vendor(() => ({ body: text }))
    const [row] = await rowsOf(source.chain(CHAIN, never))
    expect(row).toMatchObject({
      bid: 1.1,
      quote_last_updated_ns: 1735916400123456789n,
      last_trade_size: 2,
      last_trade_conditions: [209, 7],
      last_trade_sip_timestamp_ns: 1735916400987654321n,
      fmv_last_updated_ns: 1735916400000000001n,
    })
  })

  test.skipIf(!existsSync(RECORDED))('reads every value that the vendor really sent', async () => {
    const body = readFileSync(
      new URL('client-python/test_rest/mocks/v3/snapshot/options/AAPL.json', RECORDED),
    )
    const { source } = await vendor(() => ({ body }))
    const [row] = await rowsOf(source.chain({ ...CHAIN, underlying: underlyingNamed('AAPL') }, never))
    expect(row).toMatchObject({
      ...{ ticker: 'AAPL', contract: 'O:AAPL230616C00150000', strike_price: 150, contract_type: 'call' },
      ...{
        break_even_price: 179.075,
        implied_volatility: 0.3570277203465058,
        open_interest: 8133,
        fmv: 20.5,
      },
      ...{ delta: 0.6436614934293701, gamma: 0.0061735291012820675, vega: 0.6381159723175714 },
      ...{ day_open: 29.99, day_high: 32.25, day_low: 29, day_close: 29, day_volume: 8, day_vwap: 30.7738 },
      ...{ day_previous_close: 31.4, bid: 28.9, bid_size: 294, ask: 29.25, ask_size: 209, midpoint: 29.075 },
      ...{
        last_trade_price: 29.25,
        last_trade_size: 1,
        last_trade_exchange: 309,
        last_trade_conditions: [209],
      },
      ...{ quote_last_updated_ns: 1651254260800059648n, last_trade_sip_timestamp_ns: 1678718527714665700n },
      ...{ underlying_ticker: 'AAPL', underlying_price: 159.9606, underlying_timeframe: 'REAL-TIME' },
      ...{ bid_exchange: null, fmv_last_updated_ns: null },
    })
  })
})

describe('the price of the underlying', () => {
  const session = calendarOf('XCBO').on('2025-01-03')!
  const AFTER = Date.parse('2025-01-06T15:00:00Z')
  const BEFORE_OPEN = Date.parse('2025-01-03T13:00:00Z')
  const at = (hour: number) => Date.UTC(2025, 0, 3, hour)
  type Answers = Readonly<Record<string, unknown>>

  /** Answers by a part of the path; everything else is not found. */
  const answering =
    (answers: Answers): Script =>
    ({ url }) => {
      const found = Object.entries(answers).find(([part]) => url.includes(part))
      if (!found) return { status: 404, body: { status: 'NOT_FOUND', message: 'Data not found.' } }
      return found[1] === 403 ? { status: 403, body: { message: 'not entitled' } } : { body: found[1] }
    }
  const price = async (answers: Answers, nowMs: number, underlying = SPY) => {
    const { source, server } = await vendor(answering(answers))
    const found = await source.priceOn(underlying, session, nowMs, never)
    return { found, urls: server.requests.map(({ url }) => url) }
  }

  test('is the open of the day, raw: strikes are in the shares of that day', async () => {
    const { found, urls } = await price({ 'open-close': { open: 586.35, preMarket: 585 } }, AFTER)
    expect(found).toEqual({ price: 586.35, basis: 'open' })
    expect(urls).toEqual(['/v1/open-close/SPY/2025-01-03?adjusted=false'])
  })

  test('of an index is asked for under its own name', async () => {
    const { found, urls } = await price({ 'open-close': { open: 5891.07 } }, AFTER, SPX)
    expect(found).toEqual({ price: 5891.07, basis: 'open' })
    expect(urls).toEqual(['/v1/open-close/I%3ASPX/2025-01-03'])
  })

  const snapshot = (ticker: object) => ({ '/v2/snapshot': { ticker } })
  const ZEROS = { day: { o: 0 }, min: { c: 0, t: 0 } }
  test.each([
    ['the pre-market price of the daily endpoint', { 'open-close': { preMarket: 585 } }, 585, 'pre_market'],
    [
      'the newest pre-market minute',
      snapshot({ ...ZEROS, min: { c: 585.5, t: at(12) } }),
      585.5,
      'pre_market',
    ],
    [
      'a trade of this morning',
      snapshot({ ...ZEROS, lastTrade: { p: 584, t: at(12) * 1e6 } }),
      584,
      'pre_market',
    ],
    ['a trade of yesterday', snapshot({ ...ZEROS, lastTrade: { p: 583, t: at(1) * 1e6 } }), 583, 'last'],
    ['the previous close', snapshot({ ...ZEROS, prevDay: { c: 582 } }), 582, 'previous_close'],
    [
      'the previous close where snapshots are not in the plan',
      { '/v2/snapshot': 403, '/prev': { results: [{ c: 581 }] } },
      581,
      'previous_close',
    ],
    [
      'the previous close where the plan has nothing of today',
      { 'open-close': 403, '/v2/snapshot': 403, '/prev': { results: [{ c: 580 }] } },
      580,
      'previous_close',
    ],
  ])('before the open is %s, and says so', async (_name, answers, expected, basis) => {
    expect((await price(answers, BEFORE_OPEN)).found).toEqual({ price: expected, basis })
  })

  test('of an index before the open is its last value', async () => {
    const item = { value: 5870.5, session: { open: 5860 } }
    const answers = { '/v3/snapshot/indices': { results: [item] } }
    expect((await price(answers, BEFORE_OPEN, SPX)).found).toEqual({ price: 5870.5, basis: 'last' })
    expect((await price(answers, at(16), SPX)).found).toEqual({ price: 5860, basis: 'open' })
  })

  test('is none where the vendor has none, and a day that is over has no other than its open', async () => {
    expect((await price({}, BEFORE_OPEN)).found).toBeUndefined()
    expect((await price({ '/prev': { results: [{ c: 1 }] } }, AFTER)).found).toBeUndefined()
  })
})
