import type { ByteWriter } from './byte-writer.ts'

/** Bits that the whole number `max`, 0 to 2^53, takes. */
export function bitWidth(max: number): number {
  return max < 2 ** 32 ? 32 - Math.clz32(max) : 64 - Math.clz32(Math.floor(max / 2 ** 32))
}

/**
 * Packs values [from, to) with `width` bits each, lowest bit first, as if zeros followed up to `padded` values.
 * `padded * width` must be a multiple of 8. `width` is 0 to 32.
 */
export function packBits(
  out: ByteWriter,
  values: Uint32Array,
  [from, to]: readonly [number, number],
  width: number,
  padded: number,
): void {
  const room = out.extend((padded * width) / 8)
  let word = 0
  let bits = 0
  let at = 0
  for (let i = from; i < to; i++) {
    const value = values[i]!
    word |= value << bits
    bits += width
    if (bits < 32) continue
    room[at] = word
    room[at + 1] = word >>> 8
    room[at + 2] = word >>> 16
    room[at + 3] = word >>> 24
    at += 4
    bits -= 32
    word = bits === 0 ? 0 : value >>> (width - bits)
  }
  for (; bits > 0; bits -= 8, word >>>= 8) room[at++] = word
  room.fill(0, at)
}

/** Packs 32 whole numbers below 2^53 with `width` bits each, which is above 32. */
export function packWide(out: ByteWriter, values: Float64Array, from: number, width: number): void {
  const room = out.extend(4 * width)
  let [at, byte, bits] = [0, 0, 0]
  for (let i = from; i < from + 32; i++) {
    let rest = values[i]!
    for (let left = width; left > 0;) {
      const taken = Math.min(8 - bits, left)
      byte |= (rest % 2 ** taken) << bits
      rest = Math.floor(rest / 2 ** taken)
      left -= taken
      bits += taken
      if (bits < 8) continue
      room[at++] = byte
      byte = bits = 0
    }
  }
}
