import { NS_NULL } from '../../../core/batch.ts'
import { BYTE, isDigit, type JsonCursor } from './cursor.ts'

/** Every instant from 2001 to 2262 has 19 digits: seconds, then nanoseconds. */
const HIGH_DIGITS = 10
const LOW_DIGITS = 9
const MIN_HIGH = 1_000_000_000
const MAX_HIGH = 9_223_372_036
const BILLION = 1_000_000_000
const WORD = 2 ** 32
const HALF_WORD = 2 ** 16
const MAX_NS = 2n ** 63n - 1n
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/**
 * Reads the number at the cursor into `values[row]` without ever rounding it.
 * Returns false, and writes nothing, when it is not an integer that fits 64 bits.
 */
export function readNs(cursor: JsonCursor, values: BigInt64Array, row: number): boolean {
  const { bytes, pos: start } = cursor
  const end = start + HIGH_DIGITS + LOW_DIGITS
  const high = digitsOf(bytes, start, start + HIGH_DIGITS)
  const low = digitsOf(bytes, start + HIGH_DIGITS, end)
  const isPlain = high >= MIN_HIGH && high < MAX_HIGH && low >= 0 && !continuesNumber(bytes[end])
  if (!isPlain) return readNsSlowly(cursor, values, row)
  storeNs(values, row, high, low)
  cursor.pos = end
  return true
}

/** The number that the digits in [start, end) write; -1 when one of them is no digit. */
function digitsOf(bytes: Buffer, start: number, end: number): number {
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - BYTE.zero
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value
}

const continuesNumber = (byte: number | undefined): boolean =>
  isDigit(byte) || byte === BYTE.dot || (byte! | 0x20) === BYTE.e

/**
 * Writes high × 10⁹ + low as two 32-bit words, every step exact in doubles: a BigInt for each of
 * millions of timestamps costs ten times as much.
 */
function storeNs(values: BigInt64Array, row: number, high: number, low: number): void {
  const upper = Math.floor(high / HALF_WORD) * BILLION // × 2^16
  const lower = (high % HALF_WORD) * BILLION + low + (upper % HALF_WORD) * HALF_WORD
  const highWord = Math.floor(upper / HALF_WORD) + Math.floor(lower / WORD)
  const words = wordsOf(values)
  words[2 * row + (LITTLE_ENDIAN ? 0 : 1)] = lower % WORD
  words[2 * row + (LITTLE_ENDIAN ? 1 : 0)] = highWord
}

const views = new WeakMap<BigInt64Array, Uint32Array>()

function wordsOf(values: BigInt64Array): Uint32Array {
  let words = views.get(values)
  if (!words)
    views.set(values, (words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2)))
  return words
}

/** Integers of another length, negative ones, and those written like 1.7e18 or 5.0. */
function readNsSlowly(cursor: JsonCursor, values: BigInt64Array, row: number): boolean {
  const start = cursor.pos
  cursor.number() // steps over it, checks its grammar
  const value = exactInteger(cursor.bytes.toString('latin1', start, cursor.pos))
  if (value === undefined || value > MAX_NS || value <= NS_NULL) return false
  values[row] = value
  return true
}

function exactInteger(text: string): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (!match) return undefined
  const [, sign, whole, fraction = '', exponent = '0'] = match
  const zeros = Number(exponent) - fraction.length
  const digits = `${whole}${fraction}`
  if (zeros > 40) return /^0*$/.test(digits) ? 0n : undefined
  if (zeros < 0 && !/^0*$/.test(digits.slice(zeros))) return undefined
  const magnitude = zeros < 0 ? digits.slice(0, zeros) || '0' : digits + '0'.repeat(zeros)
  return BigInt(`${sign}${magnitude}`)
}

/** Microseconds, rounded down, of exact nanoseconds; null stays null (NaN). */
export function microsecondsOf(values: BigInt64Array): Float64Array {
  const words = wordsOf(values)
  const highs = new Int32Array(words.buffer, words.byteOffset, words.length)
  const out = new Float64Array(values.length)
  for (let row = 0; row < out.length; row++) {
    const low = words[2 * row + (LITTLE_ENDIAN ? 0 : 1)]!
    const high = highs[2 * row + (LITTLE_ENDIAN ? 1 : 0)]!
    const isNull = low === 0 && high === -(2 ** 31)
    // high × 2^32 / 1000 = high × 4294967 + high × 296 / 1000, every step exact
    out[row] = isNull ? NaN : high * 4_294_967 + Math.floor((high * 296 + low) / 1000)
  }
  return out
}
