import type { Counter, Gauge } from 'prom-client'
import { ERROR_CATEGORIES } from '../core/errors.ts'
import type { RunCounters } from './run-counters.ts'

/** What of a run can rise and fall. Undefined: not known, or there is no such thing in this run. */
export interface RunGauges {
  readonly durationMs: number
  /** Frames received that wait to be read. */
  readonly queueDepth: number
  /** From the newest event to its receipt. */
  readonly streamLagMs: number | undefined
  readonly reconnects: number
  /** 0 closed, 1 half open, 2 open; by endpoint. */
  readonly breakers: Readonly<Record<string, number>>
  /** Bursts of errors since the start. */
  readonly errorBursts: number
  /** Part of the newest attempts that went well, by endpoint. */
  readonly successRatios: Readonly<Record<string, number>>
  /** Performance problems now, by kind. */
  readonly problems: Readonly<Record<string, number>>
  readonly budgetRemaining: number | undefined
  readonly budgetLimit: number | undefined
  /** When a run of this command last ended well, UTC epoch milliseconds. */
  readonly lastSuccessMs: number | undefined
  /** Exit code of this run, once it has ended. */
  readonly exitCode: number | undefined
}

export interface MetricsOptions {
  readonly counters: RunCounters
  readonly gauges: () => RunGauges
  /** `backfill`, `stream`, …: a label of every sample. */
  readonly command: string
  /** States that a session may have: each is shown, also at 0. */
  readonly sessionStates: readonly string[]
  /** True: also what Node tells about the process (memory, event loop, garbage collection). */
  readonly process: boolean
}

/** The numbers of a run for Prometheus. */
export interface Metrics {
  readonly contentType: string
  /** An answer took `seconds`. */
  observeRequest(endpoint: string, seconds: number): void
  /** All samples in the Prometheus text format. */
  render(): Promise<string>
}

/** A page of 50,000 bars takes about a second; a request may take a minute. */
const REQUEST_BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Metrics of one run, read from its counters whenever somebody looks: counting costs nothing more. */
export async function createMetrics(options: MetricsOptions): Promise<Metrics> {
  const { default: prom } = await import('prom-client')
  const registry = new prom.Registry()
  registry.setDefaultLabels({ command: options.command })
  const parts: Parts = {
    counter: (name, help, labelNames, read) => {
      new prom.Counter({
        name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        collect: refill(read, labelNames.length > 0),
      })
    },
    gauge: (name, help, labelNames, read) => {
      new prom.Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        collect: refill(read, labelNames.length > 0),
      })
    },
  }
  addCounters(parts, options)
  addGauges(parts, options)
  const requests = new prom.Histogram({
    name: 'tapelake_request_duration_seconds',
    help: 'Time from the start of a request to the last byte of its answer.',
    labelNames: ['endpoint'],
    buckets: REQUEST_BUCKETS_SECONDS,
    registers: [registry],
  })
  if (options.process) prom.collectDefaultMetrics({ register: registry })
  return {
    contentType: registry.contentType,
    observeRequest: (endpoint, seconds) => requests.observe({ endpoint }, seconds),
    render: () => registry.metrics(),
  }
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]
type AddMetric = (
  name: string,
  help: string,
  labels: readonly string[],
  read: () => readonly Sample[],
) => void
interface Parts {
  readonly counter: AddMetric
  readonly gauge: AddMetric
}

/** Called by the registry with the metric as `this`: replaces its samples by what `read` gives. */
function refill(read: () => readonly Sample[], isLabelled: boolean): (this: Counter | Gauge) => void {
  return function collect() {
    this.reset()
    if (!isLabelled) this.remove() // else what is not known would show as 0
    for (const [labels, value] of read()) this.inc(labels, value)
  }
}

const single = (value: number | undefined): readonly Sample[] => (value === undefined ? [] : [[{}, value]])

