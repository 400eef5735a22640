import type { Batch } from '../../../core/batch.ts'

/** Columns that an answer does not carry, with the value that they have in all of its rows, as stored. */
export type Constants = Readonly<Record<string, number>>

/** `batch` with `constants` in place of its columns of those names. */
export function withConstants(batch: Batch, constants: Constants): Batch {
  const filled = Object.entries(constants).map(([name, value]) => [
    name,
    new Float64Array(batch.length).fill(value),
  ])
  return { ...batch, columns: { ...batch.columns, ...(Object.fromEntries(filled) as Batch['columns']) } }
}
