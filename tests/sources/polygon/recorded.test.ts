import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startVendorServer } from '../../support/vendor-server.ts'
import { ask, rowsOf, sourceAt } from './support.ts'

const RECORDED = fileURLToPath(new URL('../../../../shared/recorded', import.meta.url))
const MOCKS = `${RECORDED}/client-python/test_rest/mocks`
const QUOTES_PAGE_2 =
  'AAPL&cursor=YXA9MTkyODgxNjYmYXM9JmxpbWl0PTEwJm9yZGVyPWRlc2Mmc29ydD10aW1lc3RhbXAmdGltZXN0YW1wLmx0ZT0yMDIyLTA1LTEwVDE0JTNBMTElM0ExMi42OTA2NjExODla.json'

type Wire = Record<string, unknown>
const textOf = (path: string) => readFileSync(path, 'utf8')

/** The rows of a recording as JSON.parse reads them, integers of 17 digits and more as exact BigInts. */
function wireRows(text: string): Wire[] {
  const exact = text.replace(/:\s*(\d{17,})(?=[\s,}])/g, ':"ns$1"')
  const revive = (_: string, value: unknown) =>
    typeof value === 'string' && /^ns\d+$/.test(value) ? BigInt(value.slice(2)) : value
  return (JSON.parse(exact, revive) as { results: Wire[] }).results
}

/** The rows that the source makes of the recordings, served one after the other as pages. */
async function readBack(dataset: string, texts: readonly string[], ticker: string): Promise<Wire[]> {
  const server = await startVendorServer(texts.map((body) => ({ body })))
  const rows = await rowsOf(sourceAt(server.url), ask(dataset, { ticker }))
  expect(server.requests).toHaveLength(texts.length)
  await server.close()
  return rows
}

const days = (date: unknown) => (typeof date === 'string' ? Date.parse(date) / 86_400_000 : null)
const tick = (row: Wire, ticker: string) => ({
  ticker,
  timestamp: Number((row['sip_timestamp'] as bigint) / 1000n),
  sip_timestamp_ns: row['sip_timestamp'],
  participant_timestamp_ns: row['participant_timestamp'],
  trf_timestamp_ns: row['trf_timestamp'] ?? null,
  sequence_number: row['sequence_number'],
  conditions: row['conditions'] ?? null,
  tape: row['tape'] ?? null,
})
const trade = (row: Wire) => ({
  ...tick(row, 'AAPL'),
  price: row['price'],
  size: row['decimal_size'] === undefined ? row['size'] : Number(row['decimal_size']),
  exchange: row['exchange'],
  id: row['id'],
  trf_id: row['trf_id'] ?? null,
  correction: row['correction'] ?? null,
})
const quote = (row: Wire) => ({
  ...tick(row, 'AAPL'),
  bid_price: row['bid_price'] ?? null,
  bid_size: row['bid_size'] ?? null,
  bid_exchange: row['bid_exchange'] ?? null,
  ask_price: row['ask_price'] ?? null,
  ask_size: row['ask_size'] ?? null,
  ask_exchange: row['ask_exchange'] ?? null,
  indicators: row['indicators'] ?? null,
})
const bar = (row: Wire) => ({
  ticker: 'AAPL',
  timestamp: (row['t'] as number) * 1000,
  open: row['o'],
  high: row['h'],
  low: row['l'],
  close: row['c'],
  volume: row['v'],
  vwap: row['vw'] ?? null,
  trade_count: row['n'] ?? null,
})

describe.skipIf(!existsSync(RECORDED))('recorded answers of the vendor come out as they are', () => {
  test.each([
    `${MOCKS}/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json`,
    `${MOCKS}/v2/aggs/ticker/AAPL/range/1/day/2005-04-02/2005-04-04.json`,
  ])('bars of %s, but for prices that are adjusted', async (path) => {
    const raw = textOf(path).replace('"adjusted": true', '"adjusted": false')
    expect(await readBack('equity_bars_1d', [raw], 'AAPL')).toEqual(wireRows(raw).map(bar))
  })

  test.each([
    `${MOCKS}/v3/trades/AAPL&limit=2.json`,
    `${RECORDED}/openapi-examples/v3__trades__stockTicker.json`,
  ])('trades of %s', async (path) => {
    const text = textOf(path).replace(/"next_url": "[^"]*",?/, '')
    expect(await readBack('equity_trades', [text], 'AAPL')).toEqual(wireRows(text).map(trade))
  })

  test('quotes over their two recorded pages, in order', async () => {
    const pages = ['AAPL.json', QUOTES_PAGE_2].map((name) => textOf(`${MOCKS}/v3/quotes/${name}`))
    const rows = await readBack('equity_quotes', pages, 'AAPL')
    expect(rows).toEqual(pages.flatMap(wireRows).map(quote))
    expect(rows.length).toBeGreaterThan(10)
  })

  test('splits', async () => {
    const text = textOf(`${MOCKS}/v3/reference/splits.json`).replace(/"next_url": "[^"]*",?/, '')
    const wanted = wireRows(text).map((row) => ({
      ticker: row['ticker'],
      execution_date: days(row['execution_date']),
      split_from: row['split_from'],
      split_to: row['split_to'],
      id: row['id'] ?? null,
    }))
    expect(await readBack('splits', [text], 'GOOGL')).toEqual(wanted)
  })

  test('dividends', async () => {
    const text = textOf(`${MOCKS}/v3/reference/dividends.json`).replace(/"next_url": "[^"]*",?/, '')
    const wanted = wireRows(text).map((row) => ({
      ticker: row['ticker'],
      ex_dividend_date: days(row['ex_dividend_date']),
      cash_amount: row['cash_amount'],
      currency: row['currency'] ?? null,
      declaration_date: days(row['declaration_date']),
      record_date: days(row['record_date']),
      pay_date: days(row['pay_date']),
      frequency: row['frequency'] ?? null,
      dividend_type: row['dividend_type'],
      id: row['id'] ?? null,
    }))
    expect(await readBack('dividends', [text], 'CSSEN')).toEqual(wanted)
  })
})
