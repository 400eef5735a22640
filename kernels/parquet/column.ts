// One column of numbers as a page, its levels first; see src/lake/engines/columnar/encode-numbers.ts.
import { endOfBytes, openAt, putByte, putVarint, skipTo } from './bytes'
import { putDeltas } from './delta'
import { findDistinct } from './dictionary'
import { putHybrid, widthOf } from './hybrid'

/** What the values are: doubles, whole numbers in doubles for INT64 and for INT32, 64-bit integers. NaN and NS_NULL are null. */
const DOUBLES = 0
const WHOLE_64 = 1
const WHOLE_32 = 2

const PLAIN = 0
const DELTA_BINARY_PACKED = 5
const RLE_DICTIONARY = 8

const NS_NULL = i64.MIN_VALUE
/** The widest range of values that is encoded as differences. */
const DELTA_RANGE: u64 = 1 << 51
const INT32_DELTA_RANGE: u64 = 1 << 30

/** What became of a column: words, and the least and the greatest value as 64 bits. */
const result: usize = memory.data(48, 16)
const NULLS = 0
const ENCODING = 4
const PAGE_BYTES = 8
const DICTIONARY_COUNT = 12
const DICTIONARY_BYTES = 16
/** Where in the page values of 8 bytes each begin, or 0. */
const GRID_LEAD = 20
const LEAST = 24
const GREATEST = 32

/** Where {@link encodeColumn} leaves what it has to say. */
export function columnResult(): usize {
  return result
}

/**
 * Encodes the `rows` values at `values`, which are overwritten, as a page at `page`: its levels (unless `bare`), then its values.
 * Where a dictionary pays its page goes to `dictionary`. `work` is memory for 16 bytes per row and 64 more.
 */
export function encodeColumn(
  values: usize,
  rows: i32,
  kind: i32,
  bare: boolean,
  page: usize,
  dictionary: usize,
  work: usize,
): void {
  memory.fill(result, 0, 48)
  openAt(page)
  const levels = work
  const count = kind <= WHOLE_32 ? keepNumbers(values, rows, levels) : keepIntegers(values, rows, levels)
  store<i32>(result, rows - count, NULLS)
  if (!bare) putLevels(levels, rows, count)
  if (count > 0) {
    if (kind === WHOLE_64 || kind === WHOLE_32) toIntegers(values, count)
    if (kind === DOUBLES) noteDoubles(values, count)
    else noteIntegers(values, count)
    encodeValues(values, count, kind, page, dictionary, work)
  }
  store<i32>(result, <i32>(endOfBytes() - page), PAGE_BYTES)
}

/** Moves the values that are no NaN together; `levels` says which were, if any. @returns how many stay */
function keepNumbers(values: usize, rows: i32, levels: usize): i32 {
  let row = 0
  while (row < rows && !isNaN(load<f64>(values + ((<usize>row) << 3)))) row++
  if (row === rows) return rows
  for (let before = 0; before < row; before++) store<u32>(levels + ((<usize>before) << 2), 1)
  let kept = row
  for (; row < rows; row++) {
    const value = load<f64>(values + ((<usize>row) << 3))
    const present = value === value
    store<u32>(levels + ((<usize>row) << 2), <u32>present)
    store<f64>(values + ((<usize>kept) << 3), value)
    kept += <i32>present
  }
  return kept
}

function keepIntegers(values: usize, rows: i32, levels: usize): i32 {
  let row = 0
  while (row < rows && load<i64>(values + ((<usize>row) << 3)) !== NS_NULL) row++
  if (row === rows) return rows
  for (let before = 0; before < row; before++) store<u32>(levels + ((<usize>before) << 2), 1)
  let kept = row
  for (; row < rows; row++) {
    const value = load<i64>(values + ((<usize>row) << 3))
    const present = value !== NS_NULL
    store<u32>(levels + ((<usize>row) << 2), <u32>present)
    store<i64>(values + ((<usize>kept) << 3), value)
    kept += <i32>present
  }
  return kept
}

/** The definition levels: their length in bytes, then themselves. */
function putLevels(levels: usize, rows: i32, count: i32): void {
  const start = endOfBytes()
  skipTo(start + 4)
  if (count < rows) putHybrid(levels, rows, 1)
  else {
    putVarint(2 * <u64>rows)
    putByte(1)
  }
  store<u32>(start, <u32>(endOfBytes() - start - 4))
}

function toIntegers(values: usize, count: i32): void {
  for (let at = values; at < values + ((<usize>count) << 3); at += 8) {
    store<i64>(at, <i64>load<f64>(at))
  }
}

function noteDoubles(values: usize, count: i32): void {
  let least = load<f64>(values)
  let greatest = least
  for (let at = values; at < values + ((<usize>count) << 3); at += 8) {
    const value = load<f64>(at)
    least = value < least ? value : least
    greatest = value > greatest ? value : greatest
  }
  store<f64>(result, least, LEAST)
  store<f64>(result, greatest, GREATEST)
}

function noteIntegers(values: usize, count: i32): void {
  let least = load<i64>(values)
  let greatest = least
  for (let at = values; at < values + ((<usize>count) << 3); at += 8) {
    const value = load<i64>(at)
    least = min(least, value)
    greatest = max(greatest, value)
  }
  store<i64>(result, least, LEAST)
  store<i64>(result, greatest, GREATEST)
}

function encodeValues(
  values: usize,
  count: i32,
  kind: i32,
  page: usize,
  dictionary: usize,
  work: usize,
): void {
  const firsts = work + ((<usize>count) << 2)
  const slots = firsts + ((<usize>count) << 2)
  const distinct = findDistinct(values, count, work, firsts, slots)
  if (distinct > 0) {
    const width = max(widthOf(<u64>(distinct - 1)), 1)
    putByte(width)
    putHybrid(work, count, width)
    store<i32>(result, RLE_DICTIONARY, ENCODING)
    store<i32>(result, distinct, DICTIONARY_COUNT)
    store<i32>(result, pick(values, firsts, distinct, kind, dictionary), DICTIONARY_BYTES)
    return
  }
  const range = load<u64>(result, GREATEST) - load<u64>(result, LEAST)
  if (kind !== DOUBLES && range <= (kind === WHOLE_32 ? INT32_DELTA_RANGE : DELTA_RANGE)) {
    putDeltas(values, count)
    store<i32>(result, DELTA_BINARY_PACKED, ENCODING)
    return
  }
  store<i32>(result, PLAIN, ENCODING)
  const lead = endOfBytes()
  if (kind === WHOLE_32) skipTo(narrow(values, count, lead))
  else {
    memory.copy(lead, values, (<usize>count) << 3)
    skipTo(lead + ((<usize>count) << 3))
    store<i32>(result, <i32>(lead - page), GRID_LEAD)
  }
}

/** The values at the places `firsts`, PLAIN. @returns bytes */
function pick(values: usize, firsts: usize, count: i32, kind: i32, out: usize): i32 {
  for (let i: usize = 0; i < <usize>count; i++) {
    const value = load<i64>(values + ((<usize>load<u32>(firsts + (i << 2))) << 3))
    if (kind === WHOLE_32) store<i32>(out + (i << 2), <i32>value)
    else store<i64>(out + (i << 3), value)
  }
  return count << (kind === WHOLE_32 ? 2 : 3)
}

function narrow(values: usize, count: i32, out: usize): usize {
  for (let i: usize = 0; i < <usize>count; i++) {
    store<i32>(out + (i << 2), <i32>load<i64>(values + (i << 3)))
  }
  return out + ((<usize>count) << 2)
}
