import type { PageEvent } from '../../sources/polygon/options.ts'

/** How a field differs from what the dataset's definition expects. */
export type DriftChange = 'new' | 'renamed' | 'missing' | 'null' | 'retyped' | 'range'

/** One difference in one page. */
export interface Observation {
  /** Name on the wire; of a renamed field the name it had. */
  readonly field: string
  readonly change: DriftChange
  /** Rows concerned. */
  readonly count: number
  /** What it is called now. */
  readonly to?: string
  /** Usual size of its values before and now. */
  readonly detail?: string
}

/** What is usual of a field: whether it ever came, and the size of its values. */
export interface Baseline {
  readonly typical?: number | undefined
}
/** By field. */
export type Baselines = ReadonlyMap<string, Baseline>

/** Of a page with fewer rows nothing is said about fields that may be absent. */
const TELLING_ROWS = 50
/** Rows looked at in a page, about. */
const SAMPLED_ROWS = 512

/**
 * Compares the fields of a page with those that the dataset's mapping asks for. Looks at a sample of the rows: it costs
 * nothing beside reading the page.
 *
 * @param before what was usual of this series until now
 */
export function observePage(
  { table, mapping, dataset, body }: PageEvent,
  before: Baselines,
  rangeRatio: number,
): { readonly observations: readonly Observation[]; readonly baselines: Map<string, Baseline> } {
  const columnOf = new Map(Object.entries(mapping.columns).map(([column, field]) => [field, column]))
  const nullable = new Map(dataset.columns.map((column) => [column.name, column.nullable]))
  const observations: Observation[] = []
  const baselines = new Map<string, Baseline>()
  for (const { name, type } of mapping.fields) {
    const data = table.columns.get(name)
    if (!(data instanceof Float64Array) || type === 'ms' || type === 'date') continue
    const { typical, share } = sampleOf(data)
    const isRequired = nullable.get(columnOf.get(name) ?? '') === false
    const known = before.get(name)
    const mayJudge = isRequired || (known !== undefined && table.rows >= TELLING_ROWS)
    if (share > 0) baselines.set(name, { typical })
    if (share === 0 && mayJudge && !table.wrongTypes.has(name)) {
      const isThere = body.includes(JSON.stringify(name))
      if (!isThere || table.rows >= 5) {
        observations.push({ field: name, change: isThere ? 'null' : 'missing', count: table.rows })
      }
    }
    const ratio = (typical ?? NaN) / (known?.typical ?? NaN)
    if (isRequired && table.rows >= TELLING_ROWS && (ratio >= rangeRatio || ratio <= 1 / rangeRatio)) {
      const detail = `usually ${rounded(known!.typical!)}, now ${rounded(typical!)}`
      observations.push({ field: name, change: 'range', count: table.rows, detail })
    }
  }
  for (const [field, count] of table.wrongTypes) observations.push({ field, change: 'retyped', count })
  for (const [field, count] of table.unknownFields) observations.push({ field, change: 'new', count })
  return { observations: joinRenamed(observations), baselines }
}

const rounded = (value: number): string => String(Number(value.toPrecision(3)))

/** The median of a sample of the values, and the share of it that is not null. */
function sampleOf(values: Float64Array): { typical: number | undefined; share: number } {
  const step = Math.max(1, Math.floor(values.length / SAMPLED_ROWS))
  const known: number[] = []
  let looked = 0
  for (let row = 0; row < values.length; row += step, looked++) {
    const value = values[row]!
    if (!Number.isNaN(value)) known.push(Math.abs(value))
  }
  known.sort((a, b) => a - b)
  return { typical: known[known.length >> 1], share: looked === 0 ? 0 : known.length / looked }
}

/** A field that is missing from as many rows as another is new in has probably been renamed. */
function joinRenamed(observations: readonly Observation[]): Observation[] {
  const missing = observations.filter(({ change }) => change === 'missing')
  const fresh = observations.filter(({ change }) => change === 'new')
  const isPair = missing.length === 1 && fresh.length === 1 && missing[0]!.count === fresh[0]!.count
  if (!isPair) return [...observations]
  const renamed: Observation = { ...missing[0]!, change: 'renamed', to: fresh[0]!.field }
  return [...observations.filter((one) => one !== missing[0]), renamed]
}
