import { NS_NULL, type ColumnData } from '../../core/batch.ts'
import { isNullAt } from '../../core/nulls.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { PageEvent } from '../../sources/polygon/options.ts'
import type { LiveRows } from '../../sources/polygon/socket/event-table.ts'
import type { RowMapping } from '../../sources/polygon/wire/fields.ts'
import type { WireTable } from '../../sources/polygon/wire/scan.ts'
import type { Baseline, Baselines, Observation } from './observation.ts'
import { daysOf, observeDays, rounded } from './page-days.ts'
import { joinRenamed, type SampleRow } from './renamed.ts'

/** Of a page with fewer rows nothing is said about fields that may be absent. */
const TELLING_ROWS = 50
/** Rows looked at in a page, about. */
const SAMPLED_ROWS = 512

/**
 * Compares the fields of a page with those that the dataset's mapping asks for, those of objects within its rows as
 * well. Looks at a sample of the rows: it costs nothing beside reading the page.
 *
 * @param before what was usual of this series until now
 */
export function observePage(
  { table, mapping, dataset, body }: PageEvent,
  before: Baselines,
  rangeRatio: number,
): { readonly observations: readonly Observation[]; readonly baselines: Map<string, Baseline> } {
  const rows = sampleRows(body)
  const baselines = new Map<string, Baseline>()
  const has = (name: string): boolean => body.includes(JSON.stringify(name))
  const shared = { dataset, before, rangeRatio, baselines, has }
  const observations = observeTable({ ...shared, table, mapping, prefix: '', rows })
  for (const { name, ...part } of mapping.parts?.(table) ?? []) {
    const inner = (): readonly SampleRow[] => rows().map((row) => (row[name] ?? {}) as SampleRow)
    observations.push(...observeTable({ ...shared, ...part, prefix: `${name}.`, rows: inner }))
  }
  return { observations, baselines }
}

/** The rows of a page as JSON has them, read when first asked for: where something has changed. */
function sampleRows(body: Buffer): () => readonly SampleRow[] {
  let known: readonly SampleRow[] | undefined
  return () => {
    if (known) return known
    const { results } = JSON.parse(body.toString('utf8')) as { results?: unknown }
    const rows = (Array.isArray(results) ? results : [results]) as unknown[]
    known = rows.map((row) => (row !== null && typeof row === 'object' ? row : {}) as SampleRow)
    return known
  }
}

interface Observed {
  readonly dataset: DatasetDefinition
  readonly table: WireTable
  readonly mapping: Pick<RowMapping, 'fields' | 'columns' | 'ignored' | 'sparse'>
  /** Before names of fields of an object within a row: `greeks.`. */
  readonly prefix: string
  readonly before: Baselines
  readonly rangeRatio: number
  /** Filled with what is usual from now on. */
  readonly baselines: Map<string, Baseline>
  readonly rows: () => readonly SampleRow[]
  readonly has: (name: string) => boolean
}

/** Columns whose values have a usual size. */
const SIZED: ReadonlySet<string> = new Set(['double', 'int64', 'decimal'])

function observeTable(observed: Observed): Observation[] {
  const { dataset, table, mapping, prefix, before, rangeRatio, baselines, has } = observed
  const columnOf = new Map(Object.entries(mapping.columns).map(([column, field]) => [field, column]))
  const nullable = new Map(dataset.columns.map((column) => [column.name, column.nullable]))
  const observations: Observation[] = []
  /** Fields whose absence says nothing, unless another one has come for each. */
  const perhaps = new Set<string>()
  for (const { name, type } of mapping.fields) {
    const field = prefix + name
    const { typical, share } = sampleOf(table.columns.get(name)!, SIZED.has(type))
    const isRequired = nullable.get(columnOf.get(name) ?? '') === false
    const known = before.get(field)
    const mayJudge = isRequired || (known !== undefined && table.rows >= TELLING_ROWS)
    if (share > 0) baselines.set(field, typical === undefined ? {} : { typical })
    if (share === 0 && mayJudge && !table.wrongTypes.has(name)) {
      const isThere = has(name)
      if (mapping.sparse && !isRequired) {
        if (!isThere) perhaps.add(field)
        else continue
      }
      if (!isThere || table.rows >= 5)
        observations.push({ field, change: isThere ? 'null' : 'missing', count: table.rows })
    }
    const ratio = (typical ?? NaN) / (known?.typical ?? NaN)
    if (isRequired && table.rows >= TELLING_ROWS && (ratio >= rangeRatio || ratio <= 1 / rangeRatio)) {
      const detail = `usually ${rounded(known!.typical!)}, now ${rounded(typical!)}`
      observations.push({ field, change: 'range', count: table.rows, detail })
    }
  }
  if (prefix === '' && !mapping.sparse) observations.push(...daysWithin(observed, observations))
  observations.push(...namedChanges(table, mapping, prefix))
  const usual = new Map([...baselines, ...before])
  const joined = joinRenamed(observations, { ...observed, before: usual, fields: mapping.fields })
  return joined.filter(({ change, field }) => change !== 'missing' || !perhaps.has(field))
}

