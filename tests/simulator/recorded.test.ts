import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { get, simulate } from './support.ts'

const RECORDED = new URL('../../../shared/recorded/', import.meta.url)
const simulator = await simulate()

type Json = Record<string, unknown>

/** Fields that an answer may have or lack, at the vendor too. */
const OPTIONAL = new Set([
  ...[
    'next_url',
    'count',
    'conditions',
    'correction',
    'trf_id',
    'trf_timestamp',
    'c',
    'f',
    'r',
    'i',
    'n',
    'vw',
  ],
  ...['indicesGroups', 'additional_underlyings', 'afterHours', 'preMarket', 'acronym', 'resultsCount', 'cik'],
  // Company facts that the simulator does not invent.
  ...['address', 'branding', 'description', 'homepage_url', 'phone_number', 'sic_code', 'sic_description'],
  ...['total_employees', 'round_lot', 'last_updated_utc', 'id', 'currency', 'decimal_size', 'ds'],
  ...['indicators', 'abbreviation', 'legacy', 'exchange', 'delisted_utc'],
])

const AGGS = '/v2/aggs/ticker'
const OPENAPI = 'openapi-examples/'
const PYTHON = 'client-python/test_rest/mocks/'

/** A recorded file and the request of the simulator that must have its shape. */
const PAIRS: readonly (readonly [file: string, path: string])[] = [
  [
    `${OPENAPI}v2__aggs__ticker__stocksTicker__range__multiplier__timespan__from__to.json`,
    `${AGGS}/AAPL/range/1/day/2025-01-02/2025-01-10?limit=2`,
  ],
  [
    `${PYTHON}v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json`,
    `${AGGS}/AAPL/range/1/day/2005-04-01/2005-04-04`,
  ],
  [
    `${OPENAPI}v2__aggs__ticker__indicesTicker__range__multiplier__timespan__from__to.json`,
    `${AGGS}/I:NDX/range/1/day/2025-01-02/2025-01-10`,
  ],
  [`${PYTHON}v2/aggs/ticker/AAPL/prev.json`, `${AGGS}/AAPL/prev`],
  [`${OPENAPI}v2__aggs__ticker__indicesTicker__prev.json`, `${AGGS}/I:NDX/prev`],
  [
    `${PYTHON}v2/aggs/grouped/locale/us/market/stocks/2005-04-04&adjusted=true.json`,
    '/v2/aggs/grouped/locale/us/market/stocks/2005-04-04',
  ],
  [`${OPENAPI}v1__open-close__stocksTicker__date.json`, '/v1/open-close/AAPL/2023-01-09'],
  [`${OPENAPI}v1__open-close__indicesTicker__date.json`, '/v1/open-close/I:NDX/2023-03-10'],
  [`${OPENAPI}v3__trades__stockTicker.json`, '/v3/trades/AAPL?limit=200'],
  [`${PYTHON}v3/trades/AAPL&limit=2.json`, '/v3/trades/AAPL?limit=200'],
  [`${PYTHON}v3/quotes/AAPL.json`, '/v3/quotes/AAPL?limit=200'],
  [`${OPENAPI}v2__last__trade__stocksTicker.json`, '/v2/last/trade/AAPL'],
  [`${OPENAPI}v2__last__nbbo__stocksTicker.json`, '/v2/last/nbbo/AAPL'],
  [`${OPENAPI}v3__reference__splits.json`, '/v3/reference/splits?ticker=AAPL'],
  [`${PYTHON}v3/reference/dividends.json`, '/v3/reference/dividends?ticker=AAPL'],
  [`${OPENAPI}stocks__v1__splits.json`, '/stocks/v1/splits?ticker=AAPL'],
  [`${OPENAPI}stocks__v1__dividends.json`, '/stocks/v1/dividends?ticker=AAPL'],
  [`${PYTHON}v3/reference/tickers.json`, '/v3/reference/tickers?limit=2'],
  [`${PYTHON}v3/reference/tickers/AAPL.json`, '/v3/reference/tickers/AAPL'],
  [`${PYTHON}v3/reference/options/contracts.json`, '/v3/reference/options/contracts?underlying_ticker=AAPL'],
  [`${OPENAPI}v3__reference__options__contracts__options_ticker.json`, '/v3/reference/options/contracts/ANY'],
  [`${PYTHON}v3/reference/exchanges.json`, '/v3/reference/exchanges'],
  [`${PYTHON}v3/reference/conditions&asset_class=stocks.json`, '/v3/reference/conditions'],
  [`${PYTHON}v1/marketstatus/now.json`, '/v1/marketstatus/now'],
  [`${PYTHON}v1/marketstatus/upcoming.json`, '/v1/marketstatus/upcoming'],
]

describe.skipIf(!existsSync(RECORDED))('shapes recorded from the vendor', () => {
  test.each(PAIRS)('%s', async (file, path) => {
    const recorded = JSON.parse(
      readFileSync(new URL(file.replaceAll('%', '%25'), RECORDED), 'utf8'),
    ) as unknown
    const { body } = await get(
      simulator,
      path.endsWith('/ANY') ? path.replace('ANY', await anyContract()) : path,
    )
    const differences = compare(recorded, body, '')
    expect(differences).toEqual([])
  })
})

async function anyContract(): Promise<string> {
  const { body } = await get(simulator, '/v3/reference/options/contracts?underlying_ticker=AAPL&limit=1')
  return String(body.results![0]!['ticker'])
}

/** Where two answers differ in keys or JSON types; rows of an array count together. */
function compare(recorded: unknown, ours: unknown, at: string): string[] {
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    if (recorded.length === 0 || ours.length === 0) return [`${at}: an empty list`]
    return compare(merged(recorded), merged(ours), `${at}[]`)
  }
  // The OpenAPI examples leave a schema or a number where an id would stand.
  if (at.endsWith('.request_id')) return typeof ours === 'string' ? [] : [`${at}: not a text`]
  if (kind(recorded) !== kind(ours)) return [`${at}: ${kind(recorded)} against ${kind(ours)}`]
  if (kind(recorded) !== 'object') return []
  const [theirs, mine] = [recorded as Json, ours as Json]
  return [...new Set([...Object.keys(theirs), ...Object.keys(mine)])].flatMap((key) => {
    if (key in theirs && key in mine) return compare(theirs[key], mine[key], `${at}.${key}`)
    return OPTIONAL.has(key) ? [] : [`${at}.${key}: only ${key in theirs ? 'recorded' : 'ours'}`]
  })
}

/** One value that has every field any row has. */
const merged = (rows: readonly unknown[]): unknown =>
  kind(rows[0]) === 'object' ? (Object.assign({}, ...rows) as Json) : rows[0]

const kind = (value: unknown): string =>
  Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value
