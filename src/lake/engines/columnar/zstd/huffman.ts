import { BitSink } from './bit-sink.ts'
import { buildFseTable, describeShares, firstState, shareStates } from './fse.ts'

const MAX_BITS = 11
const WEIGHTS_LOG = 6

/** A Huffman code of bytes. */
interface HuffmanCode {
  /** Bits per byte value; 0 where it does not occur. */
  readonly widths: Uint8Array
  /** Per byte value its code, and in the lowest four bits how many bits that has. */
  readonly packed: Uint16Array
  readonly longest: number
}

/**
 * Writes `literals` as a Huffman tree and four streams (RFC 8878, section 3.1.1.3.1.6).
 *
 * @returns where they end in `out`, or -1 when the code would not make them smaller
 */
export function writeHuffman(literals: Uint8Array, out: Uint8Array, at: number): number {
  const counts = countBytes(literals)
  const code = buildCode(counts)
  if (!code) return -1
  let bits = 0
  for (let byte = 0; byte < 256; byte++) bits += counts[byte]! * code.widths[byte]!
  if (bits / 8 + 100 > 0.97 * literals.length) return -1
  const tree = writeWeights(code, out, at)
  if (tree < 0) return -1
  return writeStreams(literals, code, out, tree)
}

function countBytes(bytes: Uint8Array): Uint32Array {
  const [even, odd] = [new Uint32Array(256), new Uint32Array(256)] // two, as neighbours are often equal
  let i = 0
  for (; i + 1 < bytes.length; i += 2) {
    even[bytes[i]!]!++
    odd[bytes[i + 1]!]!++
  }
  if (i < bytes.length) even[bytes[i]!]!++
  return even.map((count, byte) => count + odd[byte]!)
}

/** Undefined when fewer than two values occur. */
function buildCode(counts: Uint32Array): HuffmanCode | undefined {
  const widths = limitWidths(huffmanWidths(counts), counts)
  if (!widths) return undefined
  const perWidth = new Uint32Array(MAX_BITS + 2)
  for (let byte = 0; byte < 256; byte++) perWidth[widths[byte]!]!++
  const longest = perWidth.findLastIndex((count, width) => count > 0 && width > 0)
  const next = new Uint16Array(MAX_BITS + 2)
  for (let width = longest, code = 0; width > 0; width--) {
    next[width] = code
    code = (code + perWidth[width]!) >> 1
  }
  const packed = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    const width = widths[byte]!
    if (width > 0) packed[byte] = (next[width]!++ << 4) | width
  }
  return { widths, packed, longest }
}

/** Depth of each byte value in Huffman's tree, by two queues; undefined when fewer than two values occur. */
function huffmanWidths(counts: Uint32Array): Uint8Array | undefined {
  const leaves: number[] = []
  for (let byte = 0; byte < 256; byte++) if (counts[byte]! > 0) leaves.push(byte)
  if (leaves.length < 2) return undefined
  leaves.sort((a, b) => counts[a]! - counts[b]! || a - b)
  const size = leaves.length
  const weights = new Float64Array(2 * size - 1)
  const parents = new Int32Array(2 * size - 1)
  leaves.forEach((byte, i) => (weights[i] = counts[byte]!))
  let leaf = 0
  let inner = size
  for (let made = size; made < 2 * size - 1; made++) {
    for (let child = 0; child < 2; child++) {
      const takeLeaf = leaf < size && (inner >= made || weights[leaf]! <= weights[inner]!)
      const taken = takeLeaf ? leaf++ : inner++
      weights[made]! += weights[taken]!
      parents[taken] = made
    }
  }
  const depths = new Uint8Array(2 * size - 1)
  for (let node = 2 * size - 3; node >= 0; node--) depths[node] = depths[parents[node]!]! + 1
  const widths = new Uint8Array(256)
  leaves.forEach((byte, i) => (widths[byte] = depths[i]!))
  return widths
}

