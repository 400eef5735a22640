import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
  type CircuitBreakerPolicy,
} from 'cockatiel'
import { abortable, abortError, sleep } from '../../core/abort.ts'
import { NetworkError, ServerError, TimeoutError } from '../../core/errors.ts'
import type { CategoryPolicy, RetryPolicy } from '../../core/retry.ts'

/** `closed`: requests pass. `open`: the vendor failed again and again, they wait. `half_open`: one of them tries. */
export type BreakerState = 'closed' | 'half_open' | 'open'

/** A breaker has changed its state. */
export interface BreakerEvent {
  readonly host: string
  /** Endpoint family, see endpoints.ts. */
  readonly endpoint: string
  readonly state: BreakerState
  /** Process whose breaker it is; absent: this one. */
  readonly worker?: number
}

export interface BreakerOptions {
  /** Who is asked, e.g. `api.polygon.io`. */
  readonly host: string
  /** Failed attempts in a row that open a breaker. */
  readonly failures: number
  /** How long an open breaker lets nothing through, milliseconds; never longer than the longest wait of a retry. */
  readonly openMs: number
  /** Longest time for one attempt to wait behind a breaker, milliseconds. */
  readonly maxWaitMs: number
  readonly retryPolicy: RetryPolicy
  readonly onChange?: (event: BreakerEvent) => void
}

const NAMES: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Isolated]: 'open',
}

/** How often whoever waits looks again. */
const LOOK_MS = 1000

/** Failures that say that the vendor is in trouble, not that the request is bad or the budget spent. */
const isTrouble = (error: unknown): boolean =>
  error instanceof NetworkError || error instanceof ServerError || error instanceof TimeoutError

/**
 * Circuit breakers of one host, one for each endpoint family. Work that meets an open breaker is not refused: it waits
 * until the breaker lets one request try, so that nothing is lost and the vendor is left alone.
 */
export class Breakers {
  readonly #options: BreakerOptions
  readonly #openMs: number
  readonly #byEndpoint = new Map<string, Breaker>()

  constructor(options: BreakerOptions) {
    this.#options = options
    this.#openMs = Math.max(1, Math.min(options.openMs, longestWaitMs(options.retryPolicy.server)))
  }

  /**
   * Runs `attempt` once the breaker of `endpoint` lets it.
   *
   * @throws what `attempt` throws; {@link ServerError} when the breaker let nothing through for `maxWaitMs`; at once
   *   when `patience` aborts during a wait
   */
  async run<T>(endpoint: string, attempt: () => Promise<T>, patience: AbortSignal): Promise<T> {
    const deadlineMs = performance.now() + Math.max(this.#options.maxWaitMs, this.#openMs)
    for (;;) {
      const turn = takeTurn(attempt, patience)
      try {
        return await turn.end(this.#breakerOf(endpoint).policy.execute(turn.begin))
      } catch (error) {
        if (turn.isBegun || !(error instanceof BrokenCircuitError)) throw error
        if (performance.now() >= deadlineMs) throw this.#refusal(endpoint)
        this.#replaceIfStuck(endpoint)
        await sleep(Math.min(this.#openMs, LOOK_MS), patience)
      }
    }
  }

  /** cockatiel measures by the wall clock: one that is set back would keep the breaker open for as long. */
  #replaceIfStuck(endpoint: string): void {
    const { openedTick } = this.#breakerOf(endpoint)
    if (performance.now() - openedTick <= 2 * this.#openMs + LOOK_MS) return
    this.#byEndpoint.delete(endpoint)
    this.#options.onChange?.({ host: this.#options.host, endpoint, state: 'closed' })
  }

  #refusal(endpoint: string): ServerError {
    const { host, maxWaitMs } = this.#options
    return new ServerError(`${host} fails: the circuit breaker of ${endpoint} was open for ${maxWaitMs} ms`, {
      hint: 'The vendor seems to be down. Run it again later: what was recorded is kept.',
    })
  }

  #breakerOf(endpoint: string): Breaker {
    const known = this.#byEndpoint.get(endpoint)
    if (known) return known
    const { host, failures, onChange } = this.#options
    const policy = circuitBreaker(handleWhen(isTrouble), {
      halfOpenAfter: this.#openMs,
      breaker: new ConsecutiveBreaker(failures),
    })
    const made: Breaker = { policy, openedTick: Infinity }
    policy.onStateChange((state) => {
      if (state === CircuitState.Open) made.openedTick = performance.now()
      onChange?.({ host, endpoint, state: NAMES[state] })
    })
    this.#byEndpoint.set(endpoint, made)
    return made
  }
}

interface Breaker {
  readonly policy: CircuitBreakerPolicy
  /** When it opened last, by the monotonic clock. */
  openedTick: number
}

interface Turn<T> {
  /** What the breaker calls when it lets the attempt through. */
  readonly begin: () => Promise<T>
  /** The result of `running`; a turn that still waits when patience ends is called off. */
  readonly end: (running: Promise<T>) => Promise<T>
  readonly isBegun: boolean
}

/** One attempt that may have to stand behind another one's trial. Once begun, it is left to end by itself. */
function takeTurn<T>(attempt: () => Promise<T>, patience: AbortSignal): Turn<T> {
  let isBegun = false
  let isCalledOff = false
  let onBegun: () => void = () => undefined
  const begun = new Promise<void>((resolve) => (onBegun = resolve))
  return {
    begin: () => {
      if (isCalledOff) throw abortError(patience)
      isBegun = true
      onBegun()
      return attempt()
    },
    end: async (running) => {
      if (isBegun) return await running
      try {
        await abortable(Promise.race([running, begun]), patience)
      } catch (error) {
        isCalledOff = true
        running.catch(() => undefined)
        throw error
      }
      return await running
    },
    get isBegun() {
      return isBegun
    },
  }
}

/** The longest wait before a retry of one request. */
const longestWaitMs = ({ baseMs, factor, retries, maxMs }: CategoryPolicy): number =>
  Math.min(maxMs, baseMs * factor ** Math.max(0, retries - 1))
