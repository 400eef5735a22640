import Bottleneck from 'bottleneck'
import { abortable, throwIfAborted } from './abort.ts'
import { systemClock, type Clock } from './clock.ts'
import type { CallPriority } from './budget/contract.ts'
import { InterruptedError } from './errors.ts'

/** Calls per minute that the vendor's plans allow; 0 = no limit. */
export const PLAN_CALLS_PER_MINUTE = {
  free: 5,
  // "Unlimited", but the vendor asks to stay well below 100 requests a second.
  starter: 3000,
  developer: 3000,
  advanced: 3000,
} as const
export type VendorPlan = keyof typeof PLAN_CALLS_PER_MINUTE

/** A call that has to wait for its turn. */
export interface LimiterWait {
  readonly waitMs: number
  /** `budget`: the account's calls are used up; `pause`: the vendor asked everyone to wait. */
  readonly reason: 'budget' | 'pause'
}

export interface RateLimiterOptions {
  /** Most calls that may start in any sliding window; 0 = no limit. Read before every call: it may change. */
  readonly callsPerMinute: number
  /** Length of the window, milliseconds; default 60,000. */
  readonly windowMs?: number
  readonly clock?: Clock
}

/** How a call wants to wait for its turn. */
export interface CallTurn {
  /** What the call is for; more urgent ones go first where several processes share the budget. */
  readonly priority?: CallPriority
  /** Called when the call cannot start at once, and again when the reason changes. */
  readonly onWait?: (wait: LimiterWait) => void
  /** Aborts when nothing is to be waited for any more: a call starts then only if it can start at once. */
  readonly patience?: AbortSignal
}

/** The budget of one vendor account. All requests, retries included, start through it. */
export interface RateLimiter {
  readonly callsPerMinute: number
  /**
   * Starts `call` as soon as the budget allows, in the order of asking.
   *
   * @throws what `call` throws; at once when `signal` or the turn's patience aborts or the limiter is closed, and
   *   then `call` never starts
   * @throws {BudgetSpentError} when there is no call before it makes no sense to wait
   */
  run<T>(call: () => Promise<T>, signal: AbortSignal, turn?: CallTurn): Promise<T>
  /** Lets nothing start for `ms` milliseconds: the answer to a 429. */
  pauseFor(ms: number): Promise<void>
  /** Milliseconds until the last of `calls` further calls could start, those already waiting included. */
  estimateMs(calls: number): number
  /** Ends all waits with {@link InterruptedError}. */
  close(): Promise<void>
}

/** What ends a wait: `signal`, and the end of patience unless the call need not wait anyway. */
export function waitSignal(signal: AbortSignal, mustWait: boolean, patience?: AbortSignal): AbortSignal {
  if (!patience || (patience.aborted && !mustWait)) return signal
  return AbortSignal.any([signal, patience])
}

/**
 * A rate limiter over a sliding window: each start takes one call from bottleneck's reservoir, and
 * gives it back a whole window later. (Bottleneck's own refresh fills the reservoir at fixed
 * instants, which lets twice the limit through around them.) No timer runs while nobody waits.
 */
export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  return new SlidingWindowLimiter(options)
}

/** While calls wait, a change of the limit is noticed within this time. */
const LOOK_MS = 10_000

class SlidingWindowLimiter implements RateLimiter {
  readonly #options: RateLimiterOptions
  /** The limit that the queue goes by. */
  #limit: number
  readonly #windowMs: number
  readonly #clock: Clock
  readonly #queue: Bottleneck
  readonly #closed = new AbortController()
  /** Starts that still count, UTC epoch milliseconds, ascending. */
  #starts: number[] = []
  #pausedUntilMs = 0
  #waiting = 0
  /** Ends the loop that gives old starts back; undefined while it does not run. */
  #returning: AbortController | undefined

  constructor(options: RateLimiterOptions) {
    const { callsPerMinute, windowMs = 60_000, clock = systemClock } = options
    this.#options = options
    this.#limit = callsPerMinute
    this.#windowMs = windowMs
    this.#clock = clock
    this.#queue = new Bottleneck(callsPerMinute > 0 ? { reservoir: callsPerMinute } : {})
  }

  get callsPerMinute(): number {
    return this.#limit
  }

