import type { ColumnDefinition, DatasetDefinition } from '../dataset.ts'

const NS = 'ns since epoch, UTC'

const ticker: ColumnDefinition = {
  name: 'ticker',
  type: 'string',
  nullable: false,
  description: 'Symbol as the exchange lists it.',
}
const clocks: readonly ColumnDefinition[] = [
  {
    name: 'timestamp',
    type: 'timestamp',
    nullable: false,
    unit: 'µs since epoch, UTC',
    description: 'sip_timestamp_ns rounded down to microseconds, for queries.',
  },
  {
    name: 'sip_timestamp_ns',
    type: 'ns',
    nullable: false,
    unit: NS,
    description: 'When the consolidated feed (SIP) received it, exact.',
  },
  {
    name: 'participant_timestamp_ns',
    type: 'ns',
    nullable: true,
    unit: NS,
    description: 'When the venue made it, exact.',
  },
  {
    name: 'trf_timestamp_ns',
    type: 'ns',
    nullable: true,
    unit: NS,
    description: 'When the trade reporting facility received it, exact.',
  },
  {
    name: 'sequence_number',
    type: 'int64',
    nullable: false,
    description: 'Order of the event at the SIP; rises within a ticker and day, with gaps.',
  },
]

export const equityTrades: DatasetDefinition = {
  name: 'equity_trades',
  version: 1,
  description: 'One trade of one stock as the consolidated tape reported it.',
  columns: [
    ticker,
    ...clocks,
    { name: 'price', type: 'double', nullable: false, unit: 'USD', description: 'Price of one share.' },
    {
      name: 'size',
      type: 'double',
      nullable: false,
      unit: 'shares',
      description: 'Shares traded; may be a fraction.',
    },
    { name: 'exchange', type: 'int64', nullable: false, description: "Vendor's number of the venue." },
    { name: 'conditions', type: 'int_list', nullable: true, description: "Vendor's condition codes." },
    {
      name: 'id',
      type: 'string',
      nullable: false,
      description: 'Trade id, unique within ticker and venue.',
    },
    { name: 'tape', type: 'int64', nullable: true, description: '1 NYSE, 2 NYSE Arca/American, 3 Nasdaq.' },
    {
      name: 'trf_id',
      type: 'int64',
      nullable: true,
      description: 'Trade reporting facility, off-exchange trades.',
    },
    { name: 'correction', type: 'int64', nullable: true, description: "Vendor's correction indicator." },
  ],
  key: ['ticker', 'sip_timestamp_ns', 'sequence_number', 'exchange', 'id'],
  eventColumn: 'timestamp',
  eventKind: 'instant',
  partition: 'date',
  calendar: 'XNYS',
  rules: [
    {
      kind: 'required',
      name: 'missing_value',
      columns: ['sip_timestamp_ns', 'sequence_number', 'price', 'size', 'exchange', 'id'],
    },
    { kind: 'positive', name: 'price_not_positive', columns: ['price'] },
    { kind: 'not_negative', name: 'size_negative', columns: ['size', 'sequence_number'] },
    { kind: 'in_session', name: 'outside_session' },
  ],
}

const side = (name: 'bid' | 'ask'): readonly ColumnDefinition[] => [
  {
    name: `${name}_price`,
    type: 'double',
    nullable: true,
    unit: 'USD',
    description: `Best ${name}; zero as sent on a one-sided book.`,
  },
  {
    name: `${name}_size`,
    type: 'double',
    nullable: true,
    unit: 'shares',
    description: `Size at the best ${name}; the vendor sent round lots in earlier years.`,
  },
  { name: `${name}_exchange`, type: 'int64', nullable: true, description: `Venue of the best ${name}.` },
]

export const equityQuotes: DatasetDefinition = {
  name: 'equity_quotes',
  version: 1,
  description: 'One national best bid and offer of one stock as the consolidated tape reported it.',
  columns: [
    ticker,
    ...clocks,
    ...side('bid'),
    ...side('ask'),
    { name: 'conditions', type: 'int_list', nullable: true, description: "Vendor's condition codes." },
    { name: 'indicators', type: 'int_list', nullable: true, description: "Vendor's indicator codes." },
    { name: 'tape', type: 'int64', nullable: true, description: '1 NYSE, 2 NYSE Arca/American, 3 Nasdaq.' },
  ],
  key: ['ticker', 'sip_timestamp_ns', 'sequence_number'],
  eventColumn: 'timestamp',
  eventKind: 'instant',
  partition: 'date',
  calendar: 'XNYS',
  rules: [
    { kind: 'required', name: 'missing_value', columns: ['sip_timestamp_ns', 'sequence_number'] },
    {
      kind: 'not_negative',
      name: 'negative_value',
      columns: ['bid_price', 'bid_size', 'ask_price', 'ask_size', 'sequence_number'],
    },
    { kind: 'in_session', name: 'outside_session' },
  ],
}
