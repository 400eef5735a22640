import type { ColumnDefinition, DatasetDefinition } from '../dataset.ts'
import { barRules } from './equity-bars.ts'

/**
 * Options. Their calendar is Cboe's (XCBO): its dates are those of the stock exchanges, its extended hours hold
 * every hour in which options of stocks, funds and indices trade: 09:30–16:00 or 16:15 New York time, and for
 * index options also the night before from 20:15 and the curb session until 17:00.
 */
export const OPTION_CALENDAR = 'XCBO'

type Column = Omit<ColumnDefinition, 'nullable'>
/** A column that every row has. */
export const must = (column: Column): ColumnDefinition => ({ ...column, nullable: false })
/** A column that may be null. */
export const may = (column: Column): ColumnDefinition => ({ ...column, nullable: true })

/** The underlying as the ticker of a series. */
export const underlyingColumn = must({
  name: 'ticker',
  type: 'string',
  description: 'Underlying: `SPY`; an index without its prefix: `SPX`.',
})

/** What a contract is; the listing and the chain share it. */
export const contractTerms: readonly ColumnDefinition[] = [
  must({ name: 'expiration_date', type: 'date', description: 'Last day of the contract (New York date).' }),
  must({ name: 'strike_price', type: 'double', unit: 'USD', description: 'Exercise price.' }),
  must({ name: 'contract_type', type: 'string', description: '`call` or `put`; rarely `other`.' }),
  may({ name: 'exercise_style', type: 'string', description: '`american`, `european` or `bermudan`.' }),
  may({
    name: 'shares_per_contract',
    type: 'double',
    unit: 'shares',
    description: 'Usually 100; other numbers after corporate actions.',
  }),
]

export const optionContracts: DatasetDefinition = {
  name: 'option_contracts',
  version: 1,
  description: 'One option contract that was listed on one day, as `tapelake discover` found it.',
  columns: [
    underlyingColumn,
    must({ name: 'as_of', type: 'date', description: 'Session on which it was listed.' }),
    must({ name: 'contract', type: 'string', description: 'Symbol: `O:SPY250103C00585000`.' }),
    may({ name: 'root', type: 'string', description: 'Root of the symbol: `SPXW`, `AMD1`.' }),
    ...contractTerms,
    may({ name: 'primary_exchange', type: 'string', description: 'Market identifier code.' }),
    may({ name: 'cfi', type: 'string', description: 'ISO 10962 classification.' }),
    may({
      name: 'additional_underlyings',
      type: 'string',
      description: 'What else is delivered, after corporate actions: a JSON array.',
    }),
    may({ name: 'correction', type: 'int64', description: "Vendor's correction number." }),
  ],
  key: ['ticker', 'as_of', 'contract'],
  eventColumn: 'as_of',
  eventKind: 'date',
  partition: 'month',
  calendar: OPTION_CALENDAR,
  rules: [
    { kind: 'positive', name: 'strike_not_positive', columns: ['strike_price', 'shares_per_contract'] },
    { kind: 'one_of', name: 'unknown_type', column: 'contract_type', values: ['call', 'put', 'other'] },
    { kind: 'ordered', name: 'expired_before_listing', low: 'as_of', high: 'expiration_date' },
    { kind: 'in_session', name: 'outside_session' },
  ],
}

const barColumns: readonly ColumnDefinition[] = [
  must({ name: 'ticker', type: 'string', description: 'Contract: `O:SPY250103C00585000`.' }),
  must({
    name: 'timestamp',
    type: 'timestamp',
    unit: 'µs since epoch, UTC',
    description: 'Start of the bar, inclusive.',
  }),
  must({ name: 'open', type: 'double', unit: 'USD', description: 'First eligible trade, per share.' }),
  must({ name: 'high', type: 'double', unit: 'USD', description: 'Highest eligible trade.' }),
  must({ name: 'low', type: 'double', unit: 'USD', description: 'Lowest eligible trade.' }),
  must({ name: 'close', type: 'double', unit: 'USD', description: 'Last eligible trade.' }),
  must({ name: 'volume', type: 'double', unit: 'contracts', description: 'Contracts traded.' }),
  may({ name: 'vwap', type: 'double', unit: 'USD', description: 'Volume-weighted average price.' }),
  may({ name: 'trade_count', type: 'int64', unit: 'trades', description: 'Number of trades in the bar.' }),
]

const optionBars = {
  version: 1,
  columns: barColumns,
  key: ['ticker', 'timestamp'],
  seriesKey: 'underlying',
  eventColumn: 'timestamp',
  calendar: OPTION_CALENDAR,
} as const

export const optionBars1m: DatasetDefinition = {
  ...optionBars,
  name: 'option_bars_1m',
  description: 'One minute of one option contract. No trade, no bar. All contracts of a day share a file.',
  eventKind: 'instant',
  partition: 'date',
  rules: [
    ...barRules,
    { kind: 'aligned', name: 'not_aligned', seconds: 60 },
    { kind: 'in_session', name: 'outside_session' },
  ],
}

export const optionBars1d: DatasetDefinition = {
  ...optionBars,
  name: 'option_bars_1d',
  description: 'One session of one option contract. No trade, no bar.',
  eventKind: 'day',
  partition: 'month',
  rules: [...barRules, { kind: 'in_session', name: 'outside_session' }],
}