  async run<T>(call: () => Promise<T>, signal: AbortSignal, turn: CallTurn = {}): Promise<T> {
    if (this.#limit !== this.#options.callsPerMinute) await this.#adapt()
    const wait = this.#nextWait()
    const patient = waitSignal(signal, wait !== undefined, turn.patience)
    const either = AbortSignal.any([patient, this.#closed.signal])
    if (wait && !signal.aborted) turn.onWait?.(wait)
    throwIfAborted(either)
    await (this.#limit > 0 ? this.#turn(either) : this.#waitOutPause(either))
    return call()
  }

  pauseFor(ms: number): Promise<void> {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.now() + ms)
    return Promise.resolve()
  }

  #nextWait(): LimiterWait | undefined {
    const waitMs = this.estimateMs(1)
    if (waitMs <= 0) return undefined
    const pauseMs = this.#pausedUntilMs - this.#clock.now()
    return { waitMs, reason: pauseMs >= waitMs ? 'pause' : 'budget' }
  }

  estimateMs(calls: number): number {
    const nowMs = this.#clock.now()
    const firstMs = Math.max(nowMs, this.#pausedUntilMs)
    const limit = this.#limit
    const starts = this.#starts.filter((startMs) => startMs + this.#windowMs > nowMs)
    const ahead = this.#waiting + calls - 1 - (limit - starts.length)
    if (limit === 0 || calls <= 0 || ahead < 0) return firstMs - nowMs
    // The places of the window free themselves in turn: those used longest ago first.
    const usedMs = starts[ahead % limit] ?? firstMs
    const freeMs = Math.max(firstMs, usedMs + this.#windowMs)
    return freeMs + Math.floor(ahead / limit) * this.#windowMs - nowMs
  }

  close(): Promise<void> {
    this.#closed.abort(new InterruptedError('the rate limiter was closed'))
    return Promise.resolve()
  }

  /** Resolves at the instant at which the call may start, which from then on counts as started. */
  async #turn(signal: AbortSignal): Promise<void> {
    this.#waiting++
    const turn = new Promise<void>((resolve) => {
      void this.#queue.schedule(async () => {
        await this.#waitOutPause(signal).catch(() => undefined)
        // bottleneck has no way to take a waiting job back: hand the place of one that left to the next
        if (signal.aborted) return this.#giveBack(1)
        this.#starts.push(this.#clock.now())
        resolve()
        void this.#returnOldStarts() // for those still waiting behind this one
      })
    })
    void this.#returnOldStarts()
    try {
      await abortable(turn, signal)
    } finally {
      this.#waiting--
      if (this.#waiting === 0) this.#returning?.abort()
    }
  }

  async #waitOutPause(signal: AbortSignal): Promise<void> {
    for (let leftMs; (leftMs = this.#pausedUntilMs - this.#clock.now()) > 0;)
      await this.#clock.sleep(leftMs, signal)
  }

  /** Gives starts back to the reservoir as they leave the window, for as long as somebody waits for one. */
  async #returnOldStarts(): Promise<void> {
    if (this.#returning) return
    const loop = (this.#returning = new AbortController())
    try {
      for (;;) {
        await this.#adapt()
        await this.#giveBack(this.#forgetOldStarts())
        const oldestMs = this.#starts[0]
        if (oldestMs === undefined || !this.#isShort()) break
        const freeInMs = oldestMs + this.#windowMs - this.#clock.now()
        await this.#clock.sleep(Math.min(LOOK_MS, Math.max(1, freeInMs)), loop.signal)
      }
    } catch {
      // nobody waits any more
    }
    this.#returning = undefined
    if (loop.signal.aborted && this.#waiting > 0) void this.#returnOldStarts()
  }

  /** Whether more calls wait than the window has places for. */
  #isShort(): boolean {
    return this.#limit > 0 && this.#waiting + this.#starts.length > this.#limit
  }

  /** Takes over a limit that has changed. Calls that started without one were not counted: a window is spent then. */
  async #adapt(): Promise<void> {
    const [was, limit] = [this.#limit, this.#options.callsPerMinute]
    if (limit === was) return
    this.#limit = limit
    if (was > 0 && limit > 0) return await this.#giveBack(limit - was)
    this.#starts = Array.from({ length: limit }, () => this.#clock.now())
    this.#queue.updateSettings({ reservoir: limit === 0 ? null : 0 })
  }

  /** Drops the starts that have left the window and returns their number. */
  #forgetOldStarts(): number {
    const nowMs = this.#clock.now()
    // a start in the future means that the wall clock was set back: it counts from now
    const starts = this.#starts.map((startMs) => Math.min(startMs, nowMs))
    this.#starts = starts.filter((startMs) => startMs + this.#windowMs > nowMs)
    return starts.length - this.#starts.length
  }

  async #giveBack(calls: number): Promise<void> {
    if (calls !== 0 && this.#limit > 0) await this.#queue.incrementReservoir(calls)
  }
}
