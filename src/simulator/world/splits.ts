import { hashHex } from './random.ts'

/** `from` old shares became `to` new ones on the morning of `date`. */
export interface Split {
  readonly id: string
  readonly ticker: string
  /** First session at the new price, New York date. */
  readonly date: string
  readonly from: number
  readonly to: number
}

/** Dates and ratios are the real ones, so that readers can check an adjustment against what they know. */
const SPLITS: Readonly<Record<string, readonly (readonly [date: string, from: number, to: number])[]>> = {
  AAPL: [
    ['2005-02-28', 1, 2],
    ['2014-06-09', 1, 7],
    ['2020-08-31', 1, 4],
  ],
  AMZN: [['2022-06-06', 1, 20]],
  AVGO: [['2024-07-15', 1, 10]],
  C: [['2011-05-09', 10, 1]],
  GE: [['2021-08-02', 8, 1]],
  GOOG: [['2022-07-18', 1, 20]],
  GOOGL: [
    ['2014-04-03', 1, 2],
    ['2022-07-18', 1, 20],
  ],
  IWM: [['2005-06-09', 1, 2]],
  KO: [['2012-08-13', 1, 2]],
  MA: [['2014-01-22', 1, 10]],
  NFLX: [
    ['2004-02-12', 1, 2],
    ['2015-07-15', 1, 7],
    ['2025-11-17', 1, 10],
  ],
  NKE: [
    ['2007-04-03', 1, 2],
    ['2012-12-26', 1, 2],
    ['2015-12-24', 1, 2],
  ],
  NVDA: [
    ['2006-04-07', 1, 2],
    ['2007-09-11', 2, 3],
    ['2021-07-20', 1, 4],
    ['2024-06-10', 1, 10],
  ],
  TQQQ: [
    ['2011-02-25', 1, 2],
    ['2012-05-11', 1, 2],
    ['2014-01-24', 1, 2],
    ['2017-01-12', 1, 2],
    ['2018-05-24', 1, 3],
    ['2021-01-21', 1, 2],
    ['2022-01-13', 1, 2],
    ['2025-11-20', 1, 2],
  ],
  TSLA: [
    ['2020-08-31', 1, 5],
    ['2022-08-25', 1, 3],
  ],
  V: [['2015-03-19', 1, 4]],
  WMT: [['2024-02-26', 1, 3]],
}

const ALL: readonly Split[] = Object.entries(SPLITS).flatMap(([ticker, rows]) =>
  rows.map(([date, from, to]) => ({ id: `E${hashHex(`${ticker} ${date}`, 1, 64)}`, ticker, date, from, to })),
)

/** Every split of the simulated market, by ticker, oldest first. */
export function allSplits(): readonly Split[] {
  return ALL
}

/**
 * How many of the shares of `untilDate` one share of `date` has become: splits after `date`, up to and
 * including `untilDate`. Divide a price by it, multiply a volume by it. Without `untilDate`: all splits.
 */
export function splitFactor(ticker: string, date: string, untilDate = '9999-12-31'): number {
  let factor = 1
  for (const [execution, from, to] of SPLITS[ticker] ?? []) {
    if (execution > date && execution <= untilDate) factor *= to / from
  }
  return factor
}
