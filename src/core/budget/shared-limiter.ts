import { randomUUID } from 'node:crypto'
import { sleep, throwIfAborted } from '../abort.ts'
import {
  BudgetSpentError,
  BudgetStoreError,
  InterruptedError,
  isPipelineError,
  messageOf,
} from '../errors.ts'
import { waitSignal, type CallTurn, type LimiterWait, type RateLimiter } from '../rate-limit.ts'
import { MAX_RETRY_AFTER_MS } from '../retry.ts'
import {
  isLimited,
  type BudgetLoad,
  type BudgetStore,
  type BudgetTerms,
  type Reply,
  type Turn,
} from './contract.ts'

export interface SharedLimiterOptions {
  readonly store: BudgetStore
  /** Read before every call: they may change while calls wait. */
  readonly terms: BudgetTerms
  /** Waits; default the machine's clock. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** How long what is known of the load serves for estimates. */
const LOAD_KEPT_MS = 500

/** How long a store that failed is left alone. */
const ASK_AGAIN_MS = 500

type Granted = Extract<Reply, { kind: 'granted' }>

/** A rate limiter whose budget is shared: each call takes a slot of the store before it starts. */
export function createSharedLimiter(options: SharedLimiterOptions): RateLimiter {
  return new SharedLimiter(options)
}

class SharedLimiter implements RateLimiter {
  readonly #store: BudgetStore
  readonly #terms: BudgetTerms
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly #closed = new AbortController()
  /** What is being written to the store and nobody waits for. */
  readonly #writing = new Set<Promise<void>>()
  #pausedUntilMs = -Infinity
  #load: { readonly atMs: number; readonly load: BudgetLoad } | undefined

  constructor({ store, terms, sleep: wait = sleep }: SharedLimiterOptions) {
    this.#store = store
    this.#terms = terms
    this.#sleep = wait
  }

  get callsPerMinute(): number {
    return this.#terms.callsPerMinute
  }

  async run<T>(call: () => Promise<T>, signal: AbortSignal, turn: CallTurn = {}): Promise<T> {
    if (!isLimited(this.#terms)) return await this.#runFreely(call, signal, turn)
    const { slot } = await this.#slot(signal, turn)
    try {
      return await call()
    } finally {
      this.#write(this.#store.settle(slot))
    }
  }

  /** Nothing is reserved without a limit; calls are noted, for those who have one, now or later. */
  async #runFreely<T>(call: () => Promise<T>, signal: AbortSignal, turn: CallTurn): Promise<T> {
    await this.#waitOutPause(signal, turn)
    try {
      return await call()
    } finally {
      this.#write(this.#store.note(turn.priority ?? 'history'))
    }
  }

  async pauseFor(ms: number): Promise<void> {
    if (ms <= 0) return
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, performance.now() + ms)
    await this.#store.pause(ms).catch(() => undefined) // a store that is broken tells so at the next call
  }

  estimateMs(calls: number): number {
    const { windowMs, callsPerMinute: limit } = this.#terms
    const { freeInMs, pauseMs, waiting } = this.#recentLoad()
    // Others who wait get their share: this process has a call of every `waiting` ones.
    const ahead = calls * Math.max(1, waiting) - 1 - (limit - freeInMs.length)
    if (limit === 0 || calls <= 0 || ahead < 0) return pauseMs
    const usedMs = freeInMs[ahead % limit] ?? windowMs
    return Math.max(pauseMs, usedMs) + Math.floor(ahead / limit) * windowMs
  }

