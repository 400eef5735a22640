import { alignUp, KERNEL_SLACK, kernels, kernelScratch } from '../../../core/kernels/index.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { Grid } from './zstd.ts'

/** What numbers are in memory and in the file; `kernels/parquet/column.ts` knows them by these numbers. */
export const NUMBERS = {
  /** Doubles; NaN is null. */
  DOUBLE: 0,
  /** Whole numbers within ±2^53, INT64; NaN is null. */
  WHOLE_64: 1,
  /** Whole numbers within ±2^31, INT32; NaN is null. */
  WHOLE_32: 2,
  /** 64-bit integers, INT64; NS_NULL is null. */
  NANOSECONDS: 3,
} as const
export type Numbers = (typeof NUMBERS)[keyof typeof NUMBERS]

/** Parquet's numbers of the encodings of values. */
export const ENCODINGS = { PLAIN: 0, DELTA_BINARY_PACKED: 5, RLE_DICTIONARY: 8 } as const
export type Encoding = (typeof ENCODINGS)[keyof typeof ENCODINGS]

export interface EncodedNumbers {
  readonly nulls: number
  readonly encoding: Encoding
  /** Values in the dictionary, which went to `dictionary`; 0 without one. */
  readonly dictionaryCount: number
  readonly dictionaryGrid: Grid | undefined
  /** Where in `page` values begin, if they are of 8 bytes each. */
  readonly grid: Grid | undefined
  /** As PLAIN has them; undefined when there is no value. */
  readonly extremes: readonly [least: Uint8Array, greatest: Uint8Array] | undefined
}

const RESULT_WORDS = 6
const LEAST = 24
const GREATEST = 32
const EXTREME_BYTES = 8
/** Levels, differences and lengths take no more than this above the values themselves. */
const BYTES_PER_ROW = 10

/**
 * Puts the values of a column at the end of `page` in the encoding that suits them, and those of its dictionary, if
 * they have one, at the end of `dictionary`: a dictionary where every value comes four times or more, differences
 * between whole numbers that are no more than 2^51 apart, otherwise as they are.
 *
 * @param levels false: the definition levels are there already, and no value is null
 */
export function encodeNumbers(
  values: Float64Array | BigInt64Array,
  kind: Numbers,
  { page, dictionary, levels }: { page: ByteWriter; dictionary: ByteWriter; levels: boolean },
): EncodedNumbers {
  const rows = values.length
  const areas = [8, BYTES_PER_ROW, 8, 16].map((bytes) => alignUp(bytes * rows + 1024 + KERNEL_SLACK))
  const [valuesBytes, pageBytes, dictionaryBytes] = areas as [number, number, number]
  const at = kernelScratch(areas.reduce((sum, bytes) => sum + bytes, 0))
  const pageAt = at + valuesBytes
  const dictionaryAt = pageAt + pageBytes
  const { memory, encodeColumn, columnResult } = kernels()
  const { buffer } = memory
  const all = new Uint8Array(buffer)
  all.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
  encodeColumn(at, rows, kind, levels ? 0 : 1, pageAt, dictionaryAt, dictionaryAt + dictionaryBytes)
  const result = columnResult()
  const [nulls, encoding, written, dictionaryCount, dictionaryWritten, gridLead] = new Int32Array(
    buffer,
    result,
    RESULT_WORDS,
  ) as unknown as [number, Encoding, number, number, number, number]
  const lead = page.length
  page.bytes(all.subarray(pageAt, pageAt + written))
  dictionary.bytes(all.subarray(dictionaryAt, dictionaryAt + dictionaryWritten))
  return {
    nulls,
    encoding,
    dictionaryCount,
    dictionaryGrid: dictionaryWritten === 8 * dictionaryCount ? { stride: 8, lead: 0 } : undefined,
    grid: gridLead > 0 ? { stride: 8, lead: lead + gridLead } : undefined,
    extremes:
      nulls === rows
        ? undefined
        : extremesOf(kind, all.slice(result + LEAST, result + GREATEST + EXTREME_BYTES)),
  }
}

/** Of the two zeros the statistics name the outer one, whichever is there: readers compare in different ways. */
function extremesOf(kind: Numbers, both: Uint8Array): readonly [Uint8Array, Uint8Array] {
  if (kind === NUMBERS.DOUBLE) {
    const values = new Float64Array(both.buffer)
    if (values[0] === 0) values[0] = -0
    if (values[1] === 0) values[1] = 0
  }
  const bytes = kind === NUMBERS.WHOLE_32 ? 4 : EXTREME_BYTES // of a small integer the lower half is the whole
  return [both.subarray(0, bytes), both.subarray(EXTREME_BYTES, EXTREME_BYTES + bytes)]
}
