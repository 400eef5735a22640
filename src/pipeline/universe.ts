import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf, UsageError } from '../core/errors.ts'

/**
 * Symbols tell capitals from small letters, and only some suffixes are small: p for preferred (BACpL), r for rights, w for
 * when issued. Anything else in small letters would become a series of its own.
 */
const TICKER = /^[A-Z0-9][A-Z0-9prw.:\-_/^]{0,31}$/

/** Whether `word` can be a ticker: SPY, BRK.B. */
export const isTicker = (word: string): boolean => TICKER.test(word)

/** What to say of a `word` that is no ticker. */
export function tickerHint(word: string): string {
  const capitals = word.toUpperCase()
  return isTicker(capitals) ? `did you mean ${capitals}?` : 'write it as the exchange does: SPY, BRK.B.'
}

/**
 * The tickers that `words` mean, each once, in order. A word `@path` stands for the tickers in that file: one a line or
 * separated by commas, `#` begins a comment.
 *
 * @param cwd what relative paths are relative to
 * @throws {UsageError} naming a word that is no ticker, a file that cannot be read, or when there are none
 */
export function universeOf(words: readonly string[], cwd: string): string[] {
  const found = words.flatMap((word) => {
    if (word.startsWith('@')) return tickersInFile(resolve(cwd, word.slice(1)))
    if (!isTicker(word)) throw notATicker(word)
    return [word]
  })
  if (found.length > 0) return [...new Set(found)]
  throw new UsageError('no tickers: the universe is empty', {
    hint: 'Say --tickers SPY,QQQ, or list them in the configuration as sources.polygon.equities.',
  })
}

function tickersInFile(path: string): string[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UsageError(`the file of tickers cannot be read: ${messageOf(cause)}`, { cause })
  }
  return text.split(/\r?\n/).flatMap((line, i) => {
    const words = line.replace(/#.*/, '').split(/[,\s]+/)
    const given = words.filter((word) => word !== '')
    const bad = given.find((word) => !isTicker(word))
    if (bad !== undefined) throw notATicker(bad, `${path}:${i + 1}: `)
    return given
  })
}

const notATicker = (word: string, place = ''): UsageError =>
  new UsageError(`${place}'${word}' is not a ticker: ${tickerHint(word)}`, {
    hint: 'Tickers are written as the exchange does, in capitals: SPY, BRK.B; preferred shares as BACpL.',
  })