  async close(): Promise<void> {
    this.#closed.abort(new InterruptedError('the rate limiter was closed'))
    await Promise.all(this.#writing)
    await this.#store.close()
  }

  /** A slot to send a call in, at once. */
  async #slot(signal: AbortSignal, turn: CallTurn): Promise<Granted> {
    for (;;) {
      const askedMs = performance.now()
      const granted = await this.#turn(signal, turn)
      const lateMs = performance.now() - askedMs - granted.waitedMs
      // A process that was stopped in between would send its call when the slot is no longer its own.
      if (lateMs < this.#terms.leaseMs / 2) return granted
      this.#write(this.#store.settle(granted.slot))
    }
  }

  async #turn(signal: AbortSignal, asked: CallTurn): Promise<Granted & { readonly waitedMs: number }> {
    const turn: Turn = { id: randomUUID(), priority: asked.priority ?? 'history' }
    const startedMs = performance.now()
    let told: LimiterWait['reason'] | undefined
    let waiting = this.#waiting(signal, false, asked)
    try {
      for (;;) {
        throwIfAborted(waiting)
        const askedMs = performance.now()
        const reply = await this.#reserve(turn, waiting)
        if (reply.kind === 'granted') return { ...reply, waitedMs: askedMs - startedMs }
        if (reply.kind === 'spent') throw daySpent(this.#terms.callsPerDay, reply.renewsAtMs)
        refuseLongPause(reply)
        if (told === undefined) waiting = this.#waiting(signal, true, asked)
        if (told !== reply.reason) asked.onWait?.({ waitMs: reply.waitMs, reason: reply.reason })
        told = reply.reason
        await this.#sleep(reply.askAgainMs, waiting)
      }
    } catch (error) {
      if (told !== undefined) this.#write(this.#store.leave(turn))
      throw error
    }
  }

  /** What the store says. One that fails gets a window's time: a full disk may be cleared, a server come back. */
  async #reserve(turn: Turn, signal: AbortSignal): Promise<Reply> {
    const untilMs = performance.now() + this.#terms.windowMs
    for (;;) {
      try {
        return await this.#store.reserve(turn)
      } catch (error) {
        if (performance.now() > untilMs) throw outOfReach(error)
        await this.#sleep(ASK_AGAIN_MS, signal)
      }
    }
  }

  async #waitOutPause(signal: AbortSignal, asked: CallTurn): Promise<void> {
    throwIfAborted(this.#waiting(signal, false, asked))
    for (let told = false; ; told = true) {
      const waitMs = Math.max(await this.#store.pauseLeftMs(), this.#pausedUntilMs - performance.now())
      if (waitMs <= 0) return
      refuseLongPause({ reason: 'pause', waitMs })
      if (!told) asked.onWait?.({ waitMs, reason: 'pause' })
      await this.#sleep(waitMs, this.#waiting(signal, true, asked))
    }
  }

  #waiting(signal: AbortSignal, mustWait: boolean, { patience }: CallTurn): AbortSignal {
    return AbortSignal.any([waitSignal(signal, mustWait, patience), this.#closed.signal])
  }

  #recentLoad(): BudgetLoad {
    const nowMs = performance.now()
    if (!this.#load || nowMs - this.#load.atMs > LOAD_KEPT_MS) {
      this.#load = { atMs: nowMs, load: this.#store.load() }
    }
    return this.#load.load
  }

  /** A failure here costs a slot for the time of a lease, nothing else. */
  #write(writing: Promise<void>): void {
    const done = writing.catch(() => undefined).finally(() => this.#writing.delete(done))
    this.#writing.add(done)
  }
}

function outOfReach(error: unknown): BudgetStoreError {
  const hint = isPipelineError(error) ? error.hint : undefined
  return new BudgetStoreError(`no call can be reserved: ${messageOf(error)}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  })
}

function daySpent(callsPerDay: number, renewsAtMs: number): BudgetSpentError {
  const when = new Date(renewsAtMs).toISOString().slice(0, 16).replace('T', ' ')
  return new BudgetSpentError(
    `the ${callsPerDay} calls of the day are used up; the budget renews at ${when} UTC`,
    { hint: 'Run the same command again after that, or raise sources.polygon.callsPerDay.' },
  )
}

/** A wait of minutes is waited for; after that somebody should know. */
function refuseLongPause({ reason, waitMs }: Pick<LimiterWait, 'reason' | 'waitMs'>): void {
  if (reason !== 'pause' || waitMs <= MAX_RETRY_AFTER_MS) return
  const until = new Date(Date.now() + waitMs).toISOString().slice(0, 19).replace('T', ' ')
  throw new BudgetSpentError(`the vendor asked everybody with this key to wait until ${until} UTC`, {
    hint: 'Run the same command again after that; what was recorded is kept.',
  })
}
