import {
  categoryOf,
  ERROR_CATEGORIES,
  isPipelineError,
  messageOf,
  type ErrorCategory,
} from '../core/errors.ts'

/** Newest failures that are remembered with their text. */
const FAILURES_KEPT = 20

/** One failed attempt. */
export interface CountedFailure {
  /** When, UTC. */
  readonly at: string
  readonly category: ErrorCategory
  readonly code: string
  readonly message: string
}

/** What a run has done so far, as plain numbers; the record of the run and the metrics are read from here. */
export class RunCounters {
  /** Requests, retries included. */
  calls = 0
  retries = 0
  /** Time that requests stood in line for the account's budget, milliseconds, and the longest of it. */
  waitedMs = 0
  longestWaitMs = 0
  /** Rows that came from the vendor over REST, and over the socket. */
  rowsFetched = 0
  rowsStreamed = 0
  /** After decompression. */
  bytesFetched = 0
  /** Rows recorded into the lake. */
  rows = 0
  duplicates = 0
  /** Worker processes that ended before their time. */
  crashes = 0
  /** Failed attempts by category, retried ones included; refused rows count under `validation`. */
  readonly errors: Record<ErrorCategory, number>
  /** Sessions that were settled, by state. */
  readonly sessions: Record<string, number> = {}
  #quarantined = 0
  #failures: CountedFailure[] = []
  readonly #counted = new WeakSet<object>()

  constructor() {
    const zeros = ERROR_CATEGORIES.map((category) => [category, 0])
    this.errors = Object.fromEntries(zeros) as Record<ErrorCategory, number>
  }

  /** Rows refused. */
  get quarantined(): number {
    return this.#quarantined
  }

  /** The newest failures, oldest first. */
  get failures(): readonly CountedFailure[] {
    return this.#failures
  }

  /**
   * Counts a failed attempt; the same error is counted once, however often it is reported.
   *
   * @returns whether it was new
   */
  countFailure(error: unknown, at: string = new Date().toISOString()): boolean {
    if (typeof error === 'object' && error !== null) {
      if (this.#counted.has(error)) return false
      this.#counted.add(error)
    }
    const category = categoryOf(error)
    this.errors[category]++
    this.#failures.push({ at, category, code: codeOf(error), message: messageOf(error) })
    if (this.#failures.length > FAILURES_KEPT) this.#failures = this.#failures.slice(-FAILURES_KEPT)
    return true
  }

  /** A request has stood in line for `ms`. */
  countWait(ms: number): void {
    this.waitedMs += ms
    this.longestWaitMs = Math.max(this.longestWaitMs, ms)
  }

  /** What the limit of calls has cost: milliseconds that a request waited on average, and at most. */
  get limiter(): { readonly averageWaitMs: number; readonly longestWaitMs: number } {
    const average = this.calls === 0 ? 0 : this.waitedMs / this.calls
    return { averageWaitMs: Math.round(average), longestWaitMs: Math.round(this.longestWaitMs) }
  }

  /** `rows` rows were refused. */
  countRefused(rows: number): void {
    this.#quarantined += rows
    this.errors.validation += rows
  }

  /** `sessions` sessions are now in `state`. */
  countSessions(state: string, sessions: number): void {
    this.sessions[state] = (this.sessions[state] ?? 0) + sessions
  }
}

/** The stable code of anything thrown. */
function codeOf(error: unknown): string {
  if (isPipelineError(error)) return error.code
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : 'UNKNOWN'
}
