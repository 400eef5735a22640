// Literals as a Huffman tree and four streams (RFC 8878, section 3.1.1.3.1.6).
import { addBits, closeBits, openBits } from './bits'
import { bitsTo, buildTable, describeTable, firstState, stateAfter, TABLE_BYTES } from './fse'

const MAX_BITS = 11
const WEIGHTS_LOG = 6

const counts: usize = memory.data(4 * 256 * 4, 16)
/** Byte values that occur, the rarest first. */
const leaves: usize = memory.data(4 * 256, 16)
const weights: usize = memory.data(4 * 512, 16)
const parents: usize = memory.data(2 * 512, 16)
const depths: usize = memory.data(512, 16)
/** Bits per byte value; 0 where it does not occur. */
const widths: usize = memory.data(256, 16)
/** Per byte value its code, and in the lowest four bits how many bits that has. */
const packed: usize = memory.data(2 * 256, 16)
const perWidth: usize = memory.data(4 * 16, 16)
const nextCode: usize = memory.data(4 * 16, 16)
const weightCounts: usize = memory.data(4 * 16, 16)
const table: usize = memory.data(TABLE_BYTES, 16)

/** Writes `length` literals from `text` on. @returns where they end, or 0 when the code would not make them smaller */
export function writeHuffman(text: usize, length: i32, at: usize): usize {
  countBytes(text, length)
  const size = sortLeaves()
  if (size < 2) return 0
  measureDepths(size)
  limitWidths(size)
  const longest = makeCodes()
  let bits: u64 = 0
  for (let byte: usize = 0; byte < 256; byte++) {
    bits += <u64>load<u32>(counts + (byte << 2)) * <u64>load<u8>(widths + byte)
  }
  if (<f64>bits / 8 + 100 > 0.97 * <f64>length) return 0
  const tree = writeWeights(longest, at)
  return tree === 0 ? 0 : writeStreams(text, length, tree)
}

/** In four tables, as neighbours are often equal. */
function countBytes(text: usize, length: i32): void {
  memory.fill(counts, 0, 4 * 256 * 4)
  const end = text + <usize>length
  let at = text
  for (; at + 4 <= end; at += 4) {
    const word = load<u32>(at)
    count(counts, word & 255)
    count(counts + 1024, (word >> 8) & 255)
    count(counts + 2048, (word >> 16) & 255)
    count(counts + 3072, word >> 24)
  }
  for (; at < end; at++) count(counts, <u32>load<u8>(at))
  for (let byte: usize = 0; byte < 1024; byte += 16) {
    const low = i32x4.add(v128.load(counts + byte), v128.load(counts + byte, 1024))
    const high = i32x4.add(v128.load(counts + byte, 2048), v128.load(counts + byte, 3072))
    v128.store(counts + byte, i32x4.add(low, high))
  }
}

function count(table: usize, byte: u32): void {
  const place = table + ((<usize>byte) << 2)
  store<u32>(place, load<u32>(place) + 1)
}

/** Orders what occurs by how often, then by value. @returns how many byte values occur */
function sortLeaves(): i32 {
  let size = 0
  for (let byte: u32 = 0; byte < 256; byte++) {
    const times = load<u32>(counts + ((<usize>byte) << 2))
    if (times === 0) continue
    store<u32>(leaves + ((<usize>size) << 2), (times << 8) | byte)
    size++
  }
  for (let gap = gapOf(size); gap > 0; gap = gapOf(gap)) {
    for (let i = gap; i < size; i++) {
      const one = load<u32>(leaves + ((<usize>i) << 2))
      let at = i
      for (; at >= gap; at -= gap) {
        const before = load<u32>(leaves + ((<usize>(at - gap)) << 2))
        if (before <= one) break
        store<u32>(leaves + ((<usize>at) << 2), before)
      }
      store<u32>(leaves + ((<usize>at) << 2), one)
    }
  }
  return size
}

/** Gaps of a shell sort (M. Ciura). */
function gapOf(below: i32): i32 {
  if (below > 132) return 132
  if (below > 57) return 57
  if (below > 23) return 23
  if (below > 10) return 10
  if (below > 4) return 4
  return below > 1 ? 1 : 0
}

function leafAt(i: i32): usize {
  return <usize>(load<u32>(leaves + ((<usize>i) << 2)) & 255)
}

/** Depth of each byte value in Huffman's tree, by two queues. */
function measureDepths(size: i32): void {
  for (let i = 0; i < size; i++) {
    store<u32>(weights + ((<usize>i) << 2), load<u32>(leaves + ((<usize>i) << 2)) >> 8)
  }
  let leaf = 0
  let inner = size
  for (let made = size; made < 2 * size - 1; made++) {
    let weight: u32 = 0
    for (let child = 0; child < 2; child++) {
      const takeLeaf =
        leaf < size &&
        (inner >= made ||
          load<u32>(weights + ((<usize>leaf) << 2)) <= load<u32>(weights + ((<usize>inner) << 2)))
      const taken = <usize>(takeLeaf ? leaf++ : inner++)
      weight += load<u32>(weights + (taken << 2))
      store<u16>(parents + (taken << 1), <u16>made)
    }
    store<u32>(weights + ((<usize>made) << 2), weight)
  }
  store<u8>(depths + <usize>(2 * size - 2), 0)
  for (let node = 2 * size - 3; node >= 0; node--) {
    const parent = <usize>load<u16>(parents + ((<usize>node) << 1))
    store<u8>(depths + <usize>node, load<u8>(depths + parent) + 1)
  }
  memory.fill(widths, 0, 256)
  for (let i = 0; i < size; i++) store<u8>(widths + leafAt(i), load<u8>(depths + <usize>i))
}

