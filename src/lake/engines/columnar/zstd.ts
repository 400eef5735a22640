import { alignUp, KERNEL_SLACK, kernels, kernelScratch } from '../../../core/kernels/index.ts'

/** Where matches are worth looking for. */
export interface Grid {
  /** Bytes between places: the width of the values (a power of two), or 1 for anything else. */
  readonly stride: number
  /** The first place. */
  readonly lead: number
}

const BLOCK_BYTES = 128 * 1024
const ANYWHERE: Grid = { stride: 1, lead: 0 }

/**
 * A zstd frame (RFC 8878) of `page`, for any zstd reader. It looks for matches where values of a column begin, which
 * is why it is fast. The frame is valid until the next call of a kernel. `kernels/zstd/` does the work; see
 * docs/decisions/0014-columnar-writer.md for what was measured.
 */
export function compressZstd(page: Uint8Array, grid: Grid = ANYWHERE): Uint8Array {
  const room = alignUp(page.length + KERNEL_SLACK)
  const mostBytes = page.length + 3 * Math.ceil(page.length / BLOCK_BYTES) + 16
  const at = kernelScratch(room + mostBytes)
  const { compressPage, memory } = kernels()
  const bytes = new Uint8Array(memory.buffer)
  bytes.set(page, at)
  const length = compressPage(at, page.length, grid.stride, grid.lead, at + room)
  return bytes.subarray(at + room, at + room + length)
}
