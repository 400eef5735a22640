import { KERNELS } from './binary.generated.ts'

/** What is used of the WebAssembly API; Node's types do not have it. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

/** Grows and never shrinks; views made before it grew are void. */
interface KernelMemory {
  readonly buffer: ArrayBuffer
  /** @param pages of 64 KiB */
  grow(pages: number): number
}

/**
 * The inner loops that JavaScript is too slow for, in WebAssembly (sources: `kernels/`). Addresses are bytes in their memory.
 * Nothing is kept there between calls: put in, call, and read before anything else gets a turn.
 */
export interface Kernels {
  readonly memory: KernelMemory
  readonly scratchBase: () => number
  /** Sets the mixes of `rows` rows to where they start. */
  readonly digestStart: (a: number, b: number, rows: number) => void
  /** Mixes doubles, one bit pattern for every NaN and for both zeros, into the mixes at `a` and `b`. */
  readonly digestDoubles: (values: number, rows: number, a: number, b: number) => void
  /** The same of 64-bit integers. */
  readonly digestWhole: (values: number, rows: number, a: number, b: number) => void
  /** The same of 32-bit words; the second mix takes them xor `twist`. */
  readonly digestWords: (words: number, twist: number, rows: number, a: number, b: number) => void
  /** The sum of mixes after their last mix, modulo 2^32, as a signed number. */
  readonly digestSum: (mixes: number, rows: number) => number
  /** Looks at doubles and leaves what it found at `factsFound`; see `kernels/number-facts.ts`. */
  readonly numberFacts: (values: number, rows: number) => void
  readonly factsFound: () => number
  /** Where fields of rows are described; see `kernels/number-rows.ts`. */
  readonly rowFields: () => number
  readonly readRows: (from: number, fields: number, most: number, starts: number, base: number) => number
  readonly rowsPosition: () => number
  /** Encodes a column of numbers into pages; see `kernels/parquet/column.ts`. */
  readonly encodeColumn: (
    values: number,
    rows: number,
    kind: number,
    bare: number,
    page: number,
    dictionary: number,
    work: number,
  ) => void
  readonly columnResult: () => number
  /** Encodes 32-bit values in Parquet's hybrid of runs and packed bits, and tells its bytes. */
  readonly encodeHybrid: (values: number, count: number, width: number, out: number) => number
  /** Sets DuckDB's hashes of rows to those of their numbers, from `first` on; see `kernels/row-hash.ts`. */
  readonly hashStart: (hashes: number, rows: number, first: number) => void
  /** Combines doubles, NaN for null, into the hashes of their rows. */
  readonly hashDoubles: (values: number, rows: number, hashes: number) => void
  /** The same of doubles that are whole numbers, hashed as integers. */
  readonly hashWhole: (values: number, rows: number, hashes: number) => void
  /** The same of 64-bit integers, the least of which is null. */
  readonly hashNanoseconds: (values: number, rows: number, hashes: number) => void
  /** The same of one integer that all rows have. */
  readonly hashConstant: (value: number, rows: number, hashes: number) => void
  /** All hashes, xor, as a signed 64-bit integer. */
  readonly hashAll: (hashes: number, rows: number) => bigint
  /** Writes a zstd frame of a page to `out`, and tells its bytes. */
  readonly compressPage: (page: number, bytes: number, stride: number, lead: number, out: number) => number
}

/** What may be read or written by a kernel behind the end of what it was given. */
export const KERNEL_SLACK = 64
const PAGE_BYTES = 65_536

let loaded: Kernels | undefined
let base = 0

/** The kernels, compiled at the first call. */
export function kernels(): Kernels {
  if (loaded) return loaded
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
  loaded = new Instance(new Module(Buffer.from(KERNELS, 'base64')), {}).exports as Kernels
  base = alignUp(loaded.scratchBase())
  return loaded
}

/** Makes sure of `bytes` bytes of scratch memory, which all kernels share. @returns where they begin, a multiple of 64 */
export function kernelScratch(bytes: number): number {
  const { memory } = kernels()
  const missing = base + bytes + KERNEL_SLACK - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES))
  return base
}

/** `bytes` or a little more: the next multiple of 64. */
export const alignUp = (bytes: number): number => Math.ceil(bytes / 64) * 64