/** Cuts codes to the longest allowed, and lengthens others until all are told apart again. */
function limitWidths(widths: Uint8Array | undefined, counts: Uint32Array): Uint8Array | undefined {
  if (!widths) return undefined
  const whole = 1 << MAX_BITS
  let used = 0
  for (let byte = 0; byte < 256; byte++) {
    if (widths[byte]! > MAX_BITS) widths[byte] = MAX_BITS
    if (widths[byte]! > 0) used += whole >> widths[byte]!
  }
  const rare: number[] = []
  for (let byte = 0; byte < 256; byte++) if (widths[byte]! > 0) rare.push(byte)
  rare.sort((a, b) => counts[a]! - counts[b]!)
  while (used > whole) {
    const byte = rare.find((one) => widths[one]! < MAX_BITS)!
    used -= whole >> ++widths[byte]!
  }
  for (const byte of rare.reverse()) {
    while (widths[byte]! > 1 && used + (whole >> widths[byte]!) <= whole) used += whole >> widths[byte]!--
  }
  return widths
}

/** The tree as weights of the byte values but the last, themselves in finite state entropy. */
function writeWeights({ widths, longest }: HuffmanCode, out: Uint8Array, at: number): number {
  let last = 255
  while (widths[last] === 0) last--
  const weights = widths.subarray(0, last).map((width) => (width === 0 ? 0 : longest + 1 - width))
  const counts = new Uint32Array(MAX_BITS + 2)
  for (let i = 0; i < weights.length; i++) counts[weights[i]!]!++
  if (counts.filter((count) => count > 0).length < 2 || weights.length < 2) return -1
  const shares = shareStates(
    counts.subarray(0, counts.findLastIndex((count) => count > 0) + 1),
    weights.length,
    WEIGHTS_LOG,
  )
  const table = buildFseTable(shares, WEIGHTS_LOG)
  const described = describeShares(out, at + 1, shares, WEIGHTS_LOG)
  const sink = new BitSink(out, described)
  // Two states take turns, the first with the first weight; the last weights come first.
  const states = [-1, -1]
  for (let i = weights.length - 1; i >= 0; i--) {
    const state = states[i % 2]!
    const weight = weights[i]!
    if (state < 0) {
      states[i % 2] = firstState(table, weight)
      continue
    }
    const bits = (state + table.deltaBits[weight]!) >> 16
    sink.add(state & ((1 << bits) - 1), bits)
    states[i % 2] = table.states[(state >> bits) + table.deltaState[weight]!]!
  }
  const mask = (1 << WEIGHTS_LOG) - 1
  sink.add(states[1]! & mask, WEIGHTS_LOG)
  sink.add(states[0]! & mask, WEIGHTS_LOG)
  const end = sink.close()
  out[at] = end - at - 1
  return end - at - 1 < 128 ? end : -1
}

function writeStreams(literals: Uint8Array, code: HuffmanCode, out: Uint8Array, at: number): number {
  const quarter = Math.ceil(literals.length / 4)
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
  let start = at + 6
  for (let stream = 0; stream < 4; stream++) {
    const part = literals.subarray(stream * quarter, Math.min((stream + 1) * quarter, literals.length))
    const end = writeStream(part, code, view, start)
    if (stream < 3) {
      out[at + 2 * stream] = end - start
      out[at + 2 * stream + 1] = (end - start) >> 8
    }
    start = end
  }
  return start
}

/** Two literals at a time take 22 bits at most; whole bytes are stored four at a time, to be overwritten. */
function writeStream(literals: Uint8Array, { packed }: HuffmanCode, out: DataView, start: number): number {
  let [word, bits, at] = [0, 0, start]
  let i = literals.length - 1
  for (; i > 0; i -= 2) {
    const [first, second] = [packed[literals[i]!]!, packed[literals[i - 1]!]!]
    word |= (first >>> 4) << bits
    bits += first & 15
    word |= (second >>> 4) << bits
    bits += second & 15
    out.setInt32(at, word, true)
    at += bits >> 3
    word >>>= bits & 24
    bits &= 7
  }
  const rest = i === 0 ? packed[literals[0]!]! : 0
  word |= (rest >>> 4) << bits
  bits += rest & 15
  out.setInt32(at, word | (1 << bits), true)
  return at + (bits >> 3) + 1
}
