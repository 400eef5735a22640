import { throwIfAborted } from '../../core/abort.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import type { StreamOptions } from './contract.ts'

/** Market time after the close in which the last bars come. */
export const LINGER_MS = 90_000
/** A clock of this machine that is further ahead than that is taken for right: the vendor's must be wrong. */
const MOST_AHEAD_MS = 15 * 60_000
/** Between two questions whether a session is over, by the clock on the wall. */
const ASK_EVERY_MS = 5000

/** The vendor's clock: of a replay it is the time of the market; otherwise it checks that of this machine. */
export class VendorTime {
  readonly #options: StreamOptions
  #newestMs = -Infinity
  #askedTickMs = -Infinity
  #toldAhead = false

  constructor(options: StreamOptions) {
    this.#options = options
  }

  /** What it said last, ms since the epoch; -Infinity: it was not asked, or did not answer. */
  get newestMs(): number {
    return this.#newestMs
  }

  /** Milliseconds since it was asked. */
  get sinceAskedMs(): number {
    return performance.now() - this.#askedTickMs
  }

  /** Asks for the time. A failure is told, and the time stays what it was. @throws as soon as `immediate` aborts */
  async ask(): Promise<void> {
    const { vendor, immediate, hooks } = this.#options
    this.#askedTickMs = performance.now()
    try {
      this.#newestMs = Math.max(this.#newestMs, await vendor.now(immediate))
    } catch (error) {
      throwIfAborted(immediate)
      hooks?.onProblem?.("the vendor's clock", error)
    }
  }

  /**
   * True when `session` has ended, by this machine's clock and by the vendor's: one that is some minutes fast must
   * not end the session before its last bars came.
   */
  async confirmsEnd({ extendedCloseMs }: TradingSession, nowMs: number): Promise<boolean> {
    const lateMs = nowMs - extendedCloseMs
    if (lateMs < LINGER_MS) return false
    if (lateMs > MOST_AHEAD_MS) return true
    if (this.sinceAskedMs < ASK_EVERY_MS) return false
    await this.ask()
    // The vendor tells whole seconds.
    if (!Number.isFinite(this.#newestMs) || this.#newestMs >= extendedCloseMs + LINGER_MS - 2000) return true
    this.#tellAhead(nowMs - this.#newestMs)
    return false
  }

  #tellAhead(aheadMs: number): void {
    if (this.#toldAhead) return
    this.#toldAhead = true
    const text = `stream: the clock of this machine is ${Math.round(aheadMs / 1000)} s ahead of the vendor's: recording goes on until the vendor's session is over`
    this.#options.hooks?.onAlert?.({ kind: 'clock', severity: 'warning', text })
  }
}
