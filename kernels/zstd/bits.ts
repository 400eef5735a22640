// A bit stream as zstd has it: written from its last symbol to its first, lowest bit first, and read from its end. One is in
// the making at a time; where it grows, 8 bytes must be free.

let word: u64 = 0
let bits: i32 = 0
let at: usize = 0

export function openBits(start: usize): void {
  at = start
  word = 0
  bits = 0
}

/** The `count` low bits of `value`, 56 at most; no others may be set. */
export function addBits(value: u64, count: i32): void {
  word |= value << (<u64>bits)
  bits += count
  store<u64>(at, word)
  at += bits >> 3
  word >>= <u64>(bits & 56)
  bits &= 7
}

/** Marks the end with a bit. @returns where the stream ends */
export function closeBits(): usize {
  addBits(1, 1)
  return padBits()
}

/** Fills the last byte with zeros, without a mark. @returns where the bits end */
export function padBits(): usize {
  if (bits > 0) store<u8>(at++, <u8>word)
  return at
}