const PRICES = ['open', 'high', 'low', 'close', 'price', 'bid_price', 'ask_price'] as const

/** What changes from one day of the page to another, of fields of which nothing was `told` yet. */
function daysWithin(observed: Observed, told: readonly Observation[]): Observation[] {
  const { dataset, table, mapping } = observed
  const required = dataset.columns
    .filter(({ nullable }) => !nullable)
    .map(({ name }) => mapping.columns[name])
  const fields = mapping.fields.filter(({ name }) => !told.some(({ field }) => field === name))
  const sized = fields.filter(({ name, type }) => SIZED.has(type) && required.includes(name))
  const days = daysOf(table.columns.get(mapping.columns[dataset.eventColumn] ?? ''))
  const names = sized.map(({ name }) => name)
  const prices = new Set([...PRICES].map((column) => mapping.columns[column] ?? ''))
  return observeDays({ ...observed, fields, days, sized: new Set(names), prices })
}

/** As {@link observePage}, of live events: they come a few at a time, so that only what they say for sure counts. */
export function observeLive(rows: LiveRows): Observation[] {
  const { dataset, batch, mapping } = rows
  const observations = namedChanges(rows, mapping)
  for (const { name, nullable } of dataset.columns) {
    const field = mapping.columns[name]
    if (nullable || field === undefined || batch.length === 0 || rows.wrongTypes.has(field)) continue
    const data = batch.columns[name]!
    if (!isNullAt(data, 0) || sampleOf(data, false).share > 0) continue
    const isThere = batch.sentText?.(0).includes(JSON.stringify(field)) === true
    observations.push({ field, change: isThere ? 'null' : 'missing', count: batch.length })
  }
  const sample = (): readonly SampleRow[] => [JSON.parse(batch.sentText?.(0) ?? '{}') as SampleRow]
  return joinRenamed(observations, { fields: mapping.fields, prefix: '', before: new Map(), rows: sample })
}

/** What reading `table` has noticed, in the objects of its rows as well: fields and types that it did not expect. */
export function strangers(table: WireTable, mapping: RowMapping): Observation[] {
  const parts = mapping.parts?.(table) ?? []
  return [
    ...namedChanges(table, mapping),
    ...parts.flatMap((part) => namedChanges(part.table, part.mapping, `${part.name}.`)),
  ]
}

/** What reading itself has noticed: values of another type, and fields that nobody asked for. */
function namedChanges(
  { wrongTypes, unknownFields }: Pick<WireTable, 'wrongTypes' | 'unknownFields'>,
  { ignored = [] }: Pick<RowMapping, 'ignored'>,
  prefix = '',
): Observation[] {
  const fresh = [...unknownFields].filter(([field]) => !ignored.includes(field))
  return [
    ...[...wrongTypes].map(
      ([field, count]) => ({ field: prefix + field, change: 'retyped', count }) as const,
    ),
    ...fresh.map(([field, count]) => ({ field: prefix + field, change: 'new', count }) as const),
  ]
}

/** The median of a sample of the values, where they have a size, and the share of it that is not null. */
function sampleOf(data: ColumnData, isSized: boolean): { typical: number | undefined; share: number } {
  if ('offsets' in data) return { typical: undefined, share: data.values.length > 0 ? 1 : 0 }
  const values = 'codes' in data ? data.codes : data
  const step = Math.max(1, Math.floor(values.length / SAMPLED_ROWS))
  const known: number[] = []
  let [looked, present] = [0, 0]
  for (let row = 0; row < values.length; row += step, looked++) {
    const value = values[row]!
    const isNull = 'codes' in data ? value === -1 : value === NS_NULL || Number.isNaN(value)
    if (isNull) continue
    present++
    if (isSized && typeof value === 'number') known.push(Math.abs(value))
  }
  known.sort((a, b) => a - b)
  return { typical: known[known.length >> 1], share: looked === 0 ? 0 : present / looked }
}
