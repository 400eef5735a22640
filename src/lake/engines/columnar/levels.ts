import { alignUp, KERNEL_SLACK, kernels, kernelScratch } from '../../../core/kernels/index.ts'
import type { ByteWriter } from './byte-writer.ts'

/** Bits that the whole number `max`, 0 to 2^32, takes. */
export const bitWidth = (max: number): number => 32 - Math.clz32(max)

/** Parquet's hybrid of run lengths and packed bits for `count` values, each below 2^`width`; `width` is 1 to 32. */
export function encodeHybrid(
  out: ByteWriter,
  values: Uint32Array | Int32Array,
  count: number,
  width: number,
): void {
  const room = alignUp(4 * count + KERNEL_SLACK)
  const at = kernelScratch(room + 5 * count + 1024)
  const { memory, encodeHybrid: encode } = kernels()
  new Uint32Array(memory.buffer, at, count).set(values.subarray(0, count))
  const bytes = encode(at, count, width, at + room)
  out.bytes(new Uint8Array(memory.buffer, at + room, bytes))
}

/** One run of `count` times `value`. */
export function encodeRun(out: ByteWriter, value: number, count: number, width: number): void {
  out.varint(2 * count)
  for (let bits = 0; bits < width; bits += 8) out.byte(value >>> bits)
}

/** The levels of a data page: their length in bytes, then themselves. `levels` undefined: all are `max`. */
export function encodeLevels(
  out: ByteWriter,
  levels: Uint32Array | undefined,
  count: number,
  max: number,
): void {
  const start = out.length
  out.uint32(0)
  if (levels) encodeHybrid(out, levels, count, bitWidth(max))
  else encodeRun(out, max, count, bitWidth(max))
  out.setUint32(start, out.length - start - 4)
}
