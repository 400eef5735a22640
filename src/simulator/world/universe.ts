/** One ticker the simulator knows. Names are real, every number is invented. */
export interface Listing {
  readonly ticker: string
  readonly name: string
  readonly market: 'stocks' | 'indices' | 'options'
  readonly type: 'CS' | 'ETF' | 'ADRC' | 'INDEX' | 'OPTION'
  /** Market identifier code of the listing exchange. */
  readonly primaryExchange: string
  /** Price around 2025-01-02, in today's shares, USD (index: points). */
  readonly price: number
  /** Standard deviation of a day's return. */
  readonly dailyVolatility: number
  /** How much of it is the market's, 0…1; negative moves against the market. */
  readonly marketShare: number
  /** Growth a year, as a rate. */
  readonly yearlyDrift: number
  /** Shares a day in today's shares; 0 for an index. */
  readonly dailyVolume: number
  /** Dividends a year as a share of the price; 0 pays none. */
  readonly yieldRatio: number
  /** First and last session, New York dates, inclusive. */
  readonly firstDate: string
  readonly lastDate: string
  /** What an option is on; absent for anything else. */
  readonly option?: OptionTerms
}

/** What decides the price of an option. */
export interface OptionTerms {
  readonly underlying: Listing
  readonly type: 'call' | 'put'
  readonly strike: number
  /** New York date. */
  readonly expiration: string
}

/** The vendor's history of US stocks starts here. */
export const HISTORY_STARTS = '2003-09-10'
const OPEN_ENDED = '9999-12-31'

type Row = readonly [
  ticker: string,
  name: string,
  exchange: string,
  price: number,
  dailyPercent: number,
  marketShare: number,
  driftPercent: number,
  millionShares: number,
  yieldPercent: number,
]

const ETFS: readonly Row[] = [
  ['SPY', 'SPDR S&P 500 ETF Trust', 'ARCX', 586, 1.05, 0.99, 9, 62, 1.2],
  ['QQQ', 'Invesco QQQ Trust, Series 1', 'XNAS', 511, 1.35, 0.93, 12, 38, 0.6],
  ['IWM', 'iShares Russell 2000 ETF', 'ARCX', 221, 1.45, 0.88, 7, 29, 1.2],
  ['DIA', 'SPDR Dow Jones Industrial Average ETF Trust', 'ARCX', 425, 0.95, 0.94, 8, 3.4, 1.6],
  ['VOO', 'Vanguard S&P 500 ETF', 'ARCX', 538, 1.05, 0.99, 9, 6.1, 1.2],
  ['EEM', 'iShares MSCI Emerging Markets ETF', 'ARCX', 42, 1.3, 0.75, 3, 27, 2.4],
  ['GLD', 'SPDR Gold Shares', 'ARCX', 242, 0.95, 0.1, 7, 8.2, 0],
  ['SLV', 'iShares Silver Trust', 'ARCX', 27, 1.9, 0.2, 5, 17, 0],
  ['TLT', 'iShares 20+ Year Treasury Bond ETF', 'XNAS', 87, 0.95, -0.3, 1, 34, 4.3],
  ['HYG', 'iShares iBoxx $ High Yield Corporate Bond ETF', 'ARCX', 79, 0.45, 0.7, 1, 33, 5.8],
  ['XLF', 'Financial Select Sector SPDR Fund', 'ARCX', 48, 1.3, 0.86, 7, 41, 1.4],
  ['XLE', 'Energy Select Sector SPDR Fund', 'ARCX', 86, 1.6, 0.6, 5, 15, 3.3],
  ['XLK', 'Technology Select Sector SPDR Fund', 'ARCX', 232, 1.4, 0.92, 12, 5.4, 0.7],
  ['SMH', 'VanEck Semiconductor ETF', 'XNAS', 242, 2.1, 0.82, 16, 7, 0.4],
  ['ARKK', 'ARK Innovation ETF', 'ARCX', 57, 2.6, 0.75, 5, 8.5, 0],
  ['TQQQ', 'ProShares UltraPro QQQ', 'XNAS', 79, 3.9, 0.93, 25, 55, 1.1],
  ['UVXY', 'ProShares Ultra VIX Short-Term Futures ETF', 'BATS', 21, 6.5, -0.85, -10, 15, 0],
]

