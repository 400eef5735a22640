import type { ColumnData } from '../../../core/batch.ts'
import type { DatasetDefinition } from '../../../market/dataset.ts'
import { microsecondsOf } from './nanoseconds.ts'
import type { WireField, WireTable } from './scan.ts'

/** How the rows of one endpoint become the columns of a dataset. */
export interface RowMapping {
  readonly fields: readonly WireField[]
  /** Dataset column → wire field; columns not named here and not derived are null. */
  readonly columns: Readonly<Record<string, string>>
  /** Columns that follow from several fields. */
  readonly derived: Readonly<Record<string, (table: WireTable) => ColumnData>>
  /** Fields that the vendor documents and that no column takes. */
  readonly ignored?: readonly string[]
  /** Whole pages may lack fields that may be null, and nothing has changed. */
  readonly sparse?: boolean
  /** Objects within the rows, read as rows of their own. */
  readonly parts?: (table: WireTable) => readonly MappedPart[]
}

/** An object that every row has under `name`. */
export interface MappedPart {
  readonly name: string
  readonly table: WireTable
  readonly mapping: Pick<RowMapping, 'fields' | 'columns' | 'ignored' | 'sparse'>
}

const field = (name: string, type: WireField['type']): WireField => ({ name, type })

const bars: RowMapping = {
  fields: [
    field('v', 'double'),
    field('vw', 'double'),
    field('o', 'double'),
    field('c', 'double'),
    field('h', 'double'),
    field('l', 'double'),
    field('t', 'ms'),
    field('n', 'int64'),
  ],
  columns: {
    timestamp: 't',
    open: 'o',
    high: 'h',
    low: 'l',
    close: 'c',
    volume: 'v',
    vwap: 'vw',
    trade_count: 'n',
  },
  derived: {},
  ignored: ['otc'],
}

const TICK_FIELDS: readonly WireField[] = [
  field('conditions', 'int_list'),
  field('participant_timestamp', 'ns'),
  field('sequence_number', 'int64'),
  field('sip_timestamp', 'ns'),
  field('tape', 'int64'),
  field('trf_timestamp', 'ns'),
]
const TICK_COLUMNS = {
  sip_timestamp_ns: 'sip_timestamp',
  participant_timestamp_ns: 'participant_timestamp',
  trf_timestamp_ns: 'trf_timestamp',
  sequence_number: 'sequence_number',
  conditions: 'conditions',
  tape: 'tape',
}

const trades: RowMapping = {
  fields: [
    ...TICK_FIELDS,
    field('price', 'double'),
    field('size', 'decimal'),
    field('decimal_size', 'decimal'),
    field('exchange', 'int64'),
    field('id', 'string'),
    field('trf_id', 'int64'),
    field('correction', 'int64'),
  ],
  columns: {
    ...TICK_COLUMNS,
    price: 'price',
    exchange: 'exchange',
    id: 'id',
    trf_id: 'trf_id',
    correction: 'correction',
  },
  derived: { timestamp: sipMicroseconds, size: tradeSize },
}

const quotes: RowMapping = {
  fields: [
    ...TICK_FIELDS,
    field('bid_price', 'double'),
    field('bid_size', 'decimal'),
    field('bid_exchange', 'int64'),
    field('ask_price', 'double'),
    field('ask_size', 'decimal'),
    field('ask_exchange', 'int64'),
    field('indicators', 'int_list'),
  ],
  columns: {
    ...TICK_COLUMNS,
    bid_price: 'bid_price',
    bid_size: 'bid_size',
    bid_exchange: 'bid_exchange',
    ask_price: 'ask_price',
    ask_size: 'ask_size',
    ask_exchange: 'ask_exchange',
    indicators: 'indicators',
  },
  derived: { timestamp: sipMicroseconds },
}

const splits: RowMapping = {
  fields: [
    field('ticker', 'string'),
    field('execution_date', 'date'),
    field('split_from', 'double'),
    field('split_to', 'double'),
    field('id', 'string'),
  ],
  columns: {
    ticker: 'ticker',
    execution_date: 'execution_date',
    split_from: 'split_from',
    split_to: 'split_to',
    id: 'id',
  },
  derived: {},
}

const dividends: RowMapping = {
  fields: [
    field('ticker', 'string'),
    field('ex_dividend_date', 'date'),
    field('cash_amount', 'decimal'),
    field('currency', 'string'),
    field('declaration_date', 'date'),
    field('record_date', 'date'),
    field('pay_date', 'date'),
    field('frequency', 'int64'),
    field('dividend_type', 'string'),
    field('id', 'string'),
  ],
  columns: {
    ticker: 'ticker',
    ex_dividend_date: 'ex_dividend_date',
    cash_amount: 'cash_amount',
    currency: 'currency',
    declaration_date: 'declaration_date',
    record_date: 'record_date',
    pay_date: 'pay_date',
    frequency: 'frequency',
    dividend_type: 'dividend_type',
    id: 'id',
  },
  derived: {},
}

const MAPPINGS: Readonly<Record<string, RowMapping>> = {
  equity_bars_1s: bars,
  equity_bars_1m: bars,
  equity_bars_1h: bars,
  equity_bars_1d: bars,
  option_bars_1m: bars,
  option_bars_1d: bars,
  equity_trades: trades,
  equity_quotes: quotes,
  splits,
  dividends,
}

/** The wire form of `dataset`, or undefined when this source does not serve it. */
export const mappingOf = (dataset: DatasetDefinition): RowMapping | undefined => MAPPINGS[dataset.name]

function sipMicroseconds(table: WireTable): ColumnData {
  return microsecondsOf(table.columns.get('sip_timestamp') as BigInt64Array)
}

/** Fractional sizes come as text beside the rounded number; older rows have the number only. */
function tradeSize(table: WireTable): ColumnData {
  const whole = table.columns.get('size') as Float64Array
  const exact = table.columns.get('decimal_size') as Float64Array
  return exact.map((size, row) => (Number.isNaN(size) ? whole[row]! : size))
}
