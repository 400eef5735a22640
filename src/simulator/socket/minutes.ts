import type { Bars } from '../world/bars.ts'
import { generateQuotes, type Quotes } from '../world/quotes.ts'
import { secondsOfMinute } from '../world/seconds.ts'
import { generateTrades, type Ticks } from '../world/ticks.ts'
import type { SymbolDay } from './days.ts'
import { indexSeconds } from './index-values.ts'

/** What happens inside the minutes of the day, made when asked for; the newest minute of each is kept. */
export interface Minutes {
  trades(day: SymbolDay, row: number): Ticks
  quotes(day: SymbolDay, row: number): Quotes
  /** Second bars; for an index the values, one a second. */
  seconds(day: SymbolDay, row: number): Bars
}

/** The ticks of the market of `seed`: those that REST serves. */
export function createMinutes(seed: number): Minutes {
  return {
    trades: newest((day, row) => generateTrades(seed, day.listing, day.bars, row)),
    quotes: newest((day, row) => generateQuotes(seed, day.listing, day.bars, row)),
    seconds: newest((day, row) =>
      day.cluster === 'indices'
        ? indexSeconds(seed, day, row)
        : secondsOfMinute(seed, day.listing, day.bars, row),
    ),
  }
}

function newest<T>(make: (day: SymbolDay, row: number) => T): (day: SymbolDay, row: number) => T {
  const known = new Map<string, { readonly day: SymbolDay; readonly row: number; readonly value: T }>()
  return (day, row) => {
    const found = known.get(day.symbol)
    if (found?.day === day && found.row === row) return found.value
    const value = make(day, row)
    known.set(day.symbol, { day, row, value })
    return value
  }
}
