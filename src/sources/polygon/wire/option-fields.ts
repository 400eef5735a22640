import { stringAt, stringColumn, type ColumnData, type StringColumn } from '../../../core/batch.ts'
import { PipelineError } from '../../../core/errors.ts'
import { parseOptionSymbol } from '../../../market/symbols.ts'
import type { RowMapping } from './fields.ts'
import { scanDocument, type WireField, type WireTable } from './scan.ts'

const field = (name: string, type: WireField['type']): WireField => ({ name, type })

/** Rows of /v3/reference/options/contracts; `as_of` is what was asked for and is filled in by the source. */
export const contractMapping: RowMapping = {
  fields: [
    field('additional_underlyings', 'json'),
    field('cfi', 'string'),
    field('contract_type', 'string'),
    field('correction', 'int64'),
    field('exercise_style', 'string'),
    field('expiration_date', 'date'),
    field('primary_exchange', 'string'),
    field('shares_per_contract', 'double'),
    field('strike_price', 'double'),
    field('ticker', 'string'),
    field('underlying_ticker', 'string'),
  ],
  columns: {
    ticker: 'underlying_ticker',
    contract: 'ticker',
    expiration_date: 'expiration_date',
    strike_price: 'strike_price',
    contract_type: 'contract_type',
    exercise_style: 'exercise_style',
    shares_per_contract: 'shares_per_contract',
    primary_exchange: 'primary_exchange',
    cfi: 'cfi',
    correction: 'correction',
  },
  derived: { root: roots, additional_underlyings: compactJson },
  sparse: true,
}

function roots(table: WireTable): ColumnData {
  const symbols = table.columns.get('ticker') as StringColumn
  return stringColumn(Array.from({ length: table.rows }, (_, row) => rootOf(stringAt(symbols, row))))
}

/** Null where the symbol cannot be read: then the row is refused for its symbol. */
function rootOf(symbol: string | null): string | null {
  try {
    return symbol === null ? null : parseOptionSymbol(symbol).root
  } catch (error) {
    if (error instanceof PipelineError) return null
    throw error
  }
}

function compactJson(table: WireTable): ColumnData {
  const texts = table.columns.get('additional_underlyings') as StringColumn
  const compact = texts.dictionary.map((text) => JSON.stringify(JSON.parse(text)))
  return { codes: texts.codes, dictionary: compact }
}

type Part = Readonly<Record<string, readonly [name: string, type: WireField['type']]>>

/** The objects that make up one row of a chain: columns of the dataset, and where in the object they stand. */
const PARTS: Readonly<Record<string, Part>> = {
  details: {
    contract: ['ticker', 'string'],
    expiration_date: ['expiration_date', 'date'],
    strike_price: ['strike_price', 'double'],
    contract_type: ['contract_type', 'string'],
    exercise_style: ['exercise_style', 'string'],
    shares_per_contract: ['shares_per_contract', 'double'],
  },
  greeks: {
    delta: ['delta', 'double'],
    gamma: ['gamma', 'double'],
    theta: ['theta', 'double'],
    vega: ['vega', 'double'],
  },
  day: {
    day_open: ['open', 'double'],
    day_high: ['high', 'double'],
    day_low: ['low', 'double'],
    day_close: ['close', 'double'],
    day_volume: ['volume', 'double'],
    day_vwap: ['vwap', 'double'],
    day_previous_close: ['previous_close', 'double'],
    day_change: ['change', 'double'],
    day_change_percent: ['change_percent', 'double'],
    day_last_updated_ns: ['last_updated', 'ns'],
  },
  last_quote: {
    bid: ['bid', 'double'],
    bid_size: ['bid_size', 'double'],
    bid_exchange: ['bid_exchange', 'int64'],
    ask: ['ask', 'double'],
    ask_size: ['ask_size', 'double'],
    ask_exchange: ['ask_exchange', 'int64'],
    midpoint: ['midpoint', 'double'],
    quote_last_updated_ns: ['last_updated', 'ns'],
    quote_timeframe: ['timeframe', 'string'],
  },
  last_trade: {
    last_trade_price: ['price', 'double'],
    last_trade_size: ['size', 'decimal'],
    last_trade_exchange: ['exchange', 'int64'],
    last_trade_conditions: ['conditions', 'int_list'],
    last_trade_sip_timestamp_ns: ['sip_timestamp', 'ns'],
    last_trade_timeframe: ['timeframe', 'string'],
  },
  underlying_asset: {
    underlying_ticker: ['ticker', 'string'],
    underlying_change_to_break_even: ['change_to_break_even', 'double'],
    underlying_last_updated_ns: ['last_updated', 'ns'],
    underlying_timeframe: ['timeframe', 'string'],
  },
}

/** Of an index the underlying has a value, of anything else a price. */
const UNDERLYING_PRICE = ['price', 'value'] as const

/** Rows of /v3/snapshot/options/{underlying}; session and snapshot time are filled in by the source. */
export const chainMapping: RowMapping = {
  fields: [
    field('break_even_price', 'double'),
    field('fmv', 'double'),
    field('fmv_last_updated', 'ns'),
    field('implied_volatility', 'double'),
    field('open_interest', 'double'),
    ...Object.keys(PARTS).map((name) => field(name, 'json')),
  ],
  columns: {
    break_even_price: 'break_even_price',
    fmv: 'fmv',
    fmv_last_updated_ns: 'fmv_last_updated',
    implied_volatility: 'implied_volatility',
    open_interest: 'open_interest',
  },
  derived: {
    ...Object.fromEntries(
      Object.entries(PARTS).flatMap(([part, columns]) =>
        Object.entries(columns).map(([column, [name]]) => [column, partColumn(part, name)]),
      ),
    ),
    underlying_price: underlyingPrice,
  },
  sparse: true,
  parts: (table) =>
    Object.entries(PARTS).map(([name, part]) => ({
      name,
      table: partTable(table, name),
      mapping: {
        fields: fieldsOf(name),
        columns: Object.fromEntries(Object.entries(part).map(([column, [wire]]) => [column, wire])),
        sparse: true,
        ignored: ['decimal_size'], // contracts are traded whole
      },
    })),
}

function partColumn(part: string, name: string): (table: WireTable) => ColumnData {
  return (table) => partTable(table, part).columns.get(name)!
}

function underlyingPrice(table: WireTable): ColumnData {
  const { columns } = partTable(table, 'underlying_asset')
  const [price, value] = UNDERLYING_PRICE.map((name) => columns.get(name) as Float64Array)
  return price!.map((dollars, row) => (Number.isNaN(dollars) ? value![row]! : dollars))
}

/** Tables of the parts of a page, made when first asked for. */
const partTables = new WeakMap<WireTable, Map<string, WireTable>>()

/** One object of every row as a table of its own: its texts are read as rows, exactly as rows are. */
function partTable(table: WireTable, part: string): WireTable {
  let known = partTables.get(table)
  if (!known) partTables.set(table, (known = new Map<string, WireTable>()))
  let found = known.get(part)
  if (!found) {
    const texts = table.columns.get(part) as StringColumn
    const rows = Array.from({ length: table.rows }, (_, row) => stringAt(texts, row) ?? '{}')
    found = scanDocument(Buffer.from(`{"results":[${rows.join(',')}]}`), fieldsOf(part))
    known.set(part, found)
  }
  return found
}

function fieldsOf(part: string): WireField[] {
  const fields = Object.values(PARTS[part]!).map(([name, type]) => field(name, type))
  if (part === 'underlying_asset') fields.push(...UNDERLYING_PRICE.map((name) => field(name, 'double')))
  return fields
}
