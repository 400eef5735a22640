import { ErrorAggregator, type ErrorAggregatorOptions } from './error-aggregator.ts'
import { PerformanceMonitor, type PerformanceThresholds } from './performance.ts'
import { RunCounters } from './run-counters.ts'
import { SuccessRates } from './success-rates.ts'

export interface ObserverOptions {
  readonly performance: PerformanceThresholds
  readonly errors: ErrorAggregatorOptions
  /** Name of the run: the label of what belongs to no ticker. */
  readonly run: string
  /** A clock that does not go back, milliseconds; default the monotonic one. */
  readonly tick?: () => number
}

/** Answers smaller than this tell more about the way there than about throughput. */
const WORTH_MEASURING_BYTES = 65_536

/** Everything that watches a run: counters, errors, performance, success rates. Called as things happen. */
export class RunObserver {
  readonly counters = new RunCounters()
  readonly errors: ErrorAggregator
  readonly performance: PerformanceMonitor
  readonly rates = new SuccessRates()
  readonly #run: string
  readonly #tick: () => number

  constructor({ performance: thresholds, errors, run, tick = () => performance.now() }: ObserverOptions) {
    this.errors = new ErrorAggregator(errors)
    this.performance = new PerformanceMonitor(thresholds)
    this.#run = run
    this.#tick = tick
  }

  /** A request starts that has waited `waitedMs` for the budget. */
  requested(path: string, attempt: number, waitedMs: number): void {
    this.counters.calls++
    this.counters.countWait(waitedMs)
    if (attempt > 1) this.counters.retries++
    const nowMs = this.#tick()
    this.performance.begin(path, this.#run, 'request', nowMs)
    this.performance.expect(this.#run, nowMs)
  }

  /** Its answer is whole. */
  answered(path: string, bytes: number): void {
    this.counters.bytesFetched += bytes
    const nowMs = this.#tick()
    this.performance.end(path, bytes >= WORTH_MEASURING_BYTES ? bytes : 0, nowMs)
    this.performance.data(this.#run, nowMs)
  }

  /** An attempt at `endpoint` ended. */
  attempted(endpoint: string, success: boolean): void {
    this.rates.note(endpoint, success)
  }

  /** An attempt failed. */
  failed(error: unknown, path: string): void {
    const nowMs = this.#tick()
    this.performance.end(path, 0, nowMs)
    if (this.counters.countFailure(error)) this.errors.note(error, path, nowMs)
  }

  /** Rows of `label` were committed; `ms`: how long that took, where it is known. */
  committed(label: string, rows: number, ms: number | undefined): void {
    this.counters.rows += rows
    if (ms !== undefined) this.performance.note(label, 'commit', ms, rows, this.#tick())
  }

  /** What is to be noticed by itself, now and then: bursts that are over. */
  look(): void {
    this.errors.look(this.#tick())
  }

  /** Plain data for the record of the run. */
  view(): { errors: object; performance: readonly string[]; operations: object; endpoints: object } {
    const nowMs = this.#tick()
    return {
      errors: this.errors.view(nowMs),
      performance: this.performance.problems(nowMs).map(({ label, text }) => `${label}: ${text}`),
      operations: this.performance.view(),
      endpoints: this.rates.view(),
    }
  }
}
