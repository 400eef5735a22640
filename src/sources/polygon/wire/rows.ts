import { constantString, NS_NULL, type Batch, type ColumnData, type Origin } from '../../../core/batch.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../../market/dataset.ts'
import { checkEnvelope, type Envelope } from './envelope.ts'
import { WireError } from './cursor.ts'
import type { RowMapping } from './fields.ts'
import { scanDocument, type WireTable } from './scan.ts'

/** One page of an answer, read and checked. */
export interface Page {
  readonly envelope: Envelope
  readonly table: WireTable
}

/** Words of `status` that mean a refusal; one that comes as a success must not pass for an empty answer. */
const REFUSALS: ReadonlySet<string> = new Set(['ERROR', 'NOT_AUTHORIZED', 'NOT_FOUND'])

/**
 * Reads a body whose `results` are rows.
 *
 * @throws {WireError} when it is not JSON, its envelope is not the documented one, it holds fewer rows
 *   than it announces, it is a refusal, or its prices are adjusted although raw ones were asked for
 */
export function readPage(body: Buffer, mapping: RowMapping): Page {
  const table = scanDocument(body, mapping.fields)
  const envelope = checkEnvelope(table.envelope)
  if (REFUSALS.has(envelope.status ?? ''))
    throw new WireError(
      `status ${envelope.status}: ${envelope.error ?? envelope.message ?? 'no reason given'}`,
    )
  const announced = envelope.resultsCount ?? 0
  if (table.rows < announced)
    throw new WireError(`'resultsCount' announces ${announced} rows but 'results' holds ${table.rows}`)
  if (envelope.adjusted === true && table.rows > 0)
    throw new WireError("the rows are adjusted for splits although 'adjusted=false' was asked for")
  return { envelope, table }
}

/**
 * The rows of `page` as a batch of `dataset`. Rows that name no ticker get the one in the envelope, or
 * `ticker`, the one asked for: a vendor that answers for another symbol must not go unnoticed.
 */
export function toBatch(
  dataset: DatasetDefinition,
  mapping: RowMapping,
  page: Page,
  ticker: string,
  origin: Origin,
): Batch {
  const { table, envelope } = page
  const columns: Record<string, ColumnData> = {}
  for (const column of dataset.columns) {
    const { name } = column
    const wire = mapping.columns[name]
    if (wire !== undefined) columns[name] = table.columns.get(wire)!
    else if (mapping.derived[name]) columns[name] = mapping.derived[name](table)
    else if (name === 'ticker') columns[name] = constantString(envelope.ticker ?? ticker, table.rows)
    else columns[name] = nullColumn(column, table.rows)
  }
  const { rowText } = table
  const sent = rowText ? { sentText: rowText } : {}
  return { dataset: dataset.name, length: table.rows, schema: dataset.columns, columns, origin, ...sent }
}

function nullColumn({ type }: ColumnDefinition, rows: number): ColumnData {
  switch (type) {
    case 'ns':
      return new BigInt64Array(rows).fill(NS_NULL)
    case 'string':
      return { codes: new Int32Array(rows).fill(-1), dictionary: [] }
    case 'int_list':
      return { offsets: new Uint32Array(rows + 1), values: new Int32Array(0) }
    default:
      return new Float64Array(rows).fill(NaN)
  }
}
