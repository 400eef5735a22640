import type { Batch, ListColumn, StringColumn } from '../../../core/batch.ts'
import type { ColumnDefinition } from '../../../market/dataset.ts'
import { ByteWriter } from './byte-writer.ts'
import { encodeNumbers, ENCODINGS, NUMBERS, type Encoding, type Numbers } from './encode-numbers.ts'
import { bitWidth, encodeHybrid, encodeLevels, encodeRun } from './levels.ts'
import { ELEMENT_LEVEL, presentCodes, presentElements, VALUE_LEVEL, type Present } from './present.ts'
import { buildTextDictionary, encodeText, textExtremes } from './strings.ts'
import type { Grid } from './zstd.ts'

/** The body of a page, not yet compressed. It is valid until the next column is encoded. */
export interface PageBody {
  readonly bytes: Uint8Array
  /** Where its values begin, if they are of 8 bytes each. */
  readonly grid: Grid | undefined
}

/** A column of a row group as the bodies of its pages. */
export interface EncodedColumn {
  /** Rows; of lists, their elements and one for each null. */
  readonly entries: number
  readonly nulls: number
  readonly encoding: Encoding
  readonly data: PageBody
  readonly dictionary: (PageBody & { readonly count: number }) | undefined
  /** As PLAIN has them; undefined when there is no value, in lists, and of long texts. */
  readonly extremes: readonly [least: Uint8Array, greatest: Uint8Array] | undefined
}

/** One page of each kind is in the making at a time. */
const pageBytes = new ByteWriter()
const dictionaryBytes = new ByteWriter()

/** A dictionary of texts pays when every text comes so often; it also stays small enough for any reader. */
const LEAST_TEXT_REPEATS = 2

/** Encodes one column of `batch`: the whole of it is one page. */
export function encodeColumn({ name, type }: ColumnDefinition, batch: Batch): EncodedColumn {
  const data = batch.columns[name]!
  switch (type) {
    case 'double':
      return encodePlainNumbers(data as Float64Array, NUMBERS.DOUBLE)
    case 'timestamp':
    case 'int64':
      return encodePlainNumbers(data as Float64Array, NUMBERS.WHOLE_64)
    case 'date':
      return encodePlainNumbers(data as Float64Array, NUMBERS.WHOLE_32)
    case 'ns':
      return encodePlainNumbers(data as BigInt64Array, NUMBERS.NANOSECONDS)
    case 'string':
      return encodeTexts(presentCodes(data as StringColumn), (data as StringColumn).dictionary)
    case 'int_list':
      return encodeLists(presentElements(data as ListColumn))
  }
}

function encodePlainNumbers(values: Float64Array | BigInt64Array, kind: Numbers): EncodedColumn {
  pageBytes.reset()
  return { ...numbersInto(values, kind, true), entries: values.length }
}

function encodeLists(present: Present<Float64Array>): EncodedColumn {
  startPage(present)
  const { entries, nulls, values } = present
  return { ...numbersInto(values, NUMBERS.WHOLE_32, false), entries, nulls, extremes: undefined }
}

function numbersInto(
  values: Float64Array | BigInt64Array,
  kind: Numbers,
  levels: boolean,
): Omit<EncodedColumn, 'entries'> {
  const page = pageBytes
  const dictionary = dictionaryBytes.reset()
  const { nulls, encoding, extremes, ...found } = encodeNumbers(values, kind, { page, dictionary, levels })
  const { dictionaryCount: count, dictionaryGrid } = found
  return {
    nulls,
    encoding,
    extremes,
    data: { bytes: page.written, grid: found.grid },
    dictionary: count === 0 ? undefined : { count, bytes: dictionary.written, grid: dictionaryGrid },
  }
}

function startPage({ entries, definition, repetition }: Present<unknown>): ByteWriter {
  const out = pageBytes.reset()
  if (repetition) encodeLevels(out, repetition, entries, 1)
  encodeLevels(out, definition, entries, repetition ? ELEMENT_LEVEL : VALUE_LEVEL)
  return out
}

function encodeTexts(present: Present<Int32Array>, dictionary: StringColumn['dictionary']): EncodedColumn {
  const { values: codes } = present
  const out = startPage(present)
  if (codes.length === 0) return columnOf(present, out, ENCODINGS.PLAIN)
  if (dictionary.length === 1) return encodeConstant(present, out, dictionary[0]!)
  const { texts, indexes } = buildTextDictionary(codes, dictionary)
  const extremes = textExtremes(texts)
  if (texts.length > 1 && texts.length * LEAST_TEXT_REPEATS > codes.length) {
    for (let i = 0; i < codes.length; i++) encodeText(out, texts[indexes[i]!]!)
    return { ...columnOf(present, out, ENCODINGS.PLAIN), extremes }
  }
  encodeIndexes(out, indexes, codes.length, texts.length)
  const plain = dictionaryBytes.reset()
  for (const text of texts) encodeText(plain, text)
  const page = { count: texts.length, bytes: plain.written, grid: undefined }
  return { ...columnOf(present, out, ENCODINGS.RLE_DICTIONARY), dictionary: page, extremes }
}

/** One and the same text in every row, mostly the ticker. */
function encodeConstant(present: Present<unknown>, out: ByteWriter, text: string): EncodedColumn {
  out.byte(1)
  encodeRun(out, 0, present.entries - present.nulls, 1)
  encodeText(dictionaryBytes.reset(), text)
  const page = { count: 1, bytes: dictionaryBytes.written, grid: undefined }
  const column = columnOf(present, out, ENCODINGS.RLE_DICTIONARY)
  return { ...column, dictionary: page, extremes: textExtremes([text]) }
}

/** Indexes into a dictionary of `size` values: their width, then themselves. */
function encodeIndexes(out: ByteWriter, indexes: Uint32Array, count: number, size: number): void {
  const width = Math.max(bitWidth(size - 1), 1)
  out.byte(width)
  encodeHybrid(out, indexes, count, width)
}

/** What all columns have in common. */
function columnOf({ entries, nulls }: Present<unknown>, out: ByteWriter, encoding: Encoding): EncodedColumn {
  const data = { bytes: out.written, grid: undefined }
  return { entries, nulls, encoding, data, dictionary: undefined, extremes: undefined }
}