const STOCKS: readonly Row[] = [
  ['AAPL', 'Apple Inc.', 'XNAS', 243, 1.8, 0.7, 22, 48, 0.4],
  ['MSFT', 'Microsoft Corp', 'XNAS', 418, 1.7, 0.72, 16, 21, 0.8],
  ['NVDA', 'Nvidia Corp', 'XNAS', 138, 3, 0.62, 40, 210, 0.03],
  ['AMZN', 'Amazon.Com Inc', 'XNAS', 220, 2.1, 0.62, 24, 37, 0],
  ['GOOGL', 'Alphabet Inc. Class A Common Stock', 'XNAS', 189, 1.8, 0.65, 17, 26, 0.4],
  ['GOOG', 'Alphabet Inc. Class C Capital Stock', 'XNAS', 190, 1.8, 0.65, 17, 18, 0.4],
  ['META', 'Meta Platforms, Inc. Class A Common Stock', 'XNAS', 599, 2.3, 0.58, 20, 13, 0.3],
  ['TSLA', 'Tesla, Inc. Common Stock', 'XNAS', 379, 3.6, 0.5, 35, 95, 0],
  ['AMD', 'Advanced Micro Devices', 'XNAS', 121, 3.1, 0.58, 20, 41, 0],
  ['INTC', 'Intel Corp', 'XNAS', 20, 2.3, 0.6, 1, 68, 0],
  ['AVGO', 'Broadcom Inc. Common Stock', 'XNAS', 232, 2.4, 0.6, 30, 29, 0.9],
  ['NFLX', 'NetFlix Inc', 'XNAS', 88.7, 2.7, 0.45, 28, 36, 0],
  ['ADBE', 'Adobe Inc.', 'XNAS', 441, 2, 0.6, 14, 3.4, 0],
  ['CSCO', 'Cisco Systems, Inc. Common Stock (DE)', 'XNAS', 59, 1.5, 0.66, 7, 18, 2.7],
  ['COST', 'Costco Wholesale Corp', 'XNAS', 910, 1.4, 0.55, 16, 1.9, 0.5],
  ['PLTR', 'Palantir Technologies Inc. Class A Common Stock', 'XNAS', 75, 4, 0.45, 40, 78, 0],
  ['JPM', 'JPMorgan Chase & Co.', 'XNYS', 240, 1.8, 0.7, 10, 9, 2.1],
  ['BAC', 'Bank of America Corporation', 'XNYS', 44, 2, 0.7, 3, 33, 2.3],
  ['WFC', 'Wells Fargo & Co.', 'XNYS', 70, 1.9, 0.68, 4, 15, 2.2],
  ['C', 'Citigroup Inc.', 'XNYS', 70, 2.2, 0.7, -3, 13, 3.1],
  ['GS', 'Goldman Sachs Group Inc.', 'XNYS', 575, 1.9, 0.7, 9, 2.2, 2],
  ['V', 'VISA Inc.', 'XNYS', 314, 1.5, 0.68, 16, 6, 0.7],
  ['MA', 'Mastercard Incorporated', 'XNYS', 523, 1.7, 0.66, 18, 2.6, 0.5],
  ['BRK.B', 'BERKSHIRE HATHAWAY Class B', 'XNYS', 451, 1.2, 0.7, 9, 3.8, 0],
  ['XOM', 'Exxon Mobil Corporation', 'XNYS', 107, 1.5, 0.5, 6, 15, 3.6],
  ['CVX', 'Chevron Corporation', 'XNYS', 147, 1.6, 0.5, 7, 8, 4.4],
  ['JNJ', 'Johnson & Johnson', 'XNYS', 144, 1.1, 0.4, 6, 8, 3.4],
  ['UNH', 'UnitedHealth Group Incorporated', 'XNYS', 505, 1.7, 0.4, 14, 4.1, 1.6],
  ['PFE', 'Pfizer Inc.', 'XNYS', 26.6, 1.4, 0.4, 2, 40, 6.3],
  ['LLY', 'Eli Lilly & Co.', 'XNYS', 778, 2, 0.35, 16, 3.3, 0.7],
  ['MRK', 'Merck & Co., Inc.', 'XNYS', 99, 1.4, 0.4, 5, 11, 3.2],
  ['KO', 'Coca-Cola Company', 'XNYS', 62, 1, 0.45, 6, 14, 3.1],
  ['PEP', 'PepsiCo, Inc.', 'XNAS', 150, 1.1, 0.4, 6, 6, 3.6],
  ['PG', 'Procter & Gamble Company', 'XNYS', 166, 1.1, 0.42, 6, 7, 2.4],
  ['WMT', 'Walmart Inc.', 'XNYS', 90, 1.2, 0.42, 9, 17, 0.9],
  ['HD', 'Home Depot, Inc.', 'XNYS', 388, 1.5, 0.6, 13, 3.3, 2.3],
  ['MCD', "McDonald's Corporation", 'XNYS', 292, 1.1, 0.45, 12, 3, 2.4],
  ['NKE', 'Nike, Inc.', 'XNYS', 74, 1.9, 0.5, 8, 11, 2.1],
  ['DIS', 'Walt Disney Company', 'XNYS', 111, 1.7, 0.58, 6, 8, 0.9],
  ['BA', 'Boeing Company', 'XNYS', 171, 2.5, 0.55, 6, 9, 0],
  ['CAT', 'Caterpillar Inc.', 'XNYS', 359, 1.9, 0.62, 11, 2.6, 1.6],
  ['GE', 'GE Aerospace', 'XNYS', 169, 2.1, 0.6, 5, 5, 0.7],
  ['F', 'Ford Motor Company', 'XNYS', 9.7, 2.3, 0.58, 2, 52, 6.2],
  ['T', 'AT&T Inc.', 'XNYS', 22.8, 1.3, 0.4, 1, 33, 4.9],
  ['VZ', 'Verizon Communications', 'XNYS', 40, 1.2, 0.35, 2, 17, 6.7],
  ['BABA', 'Alibaba Group Holding Limited', 'XNYS', 85, 2.7, 0.35, 4, 14, 1.2],
]

