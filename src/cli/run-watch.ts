import type { LoadedConfig } from '../core/config/index.ts'
import type { Logger } from '../core/logger.ts'
import { together } from '../core/together.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { BreakerBoard } from '../monitor/breaker-board.ts'
import { RunObserver } from '../monitor/observer.ts'
import type { BackfillHooks } from '../pipeline/backfill.ts'
import { settledBy } from '../pipeline/settled.ts'
import type { StreamHooks } from '../pipeline/stream/contract.ts'
import type { BackfillAllHooks } from '../pipeline/workers/backfill-all.ts'
import { endpointFamily } from '../sources/polygon/endpoints.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import { observerOptions } from './observer-options.ts'
import { StreamTelemetry } from './stream-telemetry.ts'

export type WorkerHooks = Pick<BackfillAllHooks, 'onGone' | 'onCrash'>

export interface RunWatchOptions {
  readonly config: LoadedConfig
  readonly logger: Logger
  readonly runId: string
  readonly now: () => number
  /** Whether this is a run that is told of in the log, and not only counted. */
  readonly isNoted: () => boolean
  /** An answer of `endpoint` took `ms`. */
  readonly onAnswer: (endpoint: string, ms: number) => void
}

/** Counts what one run does, as it happens. */
export class RunWatch {
  readonly observer: RunObserver
  readonly breakers = new BreakerBoard()
  readonly stream: StreamTelemetry
  /** Series that the run brings up to date, as `dataset ticker`. */
  readonly follows = new Set<string>()
  /** Whether it records a live session. */
  isStream = false
  /** Problems that were logged and go on. */
  #told = new Set<string>()
  readonly #options: RunWatchOptions

  constructor(options: RunWatchOptions) {
    this.#options = options
    this.observer = new RunObserver(observerOptions(options))
    this.stream = new StreamTelemetry(this.observer.counters)
  }

  /** Counts requests and what comes of them. */
  readonly sourceEvents: SourceEvents = {
    onCall: ({ path, attempt, waitedMs }) => this.observer.requested(path, attempt, waitedMs),
    onAnswer: ({ bytes, path, ms }) => {
      this.observer.answered(path, bytes)
      this.#options.onAnswer(endpointFamily(path), ms)
    },
    onRows: ({ rows }) => {
      this.observer.counters.rowsFetched += rows
    },
    onSuccess: ({ path }) => this.observer.attempted(endpointFamily(path), true),
    onFailure: ({ error, path }) => {
      this.observer.attempted(endpointFamily(path), false)
      this.observer.failed(error, path)
    },
    onBreaker: ({ endpoint, state, host, worker }) => {
      this.breakers.note(endpoint, worker ?? process.pid, state)
      if (!this.#options.isNoted()) return
      const level = state === 'open' ? 'warn' : 'info'
      const fields = { endpoint, host, breaker: state, ...(worker !== undefined && { worker }) }
      this.#options.logger[level](fields, `circuit breaker of ${endpoint}: ${state}`)
    },
  }

  /** Counts what a backfill records. */
  readonly backfillHooks: BackfillHooks = {
    onPlan: ({ series: { dataset, ticker }, range }) => {
      const { date } = calendarOf(dataset.calendar).lastFinished(settledBy(this.#options.now()))
      if (range.to >= date) this.follows.add(`${dataset.name} ${ticker}`)
    },
    onItem: ({ ticker }, _item, { rows, refused, duplicates, commitMs }) => {
      this.observer.committed(ticker, rows, commitMs)
      this.observer.counters.duplicates += duplicates
      this.observer.counters.countRefused(refused)
    },
    onSettled: (_series, states) => {
      for (const state of states.values()) this.observer.counters.countSessions(state, 1)
    },
  }

  /** Counts what a stream records. */
  get streamHooks(): StreamHooks {
    return together<StreamHooks>(this.stream.hooks, {
      onFlushed: ({ rows, ms }) => this.observer.committed('stream', rows, ms),
      onProblem: (what, error) => this.observer.failed(error, what),
      onSession: () => void (this.isStream = true),
    })
  }

  /** Follows the workers of the run, which end by themselves or before their time. */
  readonly workerHooks: WorkerHooks = {
    onGone: (pid) => this.breakers.forget(pid),
    onCrash: () => void this.observer.counters.crashes++,
  }

  /** Each problem once, for as long as it goes on. */
  tellProblems(): void {
    const problems = this.observer.performance.problems(performance.now())
    const keys = problems.map(({ kind, label, operation }) => `${kind} ${label} ${operation}`)
    problems.forEach(({ kind, label, text }, i) => {
      if (!this.#told.has(keys[i]!))
        this.#options.logger.warn({ kind, label }, `performance: ${label}: ${text}`)
    })
    this.#told = new Set(keys)
  }
}
