import type { StringColumn } from '../../../core/batch.ts'
import { compareUtf8 } from '../../../core/sort.ts'
import type { ByteWriter } from './byte-writer.ts'

/** Texts longer than this make no statistics. */
const MAX_STATISTICS_BYTES = 256

/** The distinct texts of a column, in order of first appearance. */
export interface TextDictionary {
  readonly texts: readonly string[]
  /** Per value the number of its text. Valid until the next dictionary is built. */
  readonly indexes: Uint32Array
}

let scratch = new Uint32Array(1024)

/** Memory for the indexes of `count` values, used again each time. */
function indexScratch(count: number): Uint32Array {
  if (scratch.length < count) scratch = new Uint32Array(2 ** Math.ceil(Math.log2(count)))
  return scratch.subarray(0, count)
}

/** @param codes one per row that has a text */
export function buildTextDictionary(
  codes: Int32Array,
  dictionary: StringColumn['dictionary'],
): TextDictionary {
  const indexOf = new Int32Array(dictionary.length).fill(-1)
  const known = new Map<string, number>()
  const indexes = indexScratch(codes.length)
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!
    let index = indexOf[code]!
    if (index < 0) {
      const text = dictionary[code]!
      index = known.get(text) ?? known.size
      known.set(text, index)
      indexOf[code] = index
    }
    indexes[i] = index
  }
  return { texts: [...known.keys()], indexes }
}

/** PLAIN: each text with its length in bytes before it. */
export function encodeText(out: ByteWriter, text: string): void {
  const start = out.length
  out.uint32(0)
  const room = out.extend(text.length)
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 127) {
      out.truncate(start)
      return encodeUnicode(out, text)
    }
    room[i] = unit
  }
  out.setUint32(start, text.length)
}

function encodeUnicode(out: ByteWriter, text: string): void {
  const bytes = Buffer.from(text, 'utf8')
  out.uint32(bytes.length)
  out.bytes(bytes)
}

/** The least and the greatest of `texts` by their bytes, or undefined where either is too long for statistics. */
export function textExtremes(texts: readonly string[]): readonly [Uint8Array, Uint8Array] | undefined {
  let least = texts[0]!
  let greatest = least
  for (const text of texts) {
    if (compareUtf8(text, least) < 0) least = text
    else if (compareUtf8(text, greatest) > 0) greatest = text
  }
  const extremes = [Buffer.from(least, 'utf8'), Buffer.from(greatest, 'utf8')] as const
  return extremes.some(({ length }) => length > MAX_STATISTICS_BYTES) ? undefined : extremes
}
