import type { ColumnDefinition, DatasetDefinition } from '../dataset.ts'
import { contractTerms, may, must, OPTION_CALENDAR, underlyingColumn } from './options.ts'

const NS = 'ns since epoch, UTC'

const dollars = (name: string, description: string): ColumnDefinition =>
  may({ name, type: 'double', unit: 'USD', description })
const number = (name: string, unit: string, description: string): ColumnDefinition =>
  may({ name, type: 'double', unit, description })
const instant = (name: string, description: string): ColumnDefinition =>
  may({ name, type: 'ns', unit: NS, description })
const text = (name: string, description: string): ColumnDefinition =>
  may({ name, type: 'string', description })
const code = (name: string, description: string): ColumnDefinition =>
  may({ name, type: 'int64', description })

export const optionChain: DatasetDefinition = {
  name: 'option_chain',
  version: 1,
  description:
    'One option contract as it stood in one snapshot of the whole chain. What the vendor does not give (greeks of ' +
    'what is illiquid, quotes and trades without such a plan) is null, never 0.',
  columns: [
    underlyingColumn,
    must({ name: 'contract', type: 'string', description: 'Symbol: `O:SPY250103C00585000`.' }),
    must({
      name: 'session_date',
      type: 'date',
      description: 'Session that the snapshot belongs to: the one under way, else the last one.',
    }),
    must({
      name: 'snapshot_time',
      type: 'timestamp',
      unit: 'µs since epoch, UTC',
      description: 'When the chain was asked for; one instant for all its rows.',
    }),
    ...contractTerms,
    dollars('break_even_price', 'Price of the underlying at which a buyer breaks even.'),
    number('implied_volatility', 'per year', 'As a fraction: 0.3 is 30 %.'),
    number('delta', 'USD per USD', 'Change of the price with the underlying.'),
    number('gamma', 'per USD', 'Change of delta with the underlying.'),
    number('theta', 'USD per day', 'Change of the price with time.'),
    number('vega', 'USD per point', 'Change of the price with a point (0.01) of volatility.'),
    number('open_interest', 'contracts', 'Contracts open at the end of the previous session.'),
    dollars('day_open', 'First trade of the session.'),
    dollars('day_high', 'Highest trade of the session.'),
    dollars('day_low', 'Lowest trade of the session.'),
    dollars('day_close', 'Last trade of the session so far.'),
    number('day_volume', 'contracts', 'Contracts traded in the session.'),
    dollars('day_vwap', 'Volume-weighted average price of the session.'),
    dollars('day_previous_close', 'Close of the session before.'),
    dollars('day_change', 'Change since the close of the session before.'),
    number('day_change_percent', '%', 'The same in percent.'),
    instant('day_last_updated_ns', 'When the values of the session were last updated, exact.'),
    dollars('bid', 'Best bid.'),
    number('bid_size', 'contracts', 'Size at the best bid.'),
    code('bid_exchange', 'Venue of the best bid.'),
    dollars('ask', 'Best ask.'),
    number('ask_size', 'contracts', 'Size at the best ask.'),
    code('ask_exchange', 'Venue of the best ask.'),
    dollars('midpoint', 'Middle of bid and ask.'),
    instant('quote_last_updated_ns', 'When the quote was made, exact.'),
    text('quote_timeframe', '`REAL-TIME` or `DELAYED`.'),
    dollars('last_trade_price', 'Price of the last trade.'),
    number('last_trade_size', 'contracts', 'Size of the last trade.'),
    code('last_trade_exchange', 'Venue of the last trade.'),
    may({ name: 'last_trade_conditions', type: 'int_list', description: "Vendor's condition codes." }),
    instant('last_trade_sip_timestamp_ns', 'When the consolidated feed received it, exact.'),
    text('last_trade_timeframe', '`REAL-TIME` or `DELAYED`.'),
    text('underlying_ticker', 'Underlying as the vendor names it: `SPY`, `I:SPX`.'),
    dollars('underlying_price', 'Price of the underlying; of an index, its value.'),
    dollars('underlying_change_to_break_even', 'How far it is from the break-even price.'),
    instant('underlying_last_updated_ns', 'When that price was made, exact.'),
    text('underlying_timeframe', '`REAL-TIME` or `DELAYED`.'),
    dollars('fmv', "Vendor's fair market value."),
    instant('fmv_last_updated_ns', 'When that was computed, exact.'),
  ],
  key: ['ticker', 'snapshot_time', 'contract'],
  eventColumn: 'session_date',
  eventKind: 'date',
  partition: 'date',
  calendar: OPTION_CALENDAR,
  rules: [
    { kind: 'positive', name: 'strike_not_positive', columns: ['strike_price', 'shares_per_contract'] },
    { kind: 'one_of', name: 'unknown_type', column: 'contract_type', values: ['call', 'put', 'other'] },
    {
      kind: 'not_negative',
      name: 'negative_value',
      columns: ['implied_volatility', 'open_interest', 'day_volume', 'bid', 'bid_size', 'ask', 'ask_size'],
    },
    { kind: 'in_session', name: 'outside_session' },
  ],
}
