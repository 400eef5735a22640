import { sleep } from '../core/abort.ts'
import { EXIT, messageOf, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import type { LoadedConfig } from '../core/config/index.ts'
import type { Logger } from '../core/logger.ts'
import type { Redactor } from '../core/redact.ts'
import { registerProcess, type RegisteredProcess } from '../lake/process-registry.ts'
import type { RunLeft, RunRecord, RunStep } from '../lake/run-record.ts'
import { CELL_STATES } from '../lake/ledger.ts'
import { listRuns, pruneRuns, writeRun } from '../lake/run-store.ts'
import { HOLE_STATES } from '../lake/status.ts'
import { calendarOf } from '../market/calendar/index.ts'
import type { RunGauges } from '../monitor/metrics.ts'
import { BreakerBoard } from '../monitor/breaker-board.ts'
import { RunObserver } from '../monitor/observer.ts'
import type { RunCounters } from '../monitor/run-counters.ts'
import type { BackfillHooks } from '../pipeline/backfill.ts'
import type { BudgetView } from '../pipeline/budget.ts'
import { settledBy } from '../pipeline/settled.ts'
import type { BackfillAllHooks } from '../pipeline/workers/backfill-all.ts'
import type { StreamHooks, StreamSummary } from '../pipeline/stream/contract.ts'
import { endpointFamily } from '../sources/polygon/endpoints.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import { shortList } from './format.ts'
import type { MetricsFlags } from './metrics-flags.ts'
import { observerOptions } from './observer-options.ts'
import type { Output, Terminal } from './output.ts'
import { RunMetrics } from './run-metrics.ts'
import {
  countBy,
  endingOf,
  filledRecord,
  limitedBudget,
  newRecord,
  ratiosOf,
  stateOf,
} from './run-record-parts.ts'
import { StreamTelemetry } from './stream-telemetry.ts'

/** A run under way writes its record anew this often: who has not written for long, hangs. */
const WRITE_EVERY_MS = 5000

/** How a run ended is worth waiting for: a full disk may be cleared. */
const LAST_TRIES = 8
const TRY_AGAIN_MS = 500
const NEVER = new AbortController().signal

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
  readonly #startedMs = Date.now()
  readonly #follows = new Set<string>()
  readonly #breakers = new BreakerBoard()
  readonly #stream: StreamTelemetry
  #streams = false
  #metrics: RunMetrics | undefined
  #budget: BudgetView | undefined
  #lastSuccessMs: number | undefined
  #left: readonly RunLeft[] = []
  #record: RunRecord | undefined
  #writing: Promise<void> | undefined
  #entry: RegisteredProcess | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(context: TelemetryContext) {
    this.#context = { ...context, logger: context.logger.child({ component: 'monitor' }) }
    this.#observer = new RunObserver(observerOptions(this.#context))
    this.#stream = new StreamTelemetry(this.#observer.counters)
  }

  /** What the run has done so far. */
  get counters(): RunCounters {
    return this.#observer.counters
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
    this.#entry = await registerProcess(config.dataDir, {
      ...{ kind: 'run', command, run: runId, state: 'recording' },
      ...(tickers.length > 0 && { ticker: shortList(tickers) }),
    })
    this.#timer = setInterval(() => this.#refresh(), WRITE_EVERY_MS)
    this.#timer.unref()
  }

  /** Ends the record, if one was begun. Never throws: what the run did counts, not whether it could be noted. */
  async end(exitCode: ExitCode, error: unknown): Promise<void> {
    if (!this.#record) return await this.#metrics?.stop()
    clearInterval(this.#timer)
    await this.#entry?.remove()
    await this.#writing
    if (error !== undefined) this.counters.countFailure(error)
    const endedAt = new Date().toISOString()
    const state = stateOf(exitCode)
    this.#record = { ...this.#record, state, exitCode, endedAt, error: endingOf(error, endedAt) }
    await this.#write(this.#presentClean(), LAST_TRIES)
    if (exitCode === EXIT.ok) this.#lastSuccessMs = Date.parse(endedAt)
    if (this.#metrics) await this.#readBudget()
    await this.#metrics?.stop()
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
    onCall: ({ path, attempt, waitedMs }) => this.#observer.requested(path, attempt, waitedMs),
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
    onBreaker: ({ endpoint, state, host, worker }) => {
      this.#breakers.note(endpoint, worker ?? process.pid, state)
      const level = state === 'open' ? 'warn' : 'info'
      const fields = { endpoint, host, breaker: state, ...(worker !== undefined && { worker }) }
      this.#context.logger[level](fields, `circuit breaker of ${endpoint}: ${state}`)
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
  get streamHooks(): StreamHooks {
    return together<StreamHooks>(this.#stream.hooks, {
      onFlushed: ({ rows, ms }) => this.#observer.committed('stream', rows, ms),
      onProblem: (what, error) => this.#observer.failed(error, what),
      onSession: () => void (this.#streams = true),
    })
  }

  /** Follows the workers of the run, which end by themselves or before their time. */
  readonly workerHooks: Pick<BackfillAllHooks, 'onGone' | 'onCrash'> = {
    onGone: (pid) => this.#breakers.forget(pid),
    onCrash: () => void this.counters.crashes++,
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
      ...this.#stream.gauges,
      breakers: this.#breakers.levels(),
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
    return filledRecord(this.#record!, this.counters, {
      ...{ follows: [...this.#follows], left: this.#left, steps: this.#steps },
      live: {
        ...{ breakers: this.#breakers.worst(), breakersByProcess: this.#breakers.troubled() },
        ...this.#observer.view(),
        ...(this.#streams && { stream: this.#stream.view() }),
      },
    })
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

  async #readBudget(): Promise<void> {
    this.#budget = await limitedBudget(this.#context.config)
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

  async #write(record: RunRecord, tries = 1): Promise<void> {
    const { config, logger } = this.#context
    try {
      await writeRun(config.dataDir, record)
    } catch (error) {
      if (tries <= 1) {
        logger.warn({ err: error }, `the record of this run could not be written: ${messageOf(error)}`)
        return
      }
      await sleep(TRY_AGAIN_MS, NEVER)
      await this.#write(record, tries - 1)
    }
  }
}
