// Bytes that grow at their end.

let end: usize = 0

export function openAt(start: usize): void {
  end = start
}

/** Where the next byte goes. */
export function endOfBytes(): usize {
  return end
}

export function skipTo(place: usize): void {
  end = place
}

export function putByte(value: i32): void {
  store<u8>(end, <u8>value)
  end++
}

/** Unsigned LEB128. */
export function putVarint(value: u64): void {
  let rest = value
  while (rest >= 128) {
    store<u8>(end++, <u8>(rest | 128))
    rest >>= 7
  }
  store<u8>(end++, <u8>rest)
}

export function putZigzag(value: i64): void {
  putVarint((value << 1) ^ (value >> 63))
}
