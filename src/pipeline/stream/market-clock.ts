/** Market time, UTC epoch milliseconds; it never goes back. */
export interface MarketClock {
  /** -Infinity before anything is known of it. */
  nowMs(): number
  /** Something happened in the market at `ms`. */
  note(ms: number): void
}

/** The market runs with the clock on the wall. */
export const wallMarketClock = (now: () => number): MarketClock => ({ nowMs: now, note: () => undefined })

/** Events, and what the vendor says, tell the time: for replays, however fast and however long ago. */
export function eventMarketClock(): MarketClock {
  let newestMs = -Infinity
  return {
    nowMs: () => newestMs,
    note: (ms) => {
      if (ms > newestMs) newestMs = ms
    },
  }
}
