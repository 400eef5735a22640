import type { TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE } from '../../market/time.ts'
import type { World } from '../world/world.ts'
import { AM_DELAY_MS, type LateBars, writeMinuteBars, writeSecondBars } from './bar-events.ts'
import type { Channel } from './clusters.ts'
import type { Connection } from './connection.ts'
import { createDays, type SymbolDay } from './days.ts'
import { FrameBuilder, type Window } from './frames.ts'
import { createMinutes } from './minutes.ts'
import { EVERYTHING } from './subscriptions.ts'
import { writeQuotes, writeTrades, writeValues } from './tick-events.ts'

/** Makes what a connection is owed for a stretch of market time. */
export interface Feed {
  /** The frames of what is due to `connection` in the window; none where nothing is. */
  frames(connection: Connection, window: Window): { readonly frames: Buffer[]; readonly events: number }
  /** True where the market trades at some moment of the minutes around `ms`. */
  busyAt(ms: number): boolean
}

/** Bars come again up to this long after a session. */
const LATE_MS = 4 * MS_PER_MINUTE
const NO_FRAMES = { frames: [], events: 0 } as const satisfies { frames: never[]; events: number }

/** The feed of `world`. Everything it sends is a function of seed, symbol and time. */
export function createFeed(world: World, late: LateBars): Feed {
  const days = createDays(world)
  const minutes = createMinutes(world.seed)
  const sessionAt = rememberingSession(world)

  /** The days of all symbols of a channel, each with the part of the window after its subscription. */
  function* wanted(connection: Connection, channel: Channel, window: Window, session: TradingSession) {
    const symbols = connection.subscriptions.symbols(channel)
    const everything = symbols.get(EVERYTHING)
    const sinceMs = (symbol: string): number =>
      Math.min(everything ?? Infinity, symbols.get(symbol) ?? Infinity) - connection.lagMs
    const wantedDays =
      everything === undefined
        ? [...symbols.keys()].flatMap((symbol) => days.of(connection.cluster, symbol, session) ?? [])
        : days.everything(connection.cluster, session)
    for (const day of wantedDays) {
      const fromMs = Math.max(window.fromMs, sinceMs(day.symbol))
      if (fromMs < window.toMs) yield { day, window: { fromMs, toMs: window.toMs } }
    }
  }
  const minuteBars = (frames: FrameBuilder, connection: Connection, window: Window): void => {
    const markMs = floorTo(window.toMs - AM_DELAY_MS, MS_PER_MINUTE)
    if (markMs + AM_DELAY_MS <= window.fromMs) return
    const session = sessionAt(markMs - MS_PER_MINUTE) ?? sessionAt(markMs - LATE_MS)
    if (!session) return
    for (const { day, window: own } of wanted(connection, 'AM', window, session)) {
      if (markMs + AM_DELAY_MS > own.fromMs) writeMinuteBars(frames, day, markMs, late)
    }
  }
  const withinMinutes = (frames: FrameBuilder, connection: Connection, channel: Channel, window: Window) => {
    // A second bar belongs to the minute in which it ends, so a window may begin one second early.
    for (const startMs of minutesOf({ fromMs: window.fromMs - 1000, toMs: window.toMs })) {
      const session = sessionAt(startMs)
      if (!session) continue
      for (const { day, window: own } of wanted(connection, channel, window, session)) {
        const row = day.row(startMs)
        if (row >= 0) writers[channel](frames, day, row, own)
      }
    }
  }
  const writers: Record<Channel, Writer> = {
    AM: () => undefined,
    A: (frames, day, row, own) => writeSecondBars(frames, day, row, minutes.seconds(day, row), own),
    T: (frames, day, row, own) => writeTrades(frames, day, row, minutes.trades(day, row), own),
    Q: (frames, day, row, own) => writeQuotes(frames, day, row, minutes.quotes(day, row), own),
    V: (frames, day, row, own) => writeValues(frames, day, minutes.seconds(day, row), own),
  }
  return {
    frames: (connection, { fromMs, toMs }) => {
      const { subscriptions, lagMs } = connection
      if (subscriptions.empty) return NO_FRAMES
      const window = { fromMs: fromMs - lagMs, toMs: toMs - lagMs }
      const frames = new FrameBuilder()
      if (subscriptions.has('AM')) minuteBars(frames, connection, window)
      for (const channel of FINE_CHANNELS) {
        if (subscriptions.has(channel)) withinMinutes(frames, connection, channel, window)
      }
      return { frames: frames.finish(), events: frames.events }
    },
    busyAt: (ms) => sessionAt(ms + MS_PER_MINUTE) !== undefined || sessionAt(ms - LATE_MS) !== undefined,
  }
}

type Writer = (frames: FrameBuilder, day: SymbolDay, row: number, window: Window) => void

/** Channels whose events are spread over the minute. */
export const FINE_CHANNELS = ['A', 'T', 'Q', 'V'] as const satisfies readonly Channel[]

export const floorTo = (ms: number, unitMs: number): number => Math.floor(ms / unitMs) * unitMs

/** Starts of the minutes that a window touches. */
function* minutesOf({ fromMs, toMs }: Window): Generator<number> {
  for (let ms = floorTo(fromMs, MS_PER_MINUTE); ms <= toMs; ms += MS_PER_MINUTE) yield ms
}

/** `calendar.at` for instants that mostly lie in the session asked for last. */
function rememberingSession({ calendar }: World): (ms: number) => TradingSession | undefined {
  let last: TradingSession | undefined
  return (ms) => {
    if (last && ms >= last.extendedOpenMs && ms < last.extendedCloseMs) return last
    const found = calendar.at(ms)
    last = found ?? last
    return found
  }
}
