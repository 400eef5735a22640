import { setImmediate as nextTurn } from 'node:timers/promises'
import { pause } from './clock.ts'
import type { Connection } from './connection.ts'

/** A synthetic flood for benchmarks: no market, just well-formed events at a stated rate. */
export interface FirehoseOptions {
  /** Events a second; `max` = as fast as the reader takes them. */
  readonly messagesPerSecond: number | 'max'
  /** Events for each connection, then it is quiet. */
  readonly messages: number
  /** What is sent: trades (default) or minute bars. Begins when a connection subscribes that channel. */
  readonly channel?: 'T' | 'AM'
  /** Events in a frame; default 100. */
  readonly perFrame?: number
  /** Distinct symbols `SIM0`, `SIM1`, …; default 50. */
  readonly symbols?: number
  /** Time of the first event, ms since the epoch; default 2025-06-03 10:00 New York. */
  readonly firstMs?: number
}

/** The flood of one simulator. */
export interface Firehose {
  /** Begins to flood `connection`, unless it is being flooded or does not want it. */
  open(connection: Connection): void
  /** Events sent to all connections. */
  sent(): number
  stop(): void
}

const FIRST_MS = Date.parse('2025-06-03T14:00:00Z')
const FIRST_SEQUENCE = 1_000_000_000
const SLICE_MS = 5

/**
 * Floods connections with events that are made once and changed in place: every trade has its own `q` and
 * `i`, every bar its own symbol and minute; time passes by 1 ms (bars: 1 minute) with every round of symbols.
 */
export function createFirehose(options: FirehoseOptions): Firehose {
  const flooded = new WeakSet<Connection>()
  const stopped = new AbortController()
  const count = { sent: 0 }
  return {
    open: (connection) => {
      if (flooded.has(connection) || !connection.subscriptions.has(options.channel ?? 'T')) return
      flooded.add(connection)
      void flood(connection, options, stopped.signal, count)
    },
    sent: () => count.sent,
    stop: () => stopped.abort(),
  }
}

async function flood(
  connection: Connection,
  options: FirehoseOptions,
  signal: AbortSignal,
  count: { sent: number },
): Promise<void> {
  const { messages, messagesPerSecond, perFrame = 100 } = options
  const template = options.channel === 'AM' ? barTemplate(options) : tradeTemplate(options)
  const startedMs = performance.now()
  let sent = 0
  while (sent < messages && connection.open && !signal.aborted) {
    const allowed =
      messagesPerSecond === 'max'
        ? sent + perFrame * 20
        : Math.floor(((performance.now() - startedMs) / 1000) * messagesPerSecond)
    while (sent < Math.min(allowed, messages)) {
      const events = Math.min(perFrame, messages - sent)
      connection.send(template(sent, events))
      sent += events
      count.sent += events
    }
    if (messagesPerSecond === 'max') await Promise.all([connection.ready(), nextTurn()])
    else await pause(SLICE_MS, signal)
  }
}

/** Makes the frame of events `first` … `first + events - 1`. */
type Template = (first: number, events: number) => Buffer

function tradeTemplate({ symbols = 50, perFrame = 100, firstMs = FIRST_MS }: FirehoseOptions): Template {
  const one = (symbol: string): string =>
    `{"ev":"T","sym":"${symbol}","x":11,"i":"${FIRST_SEQUENCE}","z":3,"p":598.21,"s":100,"c":[14,37],` +
    `"t":${firstMs},"q":${FIRST_SEQUENCE}}`
  return patched(one, ['"i":"', '"t":', '"q":'], { symbols, perFrame }, (index) => {
    const sequence = FIRST_SEQUENCE + index
    return [sequence, firstMs + Math.floor(index / symbols), sequence]
  })
}

function barTemplate({ symbols = 50, perFrame = 100, firstMs = FIRST_MS }: FirehoseOptions): Template {
  const one = (symbol: string): string =>
    `{"ev":"AM","sym":"${symbol}","v":4110,"av":9470157,"op":598.1,"vw":598.2311,"o":598.2,"c":598.25,` +
    `"h":598.31,"l":598.17,"a":598.0412,"z":85,"s":${firstMs},"e":${firstMs}}`
  return patched(one, ['"s":', '"e":'], { symbols, perFrame }, (index) => {
    const startMs = firstMs + Math.floor(index / symbols) * 60_000
    return [startMs, startMs + 60_000]
  })
}

interface Shape {
  readonly symbols: number
  readonly perFrame: number
}

/** Frames as copies of a few made beforehand, in which only the digits behind `fields` change. */
function patched(
  one: (symbol: string) => string,
  fields: readonly string[],
  { symbols, perFrame }: Shape,
  values: (index: number) => readonly number[],
): Template {
  // Symbols of one length, so that every event takes the same bytes.
  const width = String(symbols - 1).length
  const symbolOf = (index: number): string => `SIM${String(index % symbols).padStart(width, '0')}`
  const size = one(symbolOf(0)).length + 1
  const places = fields.map((field) => one(symbolOf(0)).indexOf(field) + field.length + 1)
  const frames = new Map<number, Buffer>()
  const frameFrom = (first: number): Buffer => {
    const phase = first % symbols
    const known = frames.get(phase)
    if (known) return known
    const events = Array.from({ length: perFrame }, (_, i) => one(symbolOf(first + i)))
    const frame = Buffer.from(`[${events.join(',')}]`)
    frames.set(phase, frame)
    return frame
  }
  return (first, events) => {
    const frame = Buffer.from(frameFrom(first).subarray(0, events * size + 1))
    frame[events * size] = CLOSING_BRACKET
    for (let i = 0; i < events; i++) {
      for (const [field, value] of values(first + i).entries()) {
        writeDigits(frame, i * size + places[field]!, value)
      }
    }
    return frame
  }
}

const ZERO = 0x30
const CLOSING_BRACKET = 0x5d

/** Writes `value` over the digits that begin at `at`: as many as it has. */
function writeDigits(frame: Buffer, at: number, value: number): void {
  let high = Math.floor(value / 1e7)
  let low = value - high * 1e7
  let end = at + (high > 999 ? 13 : 10)
  for (let i = 0; i < 7; i++) {
    frame[--end] = ZERO + (low % 10)
    low = (low / 10) | 0
  }
  while (end > at) {
    frame[--end] = ZERO + (high % 10)
    high = (high / 10) | 0
  }
}
