import { MS_PER_MINUTE } from '../../market/time.ts'
import type { JsonWriter } from '../json-writer.ts'
import { type Bars, SHARE_UNITS } from '../world/bars.ts'
import { FRACTIONS_START } from '../world/activity.ts'
import { hash32, hashText } from '../world/random.ts'
import type { SymbolDay } from './days.ts'
import type { FrameBuilder, Window } from './frames.ts'

/** A bar event goes out this long after its minute is over. */
export const AM_DELAY_MS = 1000

/** One bar to be sent, and where the day stood with it. */
interface BarEvent {
  readonly ev: 'AM' | 'A'
  readonly day: SymbolDay
  readonly bars: Bars
  readonly row: number
  /** Of the day, this bar included. */
  readonly dayVolume: number
  readonly dayTurnover: number
}

/** Which bars change after they were sent: a late trade, and the bar comes again. */
export interface LateBars {
  /** Share of the minute bars of stocks, 0…1. */
  readonly ratio: number
  readonly seed: number
}

/** Minutes after the first time at which a late bar comes again: 1 to 3; 0 = it is never late. */
export function lateByMinutes(
  { ratio, seed }: LateBars,
  { symbol, cluster }: SymbolDay,
  startMs: number,
): number {
  if (cluster !== 'stocks' || ratio === 0) return 0
  const luck = hash32(hashText(symbol, seed), startMs / MS_PER_MINUTE, 91)
  return luck / 2 ** 32 < ratio ? 1 + (luck % 3) : 0
}

/** Writes the minute bars due at the minute mark `markMs` (exclusive end of the newest), late ones again. */
export function writeMinuteBars(frames: FrameBuilder, day: SymbolDay, markMs: number, late: LateBars): void {
  for (let back = 3; back >= 0; back--) {
    const startMs = markMs - (1 + back) * MS_PER_MINUTE
    const row = day.row(startMs)
    if (row < 0) continue
    const lateBy = lateByMinutes(late, day, startMs)
    if (back > 0 && lateBy !== back) continue
    const provisional = back === 0 && lateBy > 0
    writeBar(frames.json, minuteEvent(day, row), provisional)
    frames.wrote()
  }
}

function minuteEvent(day: SymbolDay, row: number): BarEvent {
  return {
    ev: 'AM',
    day,
    bars: day.bars,
    row,
    dayVolume: day.volumeBefore[row + 1]!,
    dayTurnover: day.turnoverBefore[row + 1]!,
  }
}

/** Writes the second bars `bars` of minute `minuteRow` that end within the window. */
export function writeSecondBars(
  frames: FrameBuilder,
  day: SymbolDay,
  minuteRow: number,
  bars: Bars,
  window: Window,
): void {
  let dayVolume = day.volumeBefore[minuteRow]!
  let dayTurnover = day.turnoverBefore[minuteRow]!
  for (let row = 0; row < bars.length; row++) {
    dayVolume += bars.volume[row]!
    dayTurnover += bars.volume[row]! * bars.vwap[row]!
    const endMs = bars.startMs[row]! + 1000
    if (endMs <= window.fromMs || endMs > window.toMs) continue
    writeBar(frames.json, { ev: 'A', day, bars, row, dayVolume, dayTurnover }, false)
    frames.wrote()
  }
}

/** A provisional bar lacks the late trade: a twentieth of its volume, and a bit of its average price. */
function writeBar(json: JsonWriter, event: BarEvent, provisional: boolean): void {
  const { ev, day, bars, row } = event
  const startMs = bars.startMs[row]!
  json.raw(`{"ev":"${ev}","sym":`).value(day.symbol)
  if (day.cluster !== 'indices') writeVolume(json, event, provisional)
  const open = startMs < day.session.openMs ? 0 : (day.bars.open[day.openRow] ?? 0)
  json.raw(',"op":').decimal(open, 4)
  if (day.cluster !== 'indices') writeAverages(json, event, provisional)
  json.raw(',"o":').decimal(bars.open[row]!, 4).raw(',"c":').decimal(bars.close[row]!, 4)
  json.raw(',"h":').decimal(bars.high[row]!, 4).raw(',"l":').decimal(bars.low[row]!, 4)
  json
    .raw(',"s":')
    .int(startMs)
    .raw(',"e":')
    .int(startMs + (ev === 'AM' ? MS_PER_MINUTE : 1000))
  json.raw('},')
}

function writeVolume(json: JsonWriter, { day, bars, row, dayVolume }: BarEvent, provisional: boolean): void {
  const missing = provisional ? lateVolume(bars, row) : 0
  const volume = bars.volume[row]! - missing
  json
    .raw(',"v":')
    .decimal(volume, 6)
    .raw(',"av":')
    .decimal(dayVolume - missing, 6)
  if (day.session.date < FRACTIONS_START) return
  json
    .raw(',"dv":"')
    .decimal(volume, 6)
    .raw('","dav":"')
    .decimal(dayVolume - missing, 6)
    .raw('"')
}

function writeAverages(json: JsonWriter, event: BarEvent, provisional: boolean): void {
  const { bars, row, dayVolume, dayTurnover } = event
  const vwap = bars.vwap[row]!
  if (vwap > 0) json.raw(',"vw":').decimal(provisional ? vwap + 1 : vwap, 4)
  json.raw(',"a":').decimal(Math.round(dayTurnover / dayVolume), 4)
  const trades = bars.count[row]! || Math.max(1, Math.round(bars.volume[row]! / SHARE_UNITS / 110))
  json.raw(',"z":').int(Math.max(1, Math.round(bars.volume[row]! / SHARE_UNITS / trades)))
}

const lateVolume = (bars: Bars, row: number): number => Math.floor(bars.volume[row]! / 20)