const labelled = (label: string, values: Readonly<Record<string, number>>): readonly Sample[] =>
  Object.entries(values).map(([name, value]) => [{ [label]: name }, value])

function addCounters({ counter }: Parts, { counters, gauges, sessionStates }: MetricsOptions): void {
  const one = (name: string, help: string, read: () => number): void =>
    counter(`tapelake_${name}_total`, help, [], () => single(read()))
  one('calls', 'Requests to the vendor, retries included.', () => counters.calls)
  one('retries', 'Requests that repeated a failed one.', () => counters.retries)
  one('rows_fetched', 'Rows that came from the vendor over REST.', () => counters.rowsFetched)
  one('stream_rows', 'Rows that came over the socket.', () => counters.rowsStreamed)
  one('rows_recorded', 'Rows recorded into the lake.', () => counters.rows)
  one('fetched_bytes', 'Bytes of answers, after decompression.', () => counters.bytesFetched)
  one('quarantined', 'Rows refused and put into quarantine.', () => counters.quarantined)
  one('error_bursts', 'Bursts of errors of one category.', () => gauges().errorBursts)
  one('stream_reconnects', 'Connections made again after they were lost.', () => gauges().reconnects ?? 0)
  one('duplicates', 'Rows dropped because they had come before.', () => counters.duplicates)
  one(
    'budget_wait_seconds',
    'Time that requests stood in line for the budget of calls.',
    () => counters.waitedMs / 1000,
  )
  one(
    'worker_crashes',
    'Worker processes that ended before their time and were replaced.',
    () => counters.crashes,
  )
  counter(
    'tapelake_errors_total',
    'Failed attempts by category; refused rows count under validation.',
    ['category'],
    () => ERROR_CATEGORIES.map((category) => [{ category }, counters.errors[category]]),
  )
  counter('tapelake_sessions_total', 'Sessions settled, by state.', ['state'], () =>
    labelled('state', {
      ...Object.fromEntries(sessionStates.map((state) => [state, 0])),
      ...counters.sessions,
    }),
  )
}

function addGauges({ gauge }: Parts, { gauges }: MetricsOptions): void {
  const one = (name: string, help: string, read: (now: RunGauges) => number | undefined): void =>
    gauge(`tapelake_${name}`, help, [], () => single(read(gauges())))
  const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000)
  one('run_duration_seconds', 'Time since the run began.', ({ durationMs }) => seconds(durationMs))
  one('run_exit_code', 'Exit code of the run; absent while it goes on.', ({ exitCode }) => exitCode)
  one('queue_depth', 'Frames received that wait to be read.', ({ queueDepth }) => queueDepth)
  one('stream_lag_seconds', 'From the newest event to its receipt.', (now) => seconds(now.streamLagMs))
  one('budget_remaining_calls', 'Calls left in the present window.', (now) => now.budgetRemaining)
  one('budget_limit_calls', 'Calls that the window allows.', ({ budgetLimit }) => budgetLimit)
  one('last_success_timestamp_seconds', 'When a run of this command last ended well.', (now) =>
    seconds(now.lastSuccessMs),
  )
  gauge(
    'tapelake_endpoint_success_ratio',
    'Part of the newest 200 attempts that went well.',
    ['endpoint'],
    () => labelled('endpoint', gauges().successRatios),
  )
  gauge('tapelake_performance_problems', 'Operations that are too slow now, by kind.', ['kind'], () =>
    labelled('kind', { overrun: 0, stale: 0, no_data: 0, degraded: 0, ...gauges().problems }),
  )
  gauge(
    'tapelake_breaker_state',
    'Circuit breaker of an endpoint: 0 closed, 1 half open, 2 open.',
    ['endpoint'],
    () => {
      const { successRatios, breakers } = gauges()
      const closed = Object.fromEntries(Object.keys(successRatios).map((endpoint) => [endpoint, 0]))
      return labelled('endpoint', { ...closed, ...breakers })
    },
  )
}
