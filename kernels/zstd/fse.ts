// Tables of finite state entropy (RFC 8878, section 4.1), made for writing.
import { addBits, openBits, padBits } from './bits'

/** More than there are symbols of any sort. */
export const MAX_SYMBOLS = 64
const MAX_STATES = 256

/** Where the parts of a table stand. */
const SHARES = 4
const DELTA_BITS = SHARES + 4 * MAX_SYMBOLS
const DELTA_STATE = DELTA_BITS + 4 * MAX_SYMBOLS
const STATES = DELTA_STATE + 4 * MAX_SYMBOLS
/**
 * Bytes of a table. It has 2^log states (its first word) and, per symbol, a share of them, what gives the number of bits to
 * write, and where its next states begin.
 */
export const TABLE_BYTES: i32 = STATES + 2 * MAX_STATES

const next: usize = memory.data(4 * MAX_SYMBOLS, 16)
const spread: usize = memory.data(MAX_STATES, 16)

function shareOf(table: usize, symbol: i32): i32 {
  return load<i32>(table + ((<usize>symbol) << 2), SHARES)
}

function setShare(table: usize, symbol: i32, share: i32): void {
  store<i32>(table + ((<usize>symbol) << 2), share, SHARES)
}

function symbolOfMost(table: usize, symbols: i32): i32 {
  let most = 0
  for (let symbol = 1; symbol < symbols; symbol++) {
    if (shareOf(table, symbol) > shareOf(table, most)) most = symbol
  }
  return most
}

/**
 * Makes the table of 2^`log` states for symbols that were counted, each with one state at least, in proportion otherwise. Two
 * symbols at least must have been counted, and no more than there are states.
 */
export function buildTable(table: usize, counts: usize, symbols: i32, total: i32, log: i32): void {
  const size = 1 << log
  let left = size
  for (let symbol = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + ((<usize>symbol) << 2))
    const share = count === 0 ? 0 : max(1, <i32>Math.floor((<f64>count * <f64>size) / <f64>total + 0.5))
    setShare(table, symbol, share)
    left -= share
  }
  for (; left < 0; left++) {
    const most = symbolOfMost(table, symbols)
    setShare(table, most, shareOf(table, most) - 1)
  }
  const most = symbolOfMost(table, symbols)
  setShare(table, most, shareOf(table, most) + left)
  fillStates(table, symbols, log)
}

/** A table of one symbol and one state: it takes no bits. */
export function singleTable(table: usize): void {
  memory.fill(table, 0, TABLE_BYTES)
}

function fillStates(table: usize, symbols: i32, log: i32): void {
  const size = 1 << log
  store<i32>(table, log)
  let total = 0
  for (let symbol = 0; symbol < symbols; symbol++) {
    const share = shareOf(table, symbol)
    const most = log - (share > 1 ? 31 - clz(share - 1) : 0)
    const at = table + ((<usize>symbol) << 2)
    store<i32>(next + ((<usize>symbol) << 2), total)
    store<i32>(at, total - share, DELTA_STATE)
    store<i32>(at, (most << 16) - (share << most), DELTA_BITS)
    total += share
  }
  scatter(table, symbols, size)
  for (let state = 0; state < size; state++) {
    const place = next + ((<usize>load<u8>(spread + <usize>state)) << 2)
    const at = load<i32>(place)
    store<i32>(place, at + 1)
    store<u16>(table + ((<usize>at) << 1), <u16>(size + state), STATES)
  }
}

/** Scatters the symbols over the states as the format prescribes. */
function scatter(table: usize, symbols: i32, size: i32): void {
  const step = (size >> 1) + (size >> 3) + 3
  let place = 0
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (let i = shareOf(table, symbol); i > 0; i--) {
      store<u8>(spread + <usize>place, <u8>symbol)
      place = (place + step) & (size - 1)
    }
  }
}

/** The state before the first symbol written, which is the last one read. */
export function firstState(table: usize, symbol: i32): i32 {
  const delta = load<i32>(table + ((<usize>symbol) << 2), DELTA_BITS)
  const bits = (delta + (1 << 15)) >> 16
  const value = (bits << 16) - delta
  return load<u16>(
    table + ((<usize>((value >> bits) + load<i32>(table + ((<usize>symbol) << 2), DELTA_STATE))) << 1),
    STATES,
  )
}

/** How many of the lowest bits of `state` lead to `symbol`. */
export function bitsTo(table: usize, state: i32, symbol: i32): i32 {
  return (state + load<i32>(table + ((<usize>symbol) << 2), DELTA_BITS)) >> 16
}

/** The state that follows `state`, once those bits are written. */
export function stateAfter(table: usize, state: i32, symbol: i32, bits: i32): i32 {
  const place = (state >> bits) + load<i32>(table + ((<usize>symbol) << 2), DELTA_STATE)
  return load<u16>(table + ((<usize>place) << 1), STATES)
}

export function logOf(table: usize): i32 {
  return load<i32>(table)
}

/** Describes the shares, from which a reader makes the table. @returns where the description ends */
export function describeTable(table: usize, at: usize): usize {
  const log = logOf(table)
  openBits(at)
  addBits(<u64>(log - 5), 4)
  let remaining = (1 << log) + 1
  let threshold = 1 << log
  let width = log + 1
  let symbol = 0
  while (remaining > 1) {
    const share = shareOf(table, symbol++)
    const most = 2 * threshold - 1 - remaining
    remaining -= share
    const value = share + 1 >= threshold ? share + 1 + most : share + 1
    addBits(<u64>value, value < most ? width - 1 : width)
    if (share === 0) symbol = skipZeros(table, symbol)
    while (remaining < threshold) {
      width--
      threshold >>= 1
    }
  }
  return padBits()
}

/** After a share of 0, how many more follow: by threes. @returns the next symbol with a share */
function skipZeros(table: usize, from: i32): i32 {
  let symbol = from
  while (shareOf(table, symbol) === 0) symbol++
  let zeros = symbol - from
  for (; zeros >= 3; zeros -= 3) addBits(3, 2)
  addBits(<u64>zeros, 2)
  return symbol
}
