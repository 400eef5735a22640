// A zstd frame (RFC 8878), for any zstd reader; see src/lake/engines/columnar/zstd.ts.
import { writeHuffman } from './huffman'
import {
  BLOCK_BYTES,
  findMatches,
  forgetMatches,
  lastDistance,
  literalCount,
  literals,
  setLastDistance,
  WINDOW_BYTES,
} from './matches'
import { writeSequences } from './sequences'

const MAGIC: u32 = 0xfd2fb528
/** Size of the content in four bytes, no checksum (the lake's own is over the file), no dictionary. */
const SIZE_IN_FOUR = 0x80
const SINGLE_SEGMENT = 0x20
/** The exponent above 2^10 of the window's 2^20 bytes. */
const WINDOW_DESCRIPTOR = 10 << 3
const RAW_BLOCK = 0
const COMPRESSED_BLOCK = 2

/** Of these many literals the sizes take 10, 14 or 18 bits. */
const TEN_BITS = 1024
const FOURTEEN_BITS = 16384

/** A block in the making: a compressed one may become larger than it was, before it is dropped. */
const block: usize = memory.data(4 * BLOCK_BYTES, 16)

/**
 * Compresses the `size` bytes at `page`; `out` must have room for `size`, 3 bytes for each 128 KiB begun, and 16 more, and 32
 * bytes behind both must be free. Matches are looked for `stride` (a power of two) bytes apart from `lead` on.
 *
 * @returns bytes of the frame
 */
export function compressPage(page: usize, size: i32, stride: i32, lead: i32, out: usize): i32 {
  let at = writeHeader(size, out)
  forgetMatches()
  let from = 0
  do {
    const to = min(from + BLOCK_BYTES, size)
    const distance = lastDistance
    findMatches(page, from, to, stride, lead)
    const bytes = <i32>(writeSequences(writeLiterals()) - block)
    const pays = bytes < to - from
    if (!pays) setLastDistance(distance) // a reader does not see the matches of a block that is not written
    const body = pays ? bytes : to - from
    const header = (to === size ? 1 : 0) | ((pays ? COMPRESSED_BLOCK : RAW_BLOCK) << 1) | (body << 3)
    store<u32>(at, <u32>header)
    at += 3
    memory.copy(at, pays ? block : page + <usize>from, <usize>body)
    at += <usize>body
    from = to
  } while (from < size)
  return <i32>(at - out)
}

function writeHeader(size: i32, out: usize): usize {
  store<u32>(out, MAGIC)
  const single = size <= WINDOW_BYTES
  store<u8>(out, SIZE_IN_FOUR | (single ? SINGLE_SEGMENT : 0), 4)
  let at = out + 5
  if (!single) store<u8>(at++, WINDOW_DESCRIPTOR)
  store<u32>(at, <u32>size)
  return at + 4
}

/** Writes the literals section of the block. @returns where it ends */
function writeLiterals(): usize {
  const headerBytes = literalCount < TEN_BITS ? 3 : literalCount < FOURTEEN_BITS ? 4 : 5
  const end = writeHuffman(literals, literalCount, block + <usize>headerBytes)
  if (end === 0) return writeRawLiterals()
  const format = headerBytes - 2
  const sizeBits = 4 * headerBytes - 2
  const bytes = <u64>(end - block) - <u64>headerBytes
  const bytesShift = <u64>(4 + sizeBits)
  let header: u64 = 2 | ((<u64>format) << 2) | ((<u64>literalCount) << 4) | (bytes << bytesShift)
  for (let i = 0; i < headerBytes; i++) {
    store<u8>(block + <usize>i, <u8>header)
    header >>= 8
  }
  return end
}

function writeRawLiterals(): usize {
  const headerBytes: usize = literalCount < 32 ? 1 : literalCount < 4096 ? 2 : 3
  const header = literalCount < 32 ? literalCount << 3 : (headerBytes === 2 ? 4 : 12) | (literalCount << 4)
  store<u32>(block, <u32>header)
  memory.copy(block + headerBytes, literals, <usize>literalCount)
  return block + headerBytes + <usize>literalCount
}
