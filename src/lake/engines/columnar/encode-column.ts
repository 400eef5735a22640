import type { Batch, ListColumn, StringColumn } from '../../../core/batch.ts'
import type { ColumnDefinition } from '../../../market/dataset.ts'
import { bitWidth } from './bit-packing.ts'
import { ByteWriter } from './byte-writer.ts'
import { buildDictionary } from './dictionary.ts'
import { encodeHybrid, encodeLevels } from './levels.ts'
import { DOUBLES, NANOSECONDS, WHOLE_32, WHOLE_64, type NumberCodec } from './numbers.ts'
import {
  ELEMENT_LEVEL,
  presentCodes,
  presentElements,
  presentNanoseconds,
  presentNumbers,
  VALUE_LEVEL,
  type Present,
} from './present.ts'
import { buildTextDictionary, encodeText, textExtremes } from './strings.ts'
import type { Grid } from './zstd.ts'

/** Parquet's numbers of the encodings of values. */
export const ENCODINGS = { PLAIN: 0, DELTA_BINARY_PACKED: 5, RLE_DICTIONARY: 8 } as const
export type Encoding = (typeof ENCODINGS)[keyof typeof ENCODINGS]

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
      return encodeNumbers(presentNumbers(data as Float64Array), DOUBLES)
    case 'timestamp':
    case 'int64':
      return encodeNumbers(presentNumbers(data as Float64Array), WHOLE_64)
    case 'date':
      return encodeNumbers(presentNumbers(data as Float64Array), WHOLE_32)
    case 'ns':
      return encodeNumbers(presentNanoseconds(data as BigInt64Array), NANOSECONDS)
    case 'string':
      return encodeTexts(presentCodes(data as StringColumn), (data as StringColumn).dictionary)
    case 'int_list':
      return { ...encodeNumbers(presentElements(data as ListColumn), WHOLE_32), extremes: undefined }
  }
}

function startPage({ entries, definition, repetition }: Present<unknown>): ByteWriter {
  const out = pageBytes.reset()
  if (repetition) encodeLevels(out, repetition, entries, 1)
  encodeLevels(out, definition, entries, repetition ? ELEMENT_LEVEL : VALUE_LEVEL)
  return out
}

function encodeNumbers<Values extends Float64Array | BigInt64Array>(
  present: Present<Values>,
  codec: NumberCodec<Values>,
): EncodedColumn {
  const { values } = present
  const out = startPage(present)
  if (values.length === 0) return columnOf(present, out, ENCODINGS.PLAIN)
  const extremes = codec.extremes(values)
  const dictionary = buildDictionary(values)
  if (dictionary) {
    const count = dictionary.firsts.length
    encodeIndexes(out, dictionary.indexes, values.length, count)
    const plain = dictionaryBytes.reset()
    codec.plain(plain, codec.pick(values, dictionary.firsts))
    const page = { count, bytes: plain.written, grid: gridOf(plain, 0, count) }
    return { ...columnOf(present, out, ENCODINGS.RLE_DICTIONARY), dictionary: page, extremes }
  }
  const lead = out.length
  if (codec.delta?.(out, values)) {
    return { ...columnOf(present, out, ENCODINGS.DELTA_BINARY_PACKED), extremes }
  }
  codec.plain(out, values)
  const data = { bytes: out.written, grid: gridOf(out, lead, values.length) }
  return { ...columnOf(present, out, ENCODINGS.PLAIN), data, extremes }
}

const VALUE_BYTES = 8

const gridOf = (out: ByteWriter, lead: number, count: number): Grid | undefined =>
  out.length === lead + VALUE_BYTES * count ? { stride: VALUE_BYTES, lead } : undefined

function encodeTexts(present: Present<Int32Array>, dictionary: StringColumn['dictionary']): EncodedColumn {
  const { values: codes } = present
  const out = startPage(present)
  if (codes.length === 0) return columnOf(present, out, ENCODINGS.PLAIN)
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
