import { BYTE, type JsonCursor } from '../wire/cursor.ts'
import type { Asset } from './event-fields.ts'

/** What tells where an event goes. */
export interface EventHead {
  /** Undefined where there is none, or it is no text. */
  readonly ev: string | undefined
  /** Undefined where there is no symbol. */
  readonly asset: Asset | undefined
}

const NO_HEAD: EventHead = { ev: undefined, asset: undefined }
const EV = Buffer.from('{"ev":"')
const SYM = Buffer.from(',"sym":"')
/** Longer names of events than this are read the slow way. */
const MAX_EV_BYTES = 16

/**
 * The head of the event at `cursor`, which stays where it is. The vendor writes `ev` and `sym` first; where it
 * does not, the event is searched.
 *
 * @throws {WireError} when the search meets broken JSON
 */
export function headOf(cursor: JsonCursor): EventHead {
  return quickHead(cursor) ?? searchedHead(cursor)
}

function quickHead({ bytes, pos }: JsonCursor): EventHead | undefined {
  if (!hasAt(bytes, pos, EV)) return undefined
  const start = pos + EV.length
  let end = start
  while (isCapital(bytes[end]) && end - start < MAX_EV_BYTES) end++
  if (bytes[end] !== BYTE.quote || !hasAt(bytes, end + 1, SYM)) return undefined
  const symbol = end + 1 + SYM.length
  const [first, second] = [bytes[symbol], bytes[symbol + 1]]
  if (!isCapital(first) || second === BYTE.backslash) return undefined
  return { ev: bytes.toString('latin1', start, end), asset: assetOf(first!, second) }
}

function hasAt(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}

const isCapital = (byte: number | undefined): boolean => byte! >= 0x41 && byte! <= 0x5a

function searchedHead(cursor: JsonCursor): EventHead {
  const start = cursor.pos
  if (cursor.peek() !== BYTE.openBrace) return NO_HEAD
  const found = textFields(cursor, ['ev', 'sym'])
  cursor.pos = start
  const symbol = found.get('sym')
  return {
    ev: found.get('ev'),
    asset: symbol ? assetOf(symbol.charCodeAt(0), symbol.charCodeAt(1)) : undefined,
  }
}

/** The values of the fields `names` of the object at `cursor` that are texts. */
function textFields(cursor: JsonCursor, names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>()
  cursor.pos++
  cursor.skipSpace()
  if (cursor.takeIf(BYTE.closeBrace)) return found
  do {
    const name = cursor.string()
    cursor.skipSpace()
    cursor.take(BYTE.colon, "':'")
    cursor.skipSpace()
    if (names.includes(name) && cursor.peek() === BYTE.quote) found.set(name, cursor.string())
    else cursor.skipValue()
  } while (cursor.more(BYTE.closeBrace))
  return found
}

const OPTION = 0x4f
const INDEX = 0x49

function assetOf(first: number, second: number | undefined): Asset {
  if (second !== BYTE.colon) return 'stock'
  if (first === OPTION) return 'option'
  return first === INDEX ? 'index' : 'other'
}
