// Matches of a block, one after the other (RFC 8878, section 3.1.1.3.2).
import { addBits, closeBits, openBits } from './bits'
import {
  bitsTo,
  buildTable,
  describeTable,
  firstState,
  logOf,
  MAX_SYMBOLS,
  singleTable,
  stateAfter,
  TABLE_BYTES,
} from './fse'
import { BLOCK_BYTES, matchCount, matchLengths, matchLiterals, matchOffsets } from './matches'

/** Values below are their own codes; above, a code has a start and extra bits that say the rest. */
const DIRECT_LITERALS = 16
const DIRECT_LENGTHS = 32
const literalsStarts: usize = memory.data<u32>([
  16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
])
const literalsBits: usize = memory.data<u8>([
  1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
])
const lengthsStarts: usize = memory.data<u32>([
  32, 34, 36, 38, 40, 44, 48, 56, 64, 80, 96, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
])
const lengthsBits: usize = memory.data<u8>([
  1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
])
/** Lengths are counted from the shortest match. */
const SHORTEST = 3
/** The three states of a sequence take no more than 24 bits in all. */
const MAX_LOG = 8

const MOST = BLOCK_BYTES / 4 + 1
const codesL: usize = memory.data(MOST, 16)
const codesM: usize = memory.data(MOST, 16)
const codesO: usize = memory.data(MOST, 16)
const countsL: usize = memory.data(4 * MAX_SYMBOLS, 16)
const countsM: usize = memory.data(4 * MAX_SYMBOLS, 16)
const countsO: usize = memory.data(4 * MAX_SYMBOLS, 16)
const tableL: usize = memory.data(TABLE_BYTES, 16)
const tableM: usize = memory.data(TABLE_BYTES, 16)
const tableO: usize = memory.data(TABLE_BYTES, 16)
/** Codes of small values. */
const literalsCodes: usize = memory.data(64, 16)
const lengthsCodes: usize = memory.data(128, 16)
let ready = false

function fillCodes(codes: usize, size: i32, direct: i32, starts: usize): void {
  let code = -1
  for (let value = 0; value < size; value++) {
    while (value >= direct && load<u32>(starts + ((<usize>(code + 1)) << 2)) <= <u32>value) code++
    store<u8>(codes + <usize>value, <u8>(value < direct ? value : direct + code))
  }
}

/** Writes the sequences section. @returns where it ends */
export function writeSequences(start: usize): usize {
  let at = writeCount(start)
  if (matchCount === 0) return at
  assignCodes()
  const modes = at++
  const modeL = chooseTable(tableL, countsL)
  at = announce(tableL, countsL, modeL, at)
  const modeO = chooseTable(tableO, countsO)
  at = announce(tableO, countsO, modeO, at)
  const modeM = chooseTable(tableM, countsM)
  at = announce(tableM, countsM, modeM, at)
  store<u8>(modes, <u8>((modeL << 6) | (modeO << 4) | (modeM << 2)))
  return writeBits(at)
}

function writeCount(start: usize): usize {
  if (matchCount < 128) {
    store<u8>(start, <u8>matchCount)
    return start + 1
  }
  if (matchCount < 0x7f00) {
    store<u8>(start, <u8>((matchCount >> 8) + 128))
    store<u8>(start, <u8>matchCount, 1)
    return start + 2
  }
  store<u8>(start, 255)
  store<u16>(start, <u16>(matchCount - 0x7f00), 1)
  return start + 3
}

function assignCodes(): void {
  if (!ready) {
    fillCodes(literalsCodes, 64, DIRECT_LITERALS, literalsStarts)
    fillCodes(lengthsCodes, 128, DIRECT_LENGTHS, lengthsStarts)
    ready = true
  }
  memory.fill(countsL, 0, 4 * MAX_SYMBOLS)
  memory.fill(countsM, 0, 4 * MAX_SYMBOLS)
  memory.fill(countsO, 0, 4 * MAX_SYMBOLS)
  for (let i: usize = 0; i < <usize>matchCount; i++) {
    const value = load<u32>(matchLiterals + (i << 2))
    const length = load<u32>(matchLengths + (i << 2)) - SHORTEST
    const codeL = value < 64 ? <u32>load<u8>(literalsCodes + <usize>value) : 50 - clz(value)
    const codeM = length < 128 ? <u32>load<u8>(lengthsCodes + <usize>length) : 67 - clz(length)
    const codeO = 31 - clz(load<u32>(matchOffsets + (i << 2)))
    store<u8>(codesL + i, <u8>codeL)
    store<u8>(codesM + i, <u8>codeM)
    store<u8>(codesO + i, <u8>codeO)
    count(countsL, codeL)
    count(countsM, codeM)
    count(countsO, codeO)
  }
}

