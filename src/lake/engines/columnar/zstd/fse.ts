import { BitSink } from './bit-sink.ts'

/** A table of finite state entropy (RFC 8878, section 4.1), made for writing. */
export interface FseTable {
  /** The table has 2^log states. */
  readonly log: number
  /** Per symbol its share of the states. */
  readonly shares: Int32Array
  /** Next states, symbol by symbol. */
  readonly states: Uint16Array
  /** Per symbol what gives the number of bits to write, and where its states begin. */
  readonly deltaBits: Int32Array
  readonly deltaState: Int32Array
}

/**
 * The shares of 2^log states for symbols that were counted, each at least one for what was counted at all, in
 * proportion otherwise. At least two symbols must have been counted, and no more than there are states.
 */
export function shareStates(counts: Uint32Array, total: number, log: number): Int32Array {
  const size = 1 << log
  const shares = new Int32Array(counts.length)
  let left = size
  let most = 0
  for (let symbol = 0; symbol < counts.length; symbol++) {
    if (counts[symbol] === 0) continue
    shares[symbol] = Math.max(1, Math.round((counts[symbol]! * size) / total))
    left -= shares[symbol]!
    if (shares[symbol]! > shares[most]!) most = symbol
  }
  for (; left < 0; left++) shares[indexOfMost(shares)]!--
  shares[indexOfMost(shares)]! += left
  return shares
}

function indexOfMost(shares: Int32Array): number {
  let most = 0
  for (let symbol = 1; symbol < shares.length; symbol++) if (shares[symbol]! > shares[most]!) most = symbol
  return most
}

export function buildFseTable(shares: Int32Array, log: number): FseTable {
  const size = 1 << log
  const deltaBits = new Int32Array(shares.length)
  const deltaState = new Int32Array(shares.length)
  const next = new Int32Array(shares.length)
  let total = 0
  for (let symbol = 0; symbol < shares.length; symbol++) {
    const share = shares[symbol]!
    next[symbol] = total
    deltaState[symbol] = total - share
    const most = log - (share > 1 ? 31 - Math.clz32(share - 1) : 0)
    deltaBits[symbol] = (most << 16) - (share << most)
    total += share
  }
  const states = new Uint16Array(size)
  const symbols = spread(shares, size)
  for (let state = 0; state < size; state++) states[next[symbols[state]!]!++] = size + state
  return { log, shares, states, deltaBits, deltaState }
}

/** Scatters the symbols over the states as the format prescribes. */
function spread(shares: Int32Array, size: number): Uint8Array {
  const symbols = new Uint8Array(size)
  const step = (size >> 1) + (size >> 3) + 3
  let position = 0
  for (let symbol = 0; symbol < shares.length; symbol++) {
    for (let i = 0; i < shares[symbol]!; i++) {
      symbols[position] = symbol
      position = (position + step) & (size - 1)
    }
  }
  return symbols
}

/** The state before the first symbol written, which is the last one read. */
export function firstState({ states, deltaBits, deltaState }: FseTable, symbol: number): number {
  const bits = (deltaBits[symbol]! + (1 << 15)) >> 16
  const value = (bits << 16) - deltaBits[symbol]!
  return states[(value >> bits) + deltaState[symbol]!]!
}

/** Describes the shares, from which a reader makes the table. @returns where the description ends in `bytes` */
export function describeShares(bytes: Uint8Array, at: number, shares: Int32Array, log: number): number {
  const sink = new BitSink(bytes, at)
  sink.add(log - 5, 4)
  let remaining = (1 << log) + 1
  let threshold = 1 << log
  let width = log + 1
  for (let symbol = 0; remaining > 1;) {
    const share = shares[symbol++]!
    const max = 2 * threshold - 1 - remaining
    remaining -= share
    const value = share + 1 >= threshold ? share + 1 + max : share + 1
    sink.add(value, value < max ? width - 1 : width)
    if (share === 0) symbol = skipZeros(sink, shares, symbol)
    while (remaining < threshold) {
      width--
      threshold >>= 1
    }
  }
  return sink.pad()
}

/** After a share of 0, how many more follow: by threes. @returns the next symbol with a share */
function skipZeros(sink: BitSink, shares: Int32Array, from: number): number {
  let symbol = from
  while (shares[symbol] === 0) symbol++
  let zeros = symbol - from
  for (; zeros >= 3; zeros -= 3) sink.add(3, 2)
  sink.add(zeros, 2)
  return symbol
}
