/** Market time, UTC epoch milliseconds. */
export interface MarketClock {
  /** -Infinity before anything is known of it. */
  nowMs(): number
  /** Something happened in the market at `ms`. */
  note(ms: number): void
}

/**
 * The market runs with the clock on the wall, give or take what that is off. A feed that is late shows the market of
 * `feedLagMs` ago: that is the market which is recorded.
 */
export const wallMarketClock = (
  now: () => number,
  vendorTime: { readonly offsetMs: number },
  feedLagMs: () => number,
): MarketClock => ({
  nowMs: () => now() + vendorTime.offsetMs - feedLagMs(),
  note: () => undefined,
})

/** Events, and what the vendor says, tell the time: for replays, however fast and long ago. It never goes back. */
export function eventMarketClock(): MarketClock {
  let newestMs = -Infinity
  return {
    nowMs: () => newestMs,
    note: (ms) => {
      if (ms > newestMs) newestMs = ms
    },
  }
}
