import type { ColumnDefinition, DatasetDefinition, Rule } from '../dataset.ts'

const columns: readonly ColumnDefinition[] = [
  { name: 'ticker', type: 'string', nullable: false, description: 'Symbol as the exchange lists it.' },
  {
    name: 'timestamp',
    type: 'timestamp',
    nullable: false,
    unit: 'µs since epoch, UTC',
    description: 'Start of the bar, inclusive.',
  },
  { name: 'open', type: 'double', nullable: false, unit: 'USD', description: 'First eligible trade.' },
  { name: 'high', type: 'double', nullable: false, unit: 'USD', description: 'Highest eligible trade.' },
  { name: 'low', type: 'double', nullable: false, unit: 'USD', description: 'Lowest eligible trade.' },
  { name: 'close', type: 'double', nullable: false, unit: 'USD', description: 'Last eligible trade.' },
  {
    name: 'volume',
    type: 'double',
    nullable: false,
    unit: 'shares',
    description: 'Shares traded; may be a fraction.',
  },
  {
    name: 'vwap',
    type: 'double',
    nullable: true,
    unit: 'USD',
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
