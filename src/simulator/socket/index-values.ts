import { type Bars, emptyBars } from '../world/bars.ts'
import { createRandom, hashText } from '../world/random.ts'
import type { SymbolDay } from './days.ts'

const SECONDS = 60
const HUNDREDTH = 100

/**
 * The values of an index within the minute of `row`, one a second: the first is its open, the last its
 * close, and its high and low are reached. As bars of one value each.
 */
export function indexSeconds(seed: number, { symbol, bars }: SymbolDay, row: number): Bars {
  const startMs = bars.startMs[row]!
  const random = createRandom(hashText(`${symbol} values ${startMs}`, seed))
  const [open, high, low, close] = [bars.open[row]!, bars.high[row]!, bars.low[row]!, bars.close[row]!]
  const highAt = 1 + Math.floor(random() * 28)
  const lowAt = 30 + Math.floor(random() * 28)
  const out = emptyBars(SECONDS)
  for (let second = 0; second < SECONDS; second++) {
    const drift = open + ((close - open) * second) / SECONDS + (random() - 0.5) * (high - low)
    let value = Math.min(high, Math.max(low, Math.round(drift / HUNDREDTH) * HUNDREDTH))
    if (second === 0) value = open
    else if (second === SECONDS - 1) value = close
    else if (second === highAt) value = high
    else if (second === lowAt) value = low
    out.startMs[second] = startMs + second * 1000
    out.open[second] = out.high[second] = out.low[second] = out.close[second] = value
  }
  out.length = SECONDS
  return out
}
