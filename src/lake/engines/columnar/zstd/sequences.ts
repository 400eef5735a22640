import { BitSink } from './bit-sink.ts'
import { buildFseTable, describeShares, firstState, shareStates, type FseTable } from './fse.ts'

/** Matches of a block (RFC 8878, section 3.1.1.3.2), one after the other. */
export interface Sequences {
  readonly count: number
  /** Literals before the match. */
  readonly literals: Uint32Array
  /** Bytes matched, at least 3. */
  readonly lengths: Uint32Array
  /** Distance plus 3, or 1 for the distance of the sequence before (only after literals). */
  readonly offsets: Uint32Array
}

/** What codes above `direct` stand for: where each starts, and how many extra bits say the rest. */
interface Scale {
  readonly direct: number
  readonly starts: Int32Array
  readonly bits: Int32Array
}

const LITERALS: Scale = {
  direct: 16,
  starts: Int32Array.of(16, 18, 20, 22, 24, 28, 32, 40, 48, 64, ...powers(7, 16)),
  bits: Int32Array.of(1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
}
/** Lengths are counted from the shortest match. */
const SHORTEST = 3
const LENGTHS: Scale = {
  direct: 32,
  starts: Int32Array.of(32, 34, 36, 38, 40, 44, 48, 56, 64, 80, 96, ...powers(7, 16)),
  bits: Int32Array.of(1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
}

function powers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i))
}

/** Codes of small values; above, a code per power of two. */
const codesUpTo = (scale: Scale, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, value) => {
    if (value < scale.direct) return value
    let code = scale.starts.length - 1
    while (scale.starts[code]! > value) code--
    return scale.direct + code
  })
const LITERALS_CODES = codesUpTo(LITERALS, 64)
const LENGTH_CODES = codesUpTo(LENGTHS, 128)

const literalsCode = (value: number): number => (value < 64 ? LITERALS_CODES[value]! : 50 - Math.clz32(value))
const lengthCode = (value: number): number => (value < 128 ? LENGTH_CODES[value]! : 67 - Math.clz32(value))

/** The three states of a sequence take no more than 24 bits in all. */
const MAX_LOG = 8

/** A table and how it is announced; `log` 0: one code only, without bits. */
interface Coding {
  readonly mode: 1 | 2
  readonly table: FseTable
}

const codes = {
  literals: new Uint8Array(1024),
  lengths: new Uint8Array(1024),
  offsets: new Uint8Array(1024),
}

/** Writes the sequences section. @returns where it ends in `out` */
export function writeSequences(sequences: Sequences, out: Uint8Array, start: number): number {
  const { count } = sequences
  let at = writeCount(count, out, start)
  if (count === 0) return at
  const { literals, lengths, offsets } = assignCodes(sequences)
  const modes = at++
  const [l, o, m] = [literals, offsets, lengths].map((counts) => {
    const coding = chooseCoding(counts, count)
    if (coding.mode === 1) out[at++] = coding.table.shares.length - 1
    else at = describeShares(out, at, coding.table.shares, coding.table.log)
    return coding
  }) as [Coding, Coding, Coding]
  out[modes] = (l.mode << 6) | (o.mode << 4) | (m.mode << 2)
  return writeBits(sequences, { l: l.table, o: o.table, m: m.table }, out, at)
}

function writeCount(count: number, out: Uint8Array, start: number): number {
  let at = start
  if (count < 128) out[at++] = count
  else if (count < 0x7f00) {
    out[at++] = (count >> 8) + 128
    out[at++] = count
  } else {
    out[at++] = 255
    out[at++] = count - 0x7f00
    out[at++] = (count - 0x7f00) >> 8
  }
  return at
}

function assignCodes({ count, literals, lengths, offsets }: Sequences): Counts {
  if (codes.literals.length < count) {
    codes.literals = new Uint8Array(2 * count)
    codes.lengths = new Uint8Array(2 * count)
    codes.offsets = new Uint8Array(2 * count)
  }
  const { literals: codesL, lengths: codesM, offsets: codesO } = codes
  const [countsL, countsM, countsO] = [new Uint32Array(KINDS), new Uint32Array(KINDS), new Uint32Array(KINDS)]
  for (let i = 0; i < count; i++) {
    const codeL = literalsCode(literals[i]!)
    const codeM = lengthCode(lengths[i]! - SHORTEST)
    const codeO = 31 - Math.clz32(offsets[i]!)
    codesL[i] = codeL
    codesM[i] = codeM
    codesO[i] = codeO
    countsL[codeL]!++
    countsM[codeM]!++
    countsO[codeO]!++
  }
  return { literals: countsL, lengths: countsM, offsets: countsO }
}

