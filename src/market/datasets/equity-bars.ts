import type { ColumnDefinition, DatasetDefinition, Rule } from '../dataset.ts'

/** What differs between bars of one kind of market and another. */
interface BarWords {
  readonly ticker: string
  /** Unit of a price. */
  readonly price: string
  /** Unit of the volume, and what it is. */
  readonly volume: readonly [unit: string, description: string]
}

/** The columns of bars of trades. */
export const barColumns = ({ ticker, price: unit, volume }: BarWords): readonly ColumnDefinition[] => [
  { name: 'ticker', type: 'string', nullable: false, description: ticker },
  {
    name: 'timestamp',
    type: 'timestamp',
    nullable: false,
    unit: 'µs since epoch, UTC',
    description: 'Start of the bar, inclusive.',
  },
  { name: 'open', type: 'double', nullable: false, unit, description: 'First eligible trade.' },
  { name: 'high', type: 'double', nullable: false, unit, description: 'Highest eligible trade.' },
  { name: 'low', type: 'double', nullable: false, unit, description: 'Lowest eligible trade.' },
  { name: 'close', type: 'double', nullable: false, unit, description: 'Last eligible trade.' },
  { name: 'volume', type: 'double', nullable: false, unit: volume[0], description: volume[1] },
  {
    name: 'vwap',
    type: 'double',
    nullable: true,
    unit,
    description:
      'Volume-weighted average price. Odd lots count here but not in the range, so it may lie outside it.',
  },
  {
    name: 'trade_count',
    type: 'int64',
    nullable: true,
    unit: 'trades',
    description: 'Number of trades in the bar.',
  },
]

const columns = barColumns({
  ticker: 'Symbol as the exchange lists it.',
  price: 'USD',
  volume: ['shares', 'Shares traded; may be a fraction.'],
})

/** What holds of every bar of trades, whatever its length. */
export const barRules: readonly Rule[] = [
  {
    kind: 'required',
    name: 'missing_value',
    columns: ['timestamp', 'open', 'high', 'low', 'close', 'volume'],
  },
  { kind: 'positive', name: 'price_not_positive', columns: ['open', 'high', 'low', 'close', 'vwap'] },
  { kind: 'not_negative', name: 'volume_negative', columns: ['volume', 'trade_count'] },
  { kind: 'whole', name: 'count_not_whole', columns: ['trade_count'] },
  { kind: 'ordered', name: 'high_below_low', low: 'low', high: 'high' },
  { kind: 'ordered', name: 'open_above_high', low: 'open', high: 'high' },
  { kind: 'ordered', name: 'open_below_low', low: 'low', high: 'open' },
  { kind: 'ordered', name: 'close_above_high', low: 'close', high: 'high' },
  { kind: 'ordered', name: 'close_below_low', low: 'low', high: 'close' },
]

interface BarKind {
  readonly name: string
  readonly bar: string
  readonly seconds: number
  readonly partition: DatasetDefinition['partition']
}

function intradayBars({ name, bar, seconds, partition }: BarKind): DatasetDefinition {
  return {
    name,
    version: 1,
    description: `One ${bar} of one stock, raw (not adjusted for splits), extended hours included. No trade, no bar.`,
    columns,
    key: ['ticker', 'timestamp'],
    eventColumn: 'timestamp',
    eventKind: 'instant',
    partition,
    calendar: 'XNYS',
    rules: [
      ...barRules,
      { kind: 'aligned', name: 'not_aligned', seconds },
      { kind: 'in_session', name: 'outside_session' },
    ],
  }
}

export const equityBars1s = intradayBars({
  name: 'equity_bars_1s',
  bar: 'second',
  seconds: 1,
  partition: 'month',
})
export const equityBars1m = intradayBars({
  name: 'equity_bars_1m',
  bar: 'minute',
  seconds: 60,
  partition: 'month',
})
export const equityBars1h = intradayBars({
  name: 'equity_bars_1h',
  bar: 'hour',
  seconds: 3600,
  partition: 'year',
})

export const equityBars1d: DatasetDefinition = {
  name: 'equity_bars_1d',
  version: 1,
  description: 'One session of one stock, raw (not adjusted for splits).',
  columns,
  key: ['ticker', 'timestamp'],
  eventColumn: 'timestamp',
  eventKind: 'day',
  partition: 'none',
  calendar: 'XNYS',
  rules: [...barRules, { kind: 'in_session', name: 'outside_session' }],
}