function count(counts: usize, code: u32): void {
  const place = counts + ((<usize>code) << 2)
  store<u32>(place, load<u32>(place) + 1)
}

function highestOf(counts: usize): i32 {
  let highest = MAX_SYMBOLS - 1
  while (load<u32>(counts + ((<usize>highest) << 2)) === 0) highest--
  return highest
}

/** Makes the table. @returns how it is announced: 1 for one code only, without bits, 2 otherwise */
function chooseTable(table: usize, counts: usize): i32 {
  const highest = highestOf(counts)
  let kinds = 0
  for (let code = 0; code <= highest; code++) if (load<u32>(counts + ((<usize>code) << 2)) > 0) kinds++
  if (kinds === 1) {
    singleTable(table)
    return 1
  }
  const fits = 32 - clz(2 * kinds - 1) // at least two states per code, on average
  const log = min(MAX_LOG, max(5, max(fits, 32 - clz(matchCount >> 4))))
  buildTable(table, counts, highest + 1, matchCount, log)
  return 2
}

function announce(table: usize, counts: usize, mode: i32, at: usize): usize {
  if (mode === 2) return describeTable(table, at)
  store<u8>(at, <u8>highestOf(counts))
  return at + 1
}

/** From the last sequence to the first: the states that lead to it, then the extra bits. */
function writeBits(start: usize): usize {
  let word: u64 = 0
  let bits: i32 = 0
  let at = start
  const last = matchCount - 1
  let stateL = firstState(tableL, load<u8>(codesL + <usize>last))
  let stateO = firstState(tableO, load<u8>(codesO + <usize>last))
  let stateM = firstState(tableM, load<u8>(codesM + <usize>last))
  for (let i = last; i >= 0; i--) {
    const codeL = <i32>load<u8>(codesL + <usize>i)
    const codeO = <i32>load<u8>(codesO + <usize>i)
    const codeM = <i32>load<u8>(codesM + <usize>i)
    if (i < last) {
      const widthO = bitsTo(tableO, stateO, codeO)
      word |= (<u64>(stateO & ((1 << widthO) - 1))) << (<u64>bits)
      bits += widthO
      stateO = stateAfter(tableO, stateO, codeO, widthO)
      const widthM = bitsTo(tableM, stateM, codeM)
      word |= (<u64>(stateM & ((1 << widthM) - 1))) << (<u64>bits)
      bits += widthM
      stateM = stateAfter(tableM, stateM, codeM, widthM)
      const widthL = bitsTo(tableL, stateL, codeL)
      word |= (<u64>(stateL & ((1 << widthL) - 1))) << (<u64>bits)
      bits += widthL
      stateL = stateAfter(tableL, stateL, codeL, widthL)
    }
    if (codeL >= DIRECT_LITERALS) {
      const high = <usize>(codeL - DIRECT_LITERALS)
      const rest = load<u32>(matchLiterals + ((<usize>i) << 2)) - load<u32>(literalsStarts + (high << 2))
      word |= (<u64>rest) << (<u64>bits)
      bits += load<u8>(literalsBits + high)
    }
    if (codeM >= DIRECT_LENGTHS) {
      const high = <usize>(codeM - DIRECT_LENGTHS)
      const rest =
        load<u32>(matchLengths + ((<usize>i) << 2)) - SHORTEST - load<u32>(lengthsStarts + (high << 2))
      word |= (<u64>rest) << (<u64>bits)
      bits += load<u8>(lengthsBits + high)
    }
    // 7 bits wait at most, states are 24 and these 32: as full as it gets
    store<u64>(at, word)
    at += <usize>(bits >> 3)
    word >>= <u64>(bits & 56)
    bits &= 7
    word |= (<u64>(load<u32>(matchOffsets + ((<usize>i) << 2)) - (1 << codeO))) << (<u64>bits)
    bits += codeO
  }
  store<u64>(at, word)
  at += <usize>(bits >> 3)
  openBits(at)
  addBits(word >> (<u64>(bits & 56)), bits & 7)
  addBits(<u64>(stateM & ((1 << logOf(tableM)) - 1)), logOf(tableM))
  addBits(<u64>(stateO & ((1 << logOf(tableO)) - 1)), logOf(tableO))
  addBits(<u64>(stateL & ((1 << logOf(tableL)) - 1)), logOf(tableL))
  return closeBits()
}
