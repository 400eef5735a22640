import { kernels, kernelScratch } from '../core/kernels/index.ts'

/** What a column of numbers holds. */
export interface NumberFacts {
  /** Infinity where there is no number. */
  readonly least: number
  /** -Infinity where there is no number. */
  readonly greatest: number
  /** Rows without a value (NaN). */
  readonly nulls: number
  /** Whether every number is whole; infinities are. */
  readonly whole: boolean
}

/** Values that are looked at together: they stay close to the processor. */
const WINDOW_ROWS = 4096

/** Looks at `values` once. */
export function numberFacts(values: Float64Array): NumberFacts {
  const at = kernelScratch(WINDOW_ROWS * 8 + 16)
  const { memory, numberFacts: look, factsFound } = kernels()
  const window = new Float64Array(memory.buffer, at, WINDOW_ROWS)
  const found = new Float64Array(memory.buffer, factsFound(), 4)
  let [least, greatest, nulls, whole] = [Infinity, -Infinity, 0, true]
  for (let from = 0; from < values.length; from += WINDOW_ROWS) {
    const part = values.subarray(from, from + WINDOW_ROWS)
    window.set(part)
    look(at, part.length)
    least = Math.min(least, found[0]!)
    greatest = Math.max(greatest, found[1]!)
    nulls += found[2]!
    whole &&= found[3] === 1
  }
  return { least, greatest, nulls, whole }
}
