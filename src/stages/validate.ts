import {
  requireColumn,
  sliceBatch,
  takeRows,
  type Batch,
  type ColumnData,
  type ListColumn,
  type StringColumn,
} from '../core/batch.ts'
import { SchemaError } from '../core/errors.ts'
import type { Refusal, RefusalSink, Stage } from '../core/flow.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { compileRule, exact, required, rightTicker, type Check } from './checks.ts'
import { numberFacts, type NumberFacts } from './number-facts.ts'

export interface ValidateOptions {
  /** Only rows of this ticker pass; others break the rule `wrong_ticker`. Default: any ticker. */
  readonly ticker?: string
  /** Where refused rows go; called before the rest of their batch is yielded. */
  readonly onRefused: RefusalSink
  /** Whether `in_session` rules are checked; default true. */
  readonly checkSession?: boolean
}

/**
 * Refuses the rows that break a rule of the dataset; the other rows of their batch pass. Each refused
 * row is handed over with the first rule it breaks: `wrong_ticker`, `missing_value` for null in a column
 * that must not be, `count_not_exact` for a 64-bit integer beyond ±2^53, then the dataset's rules in their order.
 * Of a distrusted batch all rows break the rule `schema_drift`.
 *
 * Shape: columns and row order are kept; a batch without refused rows passes untouched (the same
 *   object), a batch left without rows is not yielded.
 * State: none.
 *
 * @throws {SchemaError} at once, when a rule does not fit the dataset; while iterating, when a batch does not
 */
export function validate(dataset: DatasetDefinition, options: ValidateOptions): Stage {
  const { onRefused } = options
  const checks = compileChecks(dataset, options)
  return async function* validate(batches) {
    for await (const batch of batches) {
      assertFits(dataset, batch)
      const refusals = batch.distrusted === undefined ? findRefusals(checks, batch) : refuseAll(batch)
      if (refusals.length > 0) onRefused(batch, refusals)
      if (refusals.length < batch.length) yield withoutRefused(batch, refusals)
    }
  }
}

function compileChecks(dataset: DatasetDefinition, options: ValidateOptions): readonly Check[] {
  const { ticker, checkSession = true } = options
  const rules = dataset.rules.filter((rule) => checkSession || rule.kind !== 'in_session')
  const named = new Set(rules.flatMap((rule) => (rule.kind === 'required' ? rule.columns : [])))
  const implied = dataset.columns.filter((column) => !column.nullable && !named.has(column.name))
  return [
    ...(ticker === undefined ? [] : [rightTicker(dataset, ticker)]),
    ...implied.map((column) => required(dataset, 'missing_value', column.name)),
    ...dataset.columns.filter(({ type }) => type === 'int64').map(({ name }) => exact(dataset, name)),
    ...rules.flatMap((rule) => compileRule(dataset, rule)),
  ]
}

/** @throws {SchemaError} when a column is missing, of another type or of another length than the batch */
function assertFits(dataset: DatasetDefinition, batch: Batch): void {
  for (const { name, type } of dataset.columns) {
    const length = lengthOf(requireColumn(batch, name, type))
    if (length === batch.length) continue
    throw new SchemaError(`${dataset.name}.${name}: ${length} values in a batch of ${batch.length} rows`)
  }
}

function lengthOf(data: ColumnData): number {
  if ('codes' in data) return (data satisfies StringColumn).codes.length
  if ('offsets' in data) return (data satisfies ListColumn).offsets.length - 1
  return data.length
}

/** Rows that are scanned at a time: few enough to stay in the processor's cache through all checks. */
const BLOCK_ROWS = 4096

function findRefusals(checks: readonly Check[], batch: Batch): Refusal[] {
  const found: Refusal[] = []
  const open = openChecks(checks, batch)
  for (let from = 0; from < batch.length; from += BLOCK_ROWS) {
    const block = sliceBatch(batch, from, Math.min(from + BLOCK_ROWS, batch.length))
    for (const refusal of findInBlock(open, block)) found.push({ ...refusal, row: from + refusal.row })
  }
  return found
}

/** The checks that do not pass at once. */
function openChecks(checks: readonly Check[], batch: Batch): readonly Check[] {
  const known = new Map<string, NumberFacts>()
  return checks.filter(({ quick }) => {
    if (!quick) return true
    const facts = known.get(quick.column) ?? numberFacts(batch.columns[quick.column] as Float64Array)
    known.set(quick.column, facts)
    return !quick.passes(facts)
  })
}

/** In order of row; each row with the first check that it does not pass. */
function findInBlock(checks: readonly Check[], block: Batch): Refusal[] {
  const found = new Map<number, Refusal>()
  for (const check of checks) {
    const scan = check.scan(block)
    for (let row = scan(0); row < block.length; row = scan(row + 1)) {
      if (found.has(row)) continue
      found.set(row, { row, rule: check.rule, reason: check.reason(block, row) })
    }
  }
  return [...found.values()].sort((a, b) => a.row - b.row)
}

/** The rule that rows of a distrusted batch break. */
const DISTRUSTED = 'schema_drift'

const refuseAll = ({ length, distrusted = '' }: Batch): Refusal[] =>
  Array.from({ length }, (_, row) => ({ row, rule: DISTRUSTED, reason: distrusted }))

function withoutRefused(batch: Batch, refusals: readonly Refusal[]): Batch {
  if (refusals.length === 0) return batch
  const refused = new Set(refusals.map(({ row }) => row))
  const rows = new Uint32Array(batch.length - refused.size)
  let kept = 0
  for (let row = 0; row < batch.length; row++) {
    if (!refused.has(row)) rows[kept++] = row
  }
  return takeRows(batch, rows)
}
