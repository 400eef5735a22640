import { EXIT, messageOf, type ExitCode } from '../core/errors.ts'
import type { LoadedConfig } from '../core/config/index.ts'
import type { Logger } from '../core/logger.ts'
import type { Redactor } from '../core/redact.ts'
import type { RunLeft, RunRecord, RunStep } from '../lake/run-record.ts'
import { CELL_STATES } from '../lake/ledger.ts'
import { listRuns, pruneRuns, writeRun } from '../lake/run-store.ts'
import { HOLE_STATES } from '../lake/status.ts'
import { calendarOf } from '../market/calendar/index.ts'
import type { RunGauges } from '../monitor/metrics.ts'
import { RunObserver, type ObserverOptions } from '../monitor/observer.ts'
import type { RunCounters } from '../monitor/run-counters.ts'
import type { BackfillHooks } from '../pipeline/backfill.ts'
import type { BudgetView } from '../pipeline/budget.ts'
import { settledBy } from '../pipeline/settled.ts'
import type { StreamHooks, StreamSummary } from '../pipeline/stream/contract.ts'
import type { BreakerState } from '../sources/polygon/breakers.ts'
import { endpointFamily } from '../sources/polygon/endpoints.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import type { MetricsFlags } from './metrics-flags.ts'
import type { Output, Terminal } from './output.ts'
import { RunMetrics } from './run-metrics.ts'
import { countBy, endingOf, newRecord, ratiosOf, stateOf } from './run-record-parts.ts'

/** A run under way writes its record anew this often: who has not written for long, hangs. */
const WRITE_EVERY_MS = 5000
/** Stretches that a run left undone and that its record names. */
const LEFT_KEPT = 50
/** As the metric shows them. */
const BREAKER_LEVELS = { closed: 0, half_open: 1, open: 2 } as const

/** What a run is about. */
export interface RunSubject {
  /** `backfill`, `stream`, … */
  readonly command: string
  readonly tickers: readonly string[]
  /** Where to show metrics, if anywhere. */
  readonly metrics?: MetricsFlags
}

/** What of the world a run's telemetry needs. */
export interface TelemetryContext {
  readonly terminal: Terminal
  readonly out: Output
  readonly config: LoadedConfig
  readonly redactor: Redactor
  readonly logger: Logger
  readonly runId: string
  readonly now: () => number
}

/**
 * Follows one run of a recording command: counts what it does, keeps its record below `state/runs`. Until
 * {@link RunTelemetry.begin} nothing is written; a command that records nothing never begins one.
 */
export class RunTelemetry {
  readonly #context: TelemetryContext
  readonly #observer: RunObserver
  /** Problems that were logged and go on. */
  #told = new Set<string>()
  readonly #steps: RunStep[] = []
  readonly #live = new Map<string, () => unknown>()
  readonly #startedMs = Date.now()
  readonly #follows = new Set<string>()
  readonly #breakers = new Map<string, BreakerState>()
  #metrics: RunMetrics | undefined
  #budget: BudgetView | undefined
  #lastSuccessMs: number | undefined
  #queueDepth = 0
  #lagMs: number | undefined
  #reconnects = 0
  #stalled = false
  #left: readonly RunLeft[] = []
  #record: RunRecord | undefined
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(context: TelemetryContext) {
    this.#context = { ...context, logger: context.logger.child({ component: 'monitor' }) }
    this.#observer = new RunObserver({ ...this.#thresholds(), run: context.runId })
  }

  /** What the run has done so far. */
  get counters(): RunCounters {
    return this.#observer.counters
  }

