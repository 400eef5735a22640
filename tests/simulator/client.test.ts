import {
  GetStocksAggregatesSortEnum,
  GetStocksAggregatesTimespanEnum as Timespan,
  GetStocksTradesOrderEnum,
  restClient,
} from '@massive.com/client-js'
import { describe, expect, test } from 'vitest'
import { get, simulate } from './support.ts'

const simulator = await simulate()
const client = restClient('a-key', simulator.url)
const range = { stocksTicker: 'AAPL', multiplier: 1, from: '2025-01-02', to: '2025-01-10' }

/** A client that nobody here wrote, against every endpoint that the simulator has. */
describe("the vendor's own client", () => {
  test('reads bars of stocks and indices', async () => {
    const page = await client.getStocksAggregates({ ...range, timespan: Timespan.Minute, limit: 50_000 })
    expect(page.status).toBe('OK')
    expect(page.results!.length).toBe(page.resultsCount)
    const index = await client.getIndicesAggregates({
      indicesTicker: 'I:VIX',
      multiplier: 1,
      timespan: Timespan.Day as never,
      from: '2025-01-02',
      to: '2025-01-10',
    })
    expect(index.results!.length).toBe(6)
  })

  test('collects all rows with its own pagination', async () => {
    const paging = restClient('a-key', simulator.url, { pagination: true })
    const query = {
      ...range,
      timespan: Timespan.Minute,
      adjusted: false,
      sort: GetStocksAggregatesSortEnum.Asc,
    }
    const paged = await paging.getStocksAggregates({ ...query, limit: 700 })
    const whole = await client.getStocksAggregates({ ...query, limit: 50_000 })
    // The client puts later pages in front; only the order is its own.
    const inOrder = paged.results!.toSorted((a, b) => a.t - b.t)
    expect(inOrder).toEqual(whole.results)
  })

  test('reads grouped days, previous closes, opens and closes', async () => {
    const grouped = await client.getGroupedStocksAggregates({ date: '2025-01-03' })
    expect(grouped.results!.length).toBe(grouped.resultsCount)
    const previous = await client.getPreviousStocksAggregates({ stocksTicker: 'AAPL' })
    expect(previous.results!).toHaveLength(1)
    const day = await client.getStocksOpenClose({ stocksTicker: 'AAPL', date: '2025-01-03' })
    expect(day.symbol).toBe('AAPL')
    expect((await client.getIndicesOpenClose({ indicesTicker: 'I:SPX', date: '2025-01-03' })).symbol).toBe(
      'I:SPX',
    )
  })

  test('reads trades and quotes, with its own pagination too', async () => {
    const trades = await client.getStocksTrades({
      stockTicker: 'SPY',
      timestamp: '2025-01-03',
      order: GetStocksTradesOrderEnum.Asc,
      limit: 10,
    })
    expect(trades.results!.length).toBe(10)
    expect(trades.next_url).toContain(simulator.url)
    const paging = restClient('a-key', simulator.url, { pagination: true })
    const thin = await paging.getStocksQuotes({ stockTicker: 'THNY', timestamp: '2025-01-03', limit: 500 })
    const all = await get(simulator, '/v3/quotes/THNY?timestamp=2025-01-03&limit=50000')
    expect(thin.results!.length).toBe(all.body.results!.length)
    expect((await client.getLastStocksTrade({ stocksTicker: 'SPY' })).results!.T).toBe('SPY')
    expect((await client.getLastStocksQuote({ stocksTicker: 'SPY' })).results!.T).toBe('SPY')
  })

  test('reads splits and dividends, old and new', async () => {
    expect((await client.listStockSplits({ ticker: 'AAPL' })).results!.length).toBe(3)
    expect((await client.listDividends({ ticker: 'SPY', limit: 1000 })).results!.length).toBeGreaterThan(80)
    expect((await client.getStocksV1Splits({ ticker: 'NVDA' })).results.length).toBe(4)
    expect((await client.getStocksV1Dividends({ ticker: 'KO', limit: 3 })).results.length).toBe(3)
  })

  test('reads tickers, contracts, conditions, exchanges, status and holidays', async () => {
    expect((await client.getTicker({ ticker: 'SPY' })).results!.ticker).toBe('SPY')
    expect((await client.listTickers({ limit: 5 })).results!.length).toBe(5)
    const contracts = await client.listOptionsContracts({
      underlyingTicker: 'SPY',
      asOf: '2025-01-06',
      limit: 5,
    })
    const symbol = contracts.results![0]!.ticker!
    const one = await client.getOptionsContract({ optionsTicker: symbol, asOf: '2025-01-06' })
    expect(one.results!.ticker).toBe(symbol)
    expect((await client.listConditions({ limit: 10 })).results.length).toBeGreaterThan(0)
    expect((await client.listExchanges({})).results!.length).toBeGreaterThan(0)
    expect((await client.getMarketStatus()).market).toBe('extended-hours')
    expect((await client.getMarketHolidays()).length).toBeGreaterThan(20)
  })

  test.each([
    [404, () => client.getStocksOpenClose({ stocksTicker: 'AAPL', date: '2025-01-04' })],
    [404, () => client.getTicker({ ticker: 'NOSUCH' })],
    [400, () => client.getStocksAggregates({ ...range, timespan: Timespan.Day, limit: 60_000 })],
  ])('sees a refusal as an error with status %i', async (status, ask) => {
    await expect(ask()).rejects.toMatchObject({ response: { status } })
  })
})
