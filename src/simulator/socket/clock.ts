import { setTimeout as sleep } from 'node:timers/promises'

/** How fast market time passes: times real time, or `max`: as fast as the readers take it. */
export type Speed = number | 'max'

export interface ClockOptions {
  /** A clock kept elsewhere, ms since the epoch; the options below are then without effect. */
  readonly now?: () => number
  /** What the clock shows before it starts, ms since the epoch. */
  readonly startMs: number
  readonly speed: Speed
}

/** The simulated wall clock. It stands still until it is started. */
export interface MarketClock {
  nowMs(): number
  /** True where market time follows real time; false where the feed moves it from event to event. */
  readonly paced: boolean
  start(): void
  readonly started: boolean
  /** Resolves once the clock shows `ms`, or soon after `signal` aborts. An unpaced clock is moved there. */
  reach(ms: number, signal: AbortSignal): Promise<void>
}

const POLL_MS = 20
const LONGEST_SLEEP_MS = 60_000

/** The clock of a simulator; see {@link ClockOptions}. */
export function createMarketClock(options: ClockOptions): MarketClock {
  if (options.now) return followingClock(options.now)
  return options.speed === 'max' ? drivenClock(options.startMs) : pacedClock(options.startMs, options.speed)
}

function followingClock(now: () => number): MarketClock {
  return {
    nowMs: now,
    paced: true,
    started: true,
    start: () => undefined,
    reach: async (ms, signal) => {
      while (now() < ms && !signal.aborted) await pause(POLL_MS, signal)
    },
  }
}

function pacedClock(startMs: number, speed: number): MarketClock {
  let startedMs: number | undefined
  const nowMs = (): number =>
    startedMs === undefined ? startMs : startMs + Math.floor((performance.now() - startedMs) * speed)
  return {
    nowMs,
    paced: true,
    get started() {
      return startedMs !== undefined
    },
    start: () => {
      startedMs ??= performance.now()
    },
    reach: async (ms, signal) => {
      while (nowMs() < ms && !signal.aborted) {
        const waitMs = startedMs === undefined ? POLL_MS : (ms - nowMs()) / speed
        await pause(Math.min(Math.ceil(waitMs), LONGEST_SLEEP_MS), signal)
      }
    },
  }
}

function drivenClock(startMs: number): MarketClock {
  let currentMs = startMs
  let started = false
  return {
    nowMs: () => currentMs,
    paced: false,
    get started() {
      return started
    },
    start: () => {
      started = true
    },
    reach: async (ms) => {
      currentMs = Math.max(currentMs, ms)
    },
  }
}

/** Sleeps without keeping the process alive; ends early when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)
}