const listed = (row: Row, type: Listing['type'], dates: Partial<Listing> = {}): Listing => ({
  ticker: row[0],
  name: row[1],
  market: 'stocks',
  type,
  primaryExchange: row[2],
  price: row[3],
  dailyVolatility: row[4] / 100,
  marketShare: row[5],
  yearlyDrift: row[6] / 100,
  dailyVolume: row[7] * 1e6,
  yieldRatio: row[8] / 100,
  firstDate: HISTORY_STARTS,
  lastDate: OPEN_ENDED,
  ...dates,
})

/** First sessions of the companies that came to market after the vendor's history begins. */
const FIRST_DATES: Readonly<Record<string, string>> = {
  GOOGL: '2004-08-19',
  GOOG: '2014-03-27',
  META: '2012-05-18',
  TSLA: '2010-06-29',
  AVGO: '2009-08-06',
  PLTR: '2020-09-30',
  V: '2008-03-19',
  MA: '2006-05-25',
  BABA: '2014-09-19',
  VOO: '2010-09-09',
  GLD: '2004-11-18',
  SLV: '2006-04-28',
  HYG: '2007-04-11',
  ARKK: '2014-10-31',
  TQQQ: '2010-02-11',
  UVXY: '2011-10-04',
}

/** Tickers that make life hard: almost no trades, listed late, delisted, a name that reads like null. */
const AWKWARD: readonly Listing[] = [
  listed(['THNY', 'Thinly Traded Simulated Company', 'XASE', 12.4, 2.4, 0.2, 3, 0.012, 1.5], 'CS'),
  listed(['NA', 'Simulated Company Named Like A Null', 'XNAS', 7.1, 3, 0.3, 2, 0.09, 0], 'CS'),
  listed(['NEWC', 'Simulated Company Listed In June 2021', 'XNAS', 31, 3.2, 0.4, 4, 2.1, 0], 'CS', {
    firstDate: '2021-06-30',
  }),
  listed(['GONE', 'Simulated Company Delisted In 2023', 'XNYS', 3.2, 4.5, 0.4, -20, 6.5, 0], 'CS', {
    lastDate: '2023-05-01',
  }),
]

const dated = (row: Row, type: Listing['type']): Listing =>
  listed(row, type, { firstDate: FIRST_DATES[row[0]] ?? HISTORY_STARTS })

const index = (ticker: string, name: string, price: number, daily: number, share: number): Listing => ({
  ...listed([ticker, name, 'XCBO', price, daily, share, ticker === 'I:VIX' ? 0 : 9, 0, 0], 'INDEX'),
  market: 'indices',
})

const INDICES: readonly Listing[] = [
  index('I:SPX', 'S&P 500', 5868, 1.05, 0.99),
  index('I:NDX', 'Nasdaq-100', 20975, 1.35, 0.93),
  index('I:DJI', 'Dow Jones Industrial Average', 42392, 0.95, 0.94),
  index('I:RUT', 'Russell 2000', 2231, 1.45, 0.88),
  index('I:VIX', 'Cboe Volatility Index', 17.9, 6.5, -0.8),
]

/** Every ticker of the simulated market, in the order of their symbols. */
export const UNIVERSE: readonly Listing[] = [
  ...ETFS.map((row) => dated(row, 'ETF')),
  ...STOCKS.map((row) => dated(row, row[0] === 'BABA' ? 'ADRC' : 'CS')),
  ...AWKWARD,
  ...INDICES,
].sort((a, b) => (a.ticker < b.ticker ? -1 : 1))

const byTicker = new Map(UNIVERSE.map((listing) => [listing.ticker, listing]))

/** The listing of `ticker` (indices with their `I:`), or undefined. */
export function listingOf(ticker: string): Listing | undefined {
  return byTicker.get(ticker)
}

/** The listing whose options have the root or underlying `word` (`BRKB` is on `BRK.B`, `SPX` on `I:SPX`), or undefined. */
export function listingOfUnderlying(word: string): Listing | undefined {
  return (
    byTicker.get(word) ??
    byTicker.get(`I:${word}`) ??
    UNIVERSE.find(({ ticker }) => ticker.replace('.', '') === word)
  )
}
