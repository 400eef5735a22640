import { halvesOf } from '../../../core/sort.ts'
import type { ByteWriter } from './byte-writer.ts'
import { DELTA_RANGE, encodeDelta } from './delta.ts'

/** How the values of a numeric column are written; `at` are positions in the column. All take at least one value. */
export interface NumberCodec<Values> {
  /** PLAIN: the bytes of values, one after the other. */
  plain(out: ByteWriter, values: Values): void
  /** The values at `at`, as a column of their own. */
  pick(values: Values, at: Uint32Array): Values
  /** DELTA_BINARY_PACKED; false when it cannot hold the values. Absent where the type has no such encoding. */
  delta?(out: ByteWriter, values: Values): boolean
  /** The least and the greatest value, as PLAIN has them. */
  extremes(values: Values): readonly [Uint8Array, Uint8Array]
}

const bytesOf = (values: Float64Array | BigInt64Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength) // little-endian machines

function pickNumbers(values: Float64Array, at: Uint32Array): Float64Array {
  const picked = new Float64Array(at.length) // a loop, as Float64Array.from() makes garbage per value
  for (let i = 0; i < at.length; i++) picked[i] = values[at[i]!]!
  return picked
}

function range(values: Float64Array): readonly [number, number] {
  let least = values[0]!
  let greatest = least
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!
    if (value < least) least = value
    if (value > greatest) greatest = value
  }
  return [least, greatest]
}

/** Of the two zeros the statistics name the outer one, whichever is there: readers compare in different ways. */
export const DOUBLES: NumberCodec<Float64Array> = {
  plain: (out, values) => out.bytes(bytesOf(values)),
  pick: pickNumbers,
  extremes: (values) => {
    const [least, greatest] = range(values)
    return [
      bytesOf(Float64Array.of(least === 0 ? -0 : least)),
      bytesOf(Float64Array.of(greatest === 0 ? 0 : greatest)),
    ]
  },
}

const TWO_32 = 2 ** 32

function plainWhole64(out: ByteWriter, values: Float64Array): void {
  const words = new Uint32Array(2 * values.length)
  for (let i = 0; i < values.length; i++) {
    const high = Math.floor(values[i]! / TWO_32)
    words[2 * i] = values[i]! - high * TWO_32
    words[2 * i + 1] = high
  }
  out.bytes(new Uint8Array(words.buffer))
}

function plainWhole32(out: ByteWriter, values: Float64Array): void {
  out.bytes(new Uint8Array(Int32Array.from(values).buffer))
}

function deltaWhole(out: ByteWriter, values: Float64Array): boolean {
  const [least, greatest] = range(values)
  if (greatest - least > DELTA_RANGE) return false
  encodeDelta(out, values, BigInt(values[0]!))
  return true
}

/** INT64 of whole numbers within ±2^53. */
export const WHOLE_64: NumberCodec<Float64Array> = {
  plain: plainWhole64,
  pick: pickNumbers,
  delta: deltaWhole,
  extremes: (values) => {
    const [least, greatest] = range(values)
    return [bytesOf(BigInt64Array.of(BigInt(least))), bytesOf(BigInt64Array.of(BigInt(greatest)))]
  },
}

const INT32_DELTA_RANGE = 2 ** 30

/** INT32. */
export const WHOLE_32: NumberCodec<Float64Array> = {
  plain: plainWhole32,
  pick: pickNumbers,
  delta: (out, values) => {
    const [least, greatest] = range(values)
    return greatest - least <= INT32_DELTA_RANGE && deltaWhole(out, values)
  },
  extremes: (values) => {
    const [least, greatest] = range(values)
    return [new Uint8Array(Int32Array.of(least).buffer), new Uint8Array(Int32Array.of(greatest).buffer)]
  },
}

/** INT64, every bit of them. */
export const NANOSECONDS: NumberCodec<BigInt64Array> = {
  plain: (out, values) => out.bytes(bytesOf(values)),
  pick: (values, at) => BigInt64Array.from(at as unknown as ArrayLike<bigint>, (_, i) => values[at[i]!]!),
  delta: (out, values) => {
    const relative = fromFirst(values)
    const [least, greatest] = range(relative)
    if (greatest - least > DELTA_RANGE) return false
    encodeDelta(out, relative, values[0]!)
    return true
  },
  extremes: (values) => {
    const [high, low] = halvesOf(values)
    let [least, greatest] = [0, 0]
    const compare = (a: number, b: number): number =>
      high[2 * a + 1]! - high[2 * b + 1]! || low[2 * a]! - low[2 * b]!
    for (let i = 1; i < values.length; i++) {
      if (compare(i, least) < 0) least = i
      else if (compare(i, greatest) > 0) greatest = i
    }
    return [bytesOf(values.slice(least, least + 1)), bytesOf(values.slice(greatest, greatest + 1))]
  },
}

/** Distances to the first value: exact below 2^53, and not below that where they are rounded. */
function fromFirst(values: BigInt64Array): Float64Array {
  const [high, low] = halvesOf(values)
  const relative = new Float64Array(values.length)
  for (let i = 0; i < values.length; i++) {
    relative[i] = (high[2 * i + 1]! - high[1]!) * TWO_32 + (low[2 * i]! - low[0]!)
  }
  return relative
}