/** Cuts codes to the longest allowed, and lengthens others until all are told apart again. */
function limitWidths(size: i32): void {
  const whole = 1 << MAX_BITS
  let used = 0
  for (let i = 0; i < size; i++) {
    const place = widths + leafAt(i)
    if (<i32>load<u8>(place) > MAX_BITS) store<u8>(place, MAX_BITS)
    used += whole >> (<i32>load<u8>(place))
  }
  for (let i = 0; used > whole;) {
    const place = widths + leafAt(i)
    if (<i32>load<u8>(place) >= MAX_BITS) {
      i++
      continue
    }
    const width = <i32>load<u8>(place) + 1
    store<u8>(place, <u8>width)
    used -= whole >> width
  }
  for (let i = size - 1; i >= 0; i--) {
    const place = widths + leafAt(i)
    let width = <i32>load<u8>(place)
    while (width > 1 && used + (whole >> width) <= whole) used += whole >> width--
    store<u8>(place, <u8>width)
  }
}

/** @returns bits of the longest code */
function makeCodes(): i32 {
  memory.fill(perWidth, 0, 64)
  for (let byte: usize = 0; byte < 256; byte++) {
    const place = perWidth + ((<usize>load<u8>(widths + byte)) << 2)
    store<u32>(place, load<u32>(place) + 1)
  }
  let longest = MAX_BITS
  while (load<u32>(perWidth + ((<usize>longest) << 2)) === 0) longest--
  let code: u32 = 0
  for (let width = longest; width > 0; width--) {
    store<u32>(nextCode + ((<usize>width) << 2), code)
    code = (code + load<u32>(perWidth + ((<usize>width) << 2))) >> 1
  }
  for (let byte: usize = 0; byte < 256; byte++) {
    const width = <u32>load<u8>(widths + byte)
    if (width === 0) continue
    const place = nextCode + ((<usize>width) << 2)
    const own = load<u32>(place)
    store<u32>(place, own + 1)
    store<u16>(packed + (byte << 1), <u16>((own << 4) | width))
  }
  return longest
}

/** The tree as weights of the byte values but the last, themselves in finite state entropy. @returns its end, or 0 */
function writeWeights(longest: i32, at: usize): usize {
  let size: i32 = 255
  while (load<u8>(widths + <usize>size) === 0) size--
  memory.fill(weightCounts, 0, 64)
  let highest = 0
  for (let i = 0; i < size; i++) {
    const weight = weightOf(i, longest)
    const place = weightCounts + ((<usize>weight) << 2)
    store<u32>(place, load<u32>(place) + 1)
    highest = max(highest, weight)
  }
  let kinds = 0
  for (let weight = 0; weight <= highest; weight++) {
    if (load<u32>(weightCounts + ((<usize>weight) << 2)) > 0) kinds++
  }
  if (kinds < 2 || size < 2) return 0
  buildTable(table, weightCounts, highest + 1, size, WEIGHTS_LOG)
  openBits(describeTable(table, at + 1))
  // Two states take turns, the first with the first weight; the last weights come first.
  let even = -1
  let odd = -1
  for (let i = size - 1; i >= 0; i--) {
    const weight = weightOf(i, longest)
    const state = i & 1 ? odd : even
    let after: i32
    if (state < 0) after = firstState(table, weight)
    else {
      const bits = bitsTo(table, state, weight)
      addBits(<u64>(state & ((1 << bits) - 1)), bits)
      after = stateAfter(table, state, weight, bits)
    }
    if (i & 1) odd = after
    else even = after
  }
  const mask = (1 << WEIGHTS_LOG) - 1
  addBits(<u64>(odd & mask), WEIGHTS_LOG)
  addBits(<u64>(even & mask), WEIGHTS_LOG)
  const end = closeBits()
  const bytes = <i32>(end - at) - 1
  store<u8>(at, <u8>bytes)
  return bytes < 128 ? end : 0
}

function weightOf(byte: i32, longest: i32): i32 {
  const width = <i32>load<u8>(widths + <usize>byte)
  return width === 0 ? 0 : longest + 1 - width
}

function writeStreams(text: usize, length: i32, at: usize): usize {
  const quarter = (length + 3) / 4
  let start = at + 6
  for (let stream = 0; stream < 4; stream++) {
    const from = min(stream * quarter, length)
    const end = writeStream(text + <usize>from, min((stream + 1) * quarter, length) - from, start)
    if (stream < 3) store<u16>(at + ((<usize>stream) << 1), <u16>(end - start))
    start = end
  }
  return start
}

/** Four literals at a time take 44 bits at most, behind 7 that wait. */
function writeStream(text: usize, length: i32, start: usize): usize {
  let word: u64 = 0
  let bits: u64 = 0
  let at = start
  let from = text + <usize>length
  for (; from >= text + 4; from -= 4) {
    const first = <u64>codeOf(from - 1)
    const second = <u64>codeOf(from - 2)
    const third = <u64>codeOf(from - 3)
    const fourth = <u64>codeOf(from - 4)
    word |= (first >> 4) << bits
    bits += first & 15
    word |= (second >> 4) << bits
    bits += second & 15
    word |= (third >> 4) << bits
    bits += third & 15
    word |= (fourth >> 4) << bits
    bits += fourth & 15
    store<u64>(at, word)
    at += <usize>(bits >> 3)
    word >>= bits & 56
    bits &= 7
  }
  for (; from > text; from--) {
    const code = <u64>codeOf(from - 1)
    word |= (code >> 4) << bits
    bits += code & 15
  }
  store<u64>(at, word | ((<u64>1) << bits))
  return at + <usize>(bits >> 3) + 1
}

function codeOf(at: usize): u32 {
  return <u32>load<u16>(packed + ((<usize>load<u8>(at)) << 1))
}
