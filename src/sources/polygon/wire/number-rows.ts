import { BYTE, POWERS_OF_TEN } from './cursor.ts'

/** Rows that all have the same fields in the same order, every one a number, written without spaces. */
export interface NumberShape {
  /** Per field: the bytes of its name with quotes and colon, `"vw":`. */
  readonly names: readonly Uint8Array[]
  /** Per field: where its values go. */
  readonly values: readonly Float64Array[]
  /** Per field: what its numbers are multiplied by. */
  readonly factors: readonly number[]
  /** Per field: numbers beyond ±this are not read here. */
  readonly limits: readonly number[]
}

/** Where rows stand and where they go. */
export interface NumberRows {
  readonly bytes: Uint8Array
  /** The opening brace of the next row. */
  pos: number
  /** The next row's number; rows are read while it is below `end`. */
  row: number
  readonly end: number
  /** Takes the place where each row begins. */
  readonly starts: Uint32Array | undefined
}

/**
 * Reads rows of `shape` for as long as they come one after the other, and stops in front of the first that is in any
 * way different, wrong or the last: whoever called reads that one with care. This is the hot path of a page of bars:
 * one function, no calls, nothing made.
 */
export function readNumberRows(rows: NumberRows, shape: NumberShape): void {
  const { bytes, end, starts } = rows
  const { names, values, factors, limits } = shape
  const lastField = names.length - 1
  let { pos, row } = rows
  for (; row < end; row++) {
    let at = pos
    if (bytes[at++] !== BYTE.openBrace) break
    let field = 0
    for (; field <= lastField; field++) {
      const name = names[field]!
      let i = 0
      while (i < name.length && bytes[at + i] === name[i]) i++
      if (i < name.length) break
      at += i
      const negative = bytes[at] === BYTE.minus
      if (negative) at++
      let digit = bytes[at]! ^ BYTE.zero // 0 to 9 for digits, more for every other byte
      if (digit > 9) break
      // As JSON has it, a zero stands alone. Up to nine digits fit in a small integer, which is quicker.
      const head = at + (digit === 0 ? 1 : 9)
      let small = 0
      do {
        small = small * 10 + digit
        digit = bytes[++at]! ^ BYTE.zero
      } while (digit <= 9 && at < head)
      let digits = small
      if (digit <= 9) {
        if (small === 0) break
        do {
          digits = digits * 10 + digit
          digit = bytes[++at]! ^ BYTE.zero
        } while (digit <= 9)
      }
      let scale = 0
      if (digit === (BYTE.dot ^ BYTE.zero)) {
        const first = ++at
        for (digit = bytes[at]! ^ BYTE.zero; digit <= 9; digit = bytes[++at]! ^ BYTE.zero)
          digits = digits * 10 + digit
        scale = at - first
        if (scale === 0 || scale > 22) break
      }
      const size = scale === 0 ? digits : digits / POWERS_OF_TEN[scale]!
      if (digits >= Number.MAX_SAFE_INTEGER || size > limits[field]!) break
      if (bytes[at] !== (field === lastField ? BYTE.closeBrace : BYTE.comma)) break
      at++
      values[field]![row] = (negative ? -size : size) * factors[field]!
    }
    // A row that is followed by another one; the last is left to the caller.
    if (field <= lastField || bytes[at] !== BYTE.comma || bytes[at + 1] !== BYTE.openBrace) break
    if (starts) starts[row] = pos
    pos = at + 1
  }
  rows.pos = pos
  rows.row = row
}
