import type { BackOffOptions } from './feed-contract.ts'

export const DEFAULT_BACK_OFF: BackOffOptions = { baseMs: 500, maxMs: 60_000, jitter: 0.3 }

/** Waits that double from failure to failure, up to a limit, with a part of each left to chance. */
export class BackOff {
  readonly #options: BackOffOptions
  readonly #random: () => number
  #attempt = 0

  constructor(options: BackOffOptions, random: () => number) {
    this.#options = options
    this.#random = random
  }

  /** Failures since the last reset. */
  get attempt(): number {
    return this.#attempt
  }

  /** The next wait, ms; `atLeastMs` raises it. */
  next(atLeastMs = 0): number {
    const { baseMs, maxMs, jitter } = this.#options
    const fullMs = Math.min(maxMs, baseMs * 2 ** Math.min(this.#attempt++, 30))
    return Math.max(atLeastMs, Math.round(fullMs * (1 - jitter * this.#random())))
  }

  reset(): void {
    this.#attempt = 0
  }
}
