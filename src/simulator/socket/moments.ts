import type { TradingSession } from '../../market/calendar/index.ts'
import { dateToDays, NEW_YORK } from '../../market/time.ts'
import type { Fault } from '../faults/kind.ts'
import { createRandom, hash32, hashText, type Random } from '../world/random.ts'
import type { Window } from './frames.ts'

/**
 * When `fault`, the `index`th of a simulator of `seed`, strikes on `session`, ascending. A stretch begins
 * at `fromMs`, inclusive, and ends before `toMs`.
 */
export function momentsOf(fault: Fault, index: number, seed: number, session: TradingSession): Window[] {
  const { at, every, times, day } = fault.options
  if (day !== undefined && day !== session.date) return []
  const random = createRandom(hash32(hashText(`${fault.name} ${session.date}`, seed), index))
  const starts: number[] = []
  if (at !== undefined) starts.push(timeOf(String(at), session))
  for (let ms = session.extendedOpenMs; every !== undefined && ms < session.extendedCloseMs;) {
    ms += Number(every) * 1000
    starts.push(ms)
  }
  const drawn = Number(times ?? (starts.length === 0 ? 1 : 0))
  const seconds = (session.closeMs - session.openMs) / 1000
  for (let i = 0; i < drawn; i++) starts.push(session.openMs + Math.floor(random() * seconds) * 1000)
  return starts.sort((a, b) => a - b).map((fromMs) => ({ fromMs, toMs: fromMs + durationMs(fault, random) }))
}

/** True where a fault of frames or attempts may act at `nowMs`. */
export function isWithin({ options }: Fault, session: TradingSession | undefined, nowMs: number): boolean {
  const { at, for: seconds, day } = options
  if (day !== undefined && day !== NEW_YORK.dateAt(nowMs)) return false
  if (at === undefined) return true
  if (!session) return false
  const fromMs = timeOf(String(at), session)
  return nowMs >= fromMs && nowMs < fromMs + Number(String(seconds).split('-').at(-1)) * 1000
}

function timeOf(text: string, { date }: TradingSession): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number)
  return NEW_YORK.toUtcMs(dateToDays(date), ((hours * 60 + minutes) * 60 + seconds) * 1000)
}

/** `for=60`, or `for=1-600`: a whole number of seconds between the two, drawn by the seed. */
function durationMs({ options }: Fault, random: Random): number {
  const [least = 0, most = least] = String(options['for'] ?? 0)
    .split('-')
    .map(Number)
  return (least + Math.floor(random() * (most - least + 1))) * 1000
}
