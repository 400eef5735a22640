import type { TradingSession } from '../../market/calendar/index.ts'
import { type Bars, emptyBars } from './bars.ts'
import { generateTrades, type Ticks } from './ticks.ts'
import type { Listing } from './universe.ts'
import type { World } from './world.ts'

const SECOND_NS = 1_000_000_000

/** The raw second bars of one session, made of its trades; an index has none. */
export function secondBars(world: World, listing: Listing, session: TradingSession, asOfMs: number): Bars {
  const minutes = world.minutes(listing, session, asOfMs)
  if (listing.market === 'indices') return emptyBars(0)
  const out = emptyBars(minutes.length * 60)
  for (let row = 0; row < minutes.length; row++) {
    addSeconds(out, generateTrades(world.seed, listing, minutes, row), minutes.startMs[row]!)
  }
  return out
}

/** The raw second bars of the minute of `row` of `minutes`. */
export function secondsOfMinute(seed: number, listing: Listing, minutes: Bars, row: number): Bars {
  const out = emptyBars(60)
  addSeconds(out, generateTrades(seed, listing, minutes, row), minutes.startMs[row]!)
  return out
}

function addSeconds(out: Bars, ticks: Ticks, minuteMs: number): void {
  let second = -1
  let row = -1
  let turnover = 0
  for (let i = 0; i < ticks.length; i++) {
    const current = Math.floor(ticks.offsetNs[i]! / SECOND_NS)
    const price = ticks.price[i]!
    if (current !== second) {
      second = current
      row = out.length++
      turnover = 0
      out.startMs[row] = minuteMs + second * 1000
      out.open[row] = out.high[row] = out.low[row] = price
      out.base[row] = 1
    }
    if (ticks.outside[i] === 0) {
      out.high[row] = Math.max(out.high[row]!, price)
      out.low[row] = Math.min(out.low[row]!, price)
      out.close[row] = price
    }
    turnover += price * ticks.size[i]!
    out.volume[row]! += ticks.size[i]!
    out.count[row]!++
    out.vwap[row] = Math.round(turnover / out.volume[row]!)
  }
}