/** More than there are codes of any sort. */
const KINDS = 64

/** How often each code comes. */
interface Counts {
  readonly literals: Uint32Array
  readonly lengths: Uint32Array
  readonly offsets: Uint32Array
}

function chooseCoding(counts: Uint32Array, count: number): Coding {
  const highest = counts.findLastIndex((one) => one > 0)
  const kinds = counts.filter((one) => one > 0).length
  if (kinds === 1) return { mode: 1, table: singleTable(highest) }
  const fits = Math.ceil(Math.log2(2 * kinds)) // at least two states per code, on average
  const log = Math.min(MAX_LOG, Math.max(5, fits, 32 - Math.clz32(count >> 4)))
  const shares = shareStates(counts.subarray(0, highest + 1), count, log)
  return { mode: 2, table: buildFseTable(shares, log) }
}

/** Of one symbol and one state: it takes no bits. */
function singleTable(symbol: number): FseTable {
  const none = new Int32Array(symbol + 1)
  return { log: 0, shares: none, states: Uint16Array.of(0), deltaBits: none, deltaState: none }
}

interface Tables {
  readonly l: FseTable
  readonly o: FseTable
  readonly m: FseTable
}

/**
 * From the last sequence to the first: the states that lead to it, then the extra bits. Fewer than 8 bits wait in
 * `word` before each step, and a step adds 24 at most; whole bytes are stored four at a time, to be overwritten.
 */
function writeBits(sequences: Sequences, { l, o, m }: Tables, out: Uint8Array, start: number): number {
  const { count, literals, lengths, offsets } = sequences
  const { literals: codesL, offsets: codesO, lengths: codesM } = codes
  const { states: statesL, deltaBits: bitsOfL, deltaState: nextL } = l
  const { states: statesO, deltaBits: bitsOfO, deltaState: nextO } = o
  const { states: statesM, deltaBits: bitsOfM, deltaState: nextM } = m
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
  let [word, bits, at] = [0, 0, start]
  let stateL = firstState(l, codesL[count - 1]!)
  let stateO = firstState(o, codesO[count - 1]!)
  let stateM = firstState(m, codesM[count - 1]!)
  for (let i = count - 1; i >= 0; i--) {
    const codeL = codesL[i]!
    const codeO = codesO[i]!
    const codeM = codesM[i]!
    if (i < count - 1) {
      const widthO = (stateO + bitsOfO[codeO]!) >> 16
      word |= (stateO & ((1 << widthO) - 1)) << bits
      bits += widthO
      stateO = statesO[(stateO >> widthO) + nextO[codeO]!]!
      const widthM = (stateM + bitsOfM[codeM]!) >> 16
      word |= (stateM & ((1 << widthM) - 1)) << bits
      bits += widthM
      stateM = statesM[(stateM >> widthM) + nextM[codeM]!]!
      const widthL = (stateL + bitsOfL[codeL]!) >> 16
      word |= (stateL & ((1 << widthL) - 1)) << bits
      bits += widthL
      stateL = statesL[(stateL >> widthL) + nextL[codeL]!]!
      view.setInt32(at, word, true)
      at += bits >> 3
      word >>>= bits & 24
      bits &= 7
    }
    if (codeL >= LITERALS.direct || codeM >= LENGTHS.direct) {
      const sink = new BitSink(out, at, word, bits)
      const [highL, highM] = [codeL - LITERALS.direct, codeM - LENGTHS.direct]
      if (highL >= 0) sink.add(literals[i]! - LITERALS.starts[highL]!, LITERALS.bits[highL]!)
      if (highM >= 0) sink.add(lengths[i]! - SHORTEST - LENGTHS.starts[highM]!, LENGTHS.bits[highM]!)
      ;({ word, bits, at } = sink)
    }
    word |= (offsets[i]! - (1 << codeO)) << bits
    bits += codeO
    view.setInt32(at, word, true)
    at += bits >> 3
    word >>>= bits & 24
    bits &= 7
  }
  const sink = new BitSink(out, at, word, bits)
  sink.add(stateM & ((1 << m.log) - 1), m.log)
  sink.add(stateO & ((1 << o.log) - 1), o.log)
  sink.add(stateL & ((1 << l.log) - 1), l.log)
  return sink.close()
}
