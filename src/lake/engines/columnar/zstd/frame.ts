import { writeHuffman } from './huffman.ts'
import { BLOCK_BYTES, MatchFinder, WINDOW_BYTES, type Grid } from './matches.ts'
import { writeSequences } from './sequences.ts'

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
/** Size of the content in four bytes, no checksum (the lake's own is over the file), no dictionary. */
const SIZE_IN_FOUR = 0x80
const SINGLE_SEGMENT = 0x20
const WINDOW_DESCRIPTOR = (Math.log2(WINDOW_BYTES) - 10) << 3
const RAW_BLOCK = 0
const COMPRESSED_BLOCK = 2

/** A block in the making: a compressed one may become larger than it was, before it is dropped. */
const scratch = new Uint8Array(4 * BLOCK_BYTES)

/**
 * A zstd frame (RFC 8878) of `page`, for any zstd reader. It looks for matches where values of a column begin, which
 * is why it is fast. The frame is valid until the next call. See docs/decisions/0014-columnar-writer.md for what was measured.
 */
export function compressZstd(page: Uint8Array, grid: Grid = { stride: 1, lead: 0 }): Uint8Array {
  const out = roomFor(page.length + 3 * Math.ceil(page.length / BLOCK_BYTES) + 16)
  let at = writeHeader(page.length, out)
  const finder = new MatchFinder(page, grid)
  let distance = 1
  for (let from = 0; from < page.length || from === 0; from += BLOCK_BYTES) {
    const to = Math.min(from + BLOCK_BYTES, page.length)
    const last = to === page.length ? 1 : 0
    const parsed = finder.parse(from, to, distance)
    let end = writeLiterals(parsed.text, scratch)
    end = writeSequences(parsed, scratch, end)
    const pays = end < to - from
    const body = pays ? scratch.subarray(0, end) : page.subarray(from, to)
    if (pays) distance = parsed.distance
    const header = last | ((pays ? COMPRESSED_BLOCK : RAW_BLOCK) << 1) | (body.length << 3)
    out[at++] = header
    out[at++] = header >> 8
    out[at++] = header >> 16
    out.set(body, at)
    at += body.length
  }
  return out.subarray(0, at)
}

let room = new Uint8Array(BLOCK_BYTES)

/** Memory that is used again each time: what is thrown away makes the garbage collector run. */
function roomFor(bytes: number): Uint8Array {
  if (room.length < bytes) room = new Uint8Array(Math.max(bytes, 2 * room.length))
  return room
}

function writeHeader(size: number, out: Uint8Array): number {
  out.set(MAGIC)
  const single = size <= WINDOW_BYTES
  out[4] = SIZE_IN_FOUR | (single ? SINGLE_SEGMENT : 0)
  let at = 5
  if (!single) out[at++] = WINDOW_DESCRIPTOR
  new DataView(out.buffer).setUint32(at, size, true)
  return at + 4
}

/** Of these many the sizes take 10, 14 or 18 bits. */
const TEN_BITS = 1024
const FOURTEEN_BITS = 16_384

/** Writes the literals section at the start of `out`. @returns where it ends */
function writeLiterals(text: Uint8Array, out: Uint8Array): number {
  const { length } = text
  const headerBytes = length < TEN_BITS ? 3 : length < FOURTEEN_BITS ? 4 : 5
  const end = writeHuffman(text, out, headerBytes)
  if (end < 0) return writeRawLiterals(text, out)
  const format = headerBytes - 2
  const sizeBits = 4 * headerBytes - 2
  // two bits of type, two of format, both sizes: 40 bits at most, so in two steps
  const low = 2 | (format << 2) | ((length << 4) >>> 0)
  const whole = (low >>> 0) + (end - headerBytes) * 2 ** (4 + sizeBits)
  for (let i = 0; i < headerBytes; i++) out[i] = Math.floor(whole / 256 ** i) & 255
  return end
}

function writeRawLiterals(text: Uint8Array, out: Uint8Array): number {
  const { length } = text
  const headerBytes = length < 32 ? 1 : length < 4096 ? 2 : 3
  const header = length < 32 ? length << 3 : (headerBytes === 2 ? 4 : 12) | (length << 4)
  for (let i = 0; i < headerBytes; i++) out[i] = header >> (8 * i)
  out.set(text, headerBytes)
  return headerBytes + length
}