  #thresholds(): Pick<ObserverOptions, 'performance' | 'errors'> {
    const { config, logger } = this.#context
    const { requestSeconds, commitSeconds, burstErrors, burstSeconds, recoverySeconds, ...performance } =
      config.settings.performance
    return {
      performance: {
        ...performance,
        operationSeconds: { request: requestSeconds, commit: commitSeconds },
      },
      errors: {
        ...{ burstErrors, burstMs: burstSeconds * 1000, recoveryMs: recoverySeconds * 1000 },
        onBurst: ({ category, errors, lastMessage }) =>
          logger.warn({ category, errors }, `burst of ${category} errors, the last: ${lastMessage}`),
        onRecovery: ({ category, errors }) =>
          logger.info({ category, errors }, `burst of ${category} errors is over, there were ${errors}`),
      },
    }
  }

  /**
   * Begins the record of this run, and shows its metrics where asked to.
   *
   * @throws {DiskError} when the record or the metrics cannot be written
   * @throws {ConfigError} when the port for metrics cannot be had
   */
  async begin({ command, tickers, metrics = {} }: RunSubject): Promise<void> {
    if (this.#record) return // a step of a run that has begun
    await this.#showMetrics(command, metrics)
    const { terminal, config, runId } = this.#context
    this.#record = await newRecord(runId, command, tickers, terminal)
    await writeRun(config.dataDir, this.#presentClean())
    await pruneRuns(config.dataDir)
    this.#timer = setInterval(() => this.#refresh(), WRITE_EVERY_MS)
    this.#timer.unref()
  }

  /** Ends the record, if one was begun. Never throws: what the run did counts, not whether it could be noted. */
  async end(exitCode: ExitCode, error: unknown): Promise<void> {
    if (!this.#record) return await this.#metrics?.stop()
    clearInterval(this.#timer)
    await this.#writing
    if (error !== undefined) this.counters.countFailure(error)
    const endedAt = new Date().toISOString()
    const state = stateOf(exitCode)
    this.#record = { ...this.#record, state, exitCode, endedAt, error: endingOf(error, endedAt) }
    await this.#write(this.#presentClean())
    if (exitCode === EXIT.ok) this.#lastSuccessMs = Date.parse(endedAt)
    if (this.#metrics) await this.#readBudget()
    await this.#metrics?.stop()
  }

  /** `name` and what `look` gives go into the record whenever it is written: plain data, small. */
  watch(name: string, look: () => unknown): void {
    this.#live.set(name, look)
  }

  /** What the run left undone. */
  noteLeft(left: readonly RunLeft[]): void {
    this.#left = left
  }

  /** One more step of the run is over. */
  noteStep(step: RunStep): void {
    this.#steps.push(step)
  }

  /** Counts requests and what comes of them. */
  readonly sourceEvents: SourceEvents = {
    onCall: ({ path, attempt }) => this.#observer.requested(path, attempt),
    onAnswer: ({ bytes, path, ms }) => {
      this.#observer.answered(path, bytes)
      this.#metrics?.observeRequest(endpointFamily(path), ms)
    },
    onRows: ({ rows }) => {
      this.counters.rowsFetched += rows
    },
    onSuccess: ({ path }) => this.#observer.attempted(endpointFamily(path), true),
    onFailure: ({ error, path }) => {
      this.#observer.attempted(endpointFamily(path), false)
      this.#observer.failed(error, path)
    },
    onBreaker: ({ endpoint, state, host }) => {
      this.#breakers.set(endpoint, state)
      const level = state === 'open' ? 'warn' : 'info'
      this.#context.logger[level](
        { endpoint, host, breaker: state },
        `circuit breaker of ${endpoint}: ${state}`,
      )
    },
  }

  /** Counts what a backfill records. */
  readonly backfillHooks: BackfillHooks = {
    onPlan: ({ series: { dataset, ticker }, range }) => {
      const { date } = calendarOf(dataset.calendar).lastFinished(settledBy(this.#context.now()))
      if (range.to >= date) this.#follows.add(`${dataset.name} ${ticker}`)
    },
    onItem: ({ ticker }, _item, { rows, refused, duplicates, commitMs }) => {
      this.#observer.committed(ticker, rows, commitMs)
      this.counters.duplicates += duplicates
      this.counters.countRefused(refused)
    },
    onSettled: (_series, states) => {
      for (const state of states.values()) this.counters.countSessions(state, 1)
    },
  }

  /** Counts what a stream records. */
  readonly streamHooks: StreamHooks = {
    onFlushed: ({ rows, ms }) => this.#observer.committed('stream', rows, ms),
    onProblem: (what, error) => this.#observer.failed(error, what),
    onSession: () => this.#watchStream(),
    onAlert: ({ kind, severity }) => {
      if (kind === 'stall') this.#stalled = severity === 'warning'
    },
    onReceived: ({ rows, lagMs }) => {
      this.counters.rowsStreamed += rows
      this.#lagMs = lagMs
    },
    onLook: ({ queuedFrames, connections }) => {
      this.#queueDepth = queuedFrames
      this.#reconnects = Math.max(0, connections - 1)
    },
  }

  #watchStream(): void {
    this.watch('stream', () => ({
      ...{ rows: this.counters.rowsStreamed, lagMs: this.#lagMs ?? null, queueDepth: this.#queueDepth },
      ...{ reconnects: this.#reconnects, stalled: this.#stalled },
    }))
  }

  /** Rows recorded, and rows refused, where nothing else counts them. */
  noteRows(rows: number, refused: number): void {
    this.counters.rows += rows
    this.counters.countRefused(refused)
  }

  /** What a stream left behind. */
  noteStream({ cells, refused }: Pick<StreamSummary, 'cells' | 'refused'>): void {
    this.counters.countRefused(refused)
    for (const { state } of cells) this.counters.countSessions(state, 1)
    const open = cells.filter(({ state }) => HOLE_STATES.has(state))
    this.noteLeft(open.map(({ date, ...cell }) => ({ ...cell, from: date, to: date, sessions: 1 })))
  }

  async #showMetrics(command: string, flags: MetricsFlags): Promise<void> {
    const { config, logger, out, terminal } = this.#context
    const { metricsPort, metricsTextfile } = flags
    if (metricsPort === undefined && metricsTextfile === undefined) return
    const runs = await listRuns(config.dataDir)
    const good = runs.find((run) => run.command === command && run.state === 'ok')
    if (good?.endedAt) this.#lastSuccessMs = Date.parse(good.endedAt)
    await this.#readBudget()
    this.#metrics = await RunMetrics.start({
      ...{ flags, command, logger, host: config.settings.metrics.host, cwd: terminal.cwd },
      ...{ counters: this.counters, gauges: () => this.#gauges(), sessionStates: CELL_STATES },
    })
    if (this.#metrics?.url) out.note(`metrics: ${this.#metrics.url}`)
  }

  #gauges(): RunGauges {
    return {
      durationMs: Date.now() - this.#startedMs,
      ...{ queueDepth: this.#queueDepth, streamLagMs: this.#lagMs, reconnects: this.#reconnects },
      breakers: Object.fromEntries([...this.#breakers].map(([name, state]) => [name, BREAKER_LEVELS[state]])),
      budgetRemaining: this.#budget?.remaining ?? undefined,
      budgetLimit: this.#budget?.limit,
      lastSuccessMs: this.#lastSuccessMs,
      errorBursts: this.#observer.errors.bursts,
      successRatios: ratiosOf(this.#observer.rates.view()),
      problems: countBy(this.#observer.performance.problems(performance.now()).map(({ kind }) => kind)),
      exitCode: this.#record?.exitCode ?? undefined,
    }
  }

  #present(): RunRecord {
    const { counters } = this
    const { calls, retries, rows, rowsFetched, rowsStreamed, bytesFetched, quarantined, duplicates } =
      counters
    const record = this.#record!
    const nowMs = Date.now()
    return {
      ...record,
      updatedAt: new Date(nowMs).toISOString(),
      durationMs: Math.max(0, nowMs - Date.parse(record.startedAt)),
      ...{ calls, retries, rows, rowsFetched, rowsStreamed, bytesFetched, quarantined, duplicates },
      sessions: { ...counters.sessions },
      errors: { ...counters.errors },
      follows: [...this.#follows],
      failures: [...counters.failures],
      left: this.#left.slice(0, LEFT_KEPT),
      leftSessions: this.#left.reduce((sum, { sessions }) => sum + sessions, 0),
      steps: this.#steps,
      live: {
        breakers: Object.fromEntries(this.#breakers),
        ...this.#observer.view(),
        ...Object.fromEntries([...this.#live].map(([name, look]) => [name, look()])),
      },
    }
  }

  #presentClean(): RunRecord {
    return this.#context.redactor.value(this.#present()) as RunRecord
  }

  #refresh(): void {
    this.#observer.look()
    if (this.#metrics) void this.#readBudget()
    this.#tellProblems()
    this.#writing ??= this.#write(this.#presentClean()).finally(() => (this.#writing = undefined))
  }

  /** For the metrics, where the account has a limit. */
  async #readBudget(): Promise<void> {
    const { settings, secrets } = this.#context.config
    const { callsPerMinute, callsPerDay } = settings.sources.polygon
    if (secrets.polygonApiKey === undefined || callsPerMinute + callsPerDay === 0) return
    const { readBudget } = await import('../pipeline/budget.ts')
    this.#budget = await readBudget({ settings, secrets }).catch(() => undefined)
  }

  /** Each problem once, for as long as it goes on. */
  #tellProblems(): void {
    const problems = this.#observer.performance.problems(performance.now())
    const keys = problems.map(({ kind, label, operation }) => `${kind} ${label} ${operation}`)
    problems.forEach(({ kind, label, text }, i) => {
      if (!this.#told.has(keys[i]!))
        this.#context.logger.warn({ kind, label }, `performance: ${label}: ${text}`)
    })
    this.#told = new Set(keys)
  }

  async #write(record: RunRecord): Promise<void> {
    const { config, logger } = this.#context
    await writeRun(config.dataDir, record).catch((error: unknown) =>
      logger.warn({ err: error }, `the record of this run could not be written: ${messageOf(error)}`),
    )
  }
}
