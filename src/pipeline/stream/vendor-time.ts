import { throwIfAborted } from '../../core/abort.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import type { StreamOptions } from './contract.ts'

/** Market time after the close in which the last bars come. */
export const LINGER_MS = 90_000
/** The vendor tells whole seconds, and its answer takes time on the way: a smaller difference is none. */
const NEGLIGIBLE_MS = 2000
/** A difference that a person should know of. */
const WORTH_TELLING_MS = 30_000
/** A larger difference is no clock that is slow or fast: one of the two is set to another day. */
const MOST_MS = 15 * 60_000
/** Between two questions whether a session is over, by the clock on the wall. */
const ASK_EVERY_MS = 5000

/** The vendor's clock: it tells the time of a replay, and how far the clock of this machine is off. */
export class VendorTime {
  readonly #options: StreamOptions
  #newestMs = -Infinity
  #offsetMs = 0
  #askedTickMs = -Infinity
  #isTold = false

  constructor(options: StreamOptions) {
    this.#options = options
  }

  /** What it said last, ms since the epoch; -Infinity: it was not asked, or did not answer. */
  get newestMs(): number {
    return this.#newestMs
  }

  /** To be added to the clock of this machine, ms. */
  get offsetMs(): number {
    return this.#offsetMs
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
      const vendorMs = await vendor.now(immediate)
      this.#newestMs = Math.max(this.#newestMs, vendorMs)
      this.#compare(vendorMs + 500 - this.#options.now())
    } catch (error) {
      throwIfAborted(immediate)
      hooks?.onProblem?.("the vendor's clock", error)
    }
  }

  /** True when `session` is over by `nowMs`, and still is when the vendor was asked once more. */
  async confirmsEnd({ extendedCloseMs }: TradingSession, nowMs: () => number): Promise<boolean> {
    const isOver = (): boolean => nowMs() >= extendedCloseMs + LINGER_MS
    if (!isOver() || this.sinceAskedMs < ASK_EVERY_MS) return false
    await this.ask()
    return isOver()
  }

  #compare(offsetMs: number): void {
    const size = Math.abs(offsetMs)
    this.#offsetMs = size < NEGLIGIBLE_MS || size > MOST_MS ? 0 : offsetMs
    if (size < WORTH_TELLING_MS || this.#options.ignoreHours || this.#isTold) return
    this.#isTold = true
    const how = `${Math.round(size / 1000)} s ${offsetMs < 0 ? 'ahead of' : 'behind'} the vendor's`
    const then = size > MOST_MS ? 'it is believed all the same' : "the vendor's counts"
    const text = `stream: the clock of this machine is ${how}; ${then}`
    this.#options.hooks?.onAlert?.({ kind: 'clock', severity: 'warning', text })
  }
}
