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
import type { RunGauges } from '../monitor/metrics.ts'
import type { RunCounters } from '../monitor/run-counters.ts'
import type { BackfillHooks } from '../pipeline/backfill.ts'
import type { BudgetView } from '../pipeline/budget.ts'
import type { StreamHooks, StreamSummary } from '../pipeline/stream/contract.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import { shortList } from './format.ts'
import type { MetricsFlags } from './metrics-flags.ts'
import type { Output, Terminal } from './output.ts'
import { RunMetrics } from './run-metrics.ts'
import { RunWatch, type WorkerHooks } from './run-watch.ts'
import {
  countBy,
  endingOf,
  filledRecord,
  limitedBudget,
  newRecord,
  ratiosOf,
  stateOf,
  writePatiently,
} from './run-record-parts.ts'

/** A run under way writes its record anew this often: who has not written for long, hangs. */
const WRITE_EVERY_MS = 5000

/** How a run ended is worth waiting for: a full disk may be cleared. */
const LAST_TRIES = 8

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
  /** Of the process that this run is one of several of, where it shows metrics: it counts with the run. */
  readonly whole?: RunTelemetry
}

/**
 * Follows one run of a recording command: counts what it does, keeps its record below `state/runs`. Until
 * {@link RunTelemetry.begin} nothing is written; a command that records nothing never begins one.
 */
export class RunTelemetry {
  readonly #context: TelemetryContext
  readonly #watch: RunWatch
  readonly #steps: RunStep[] = []
  readonly #startedMs = Date.now()
  #metrics: RunMetrics | undefined
  #budget: BudgetView | undefined
  #lastSuccessMs: number | undefined
  #lastExitCode: ExitCode | undefined
  #left: readonly RunLeft[] = []
  #record: RunRecord | undefined
  #writing: Promise<void> | undefined
  #entry: RegisteredProcess | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(context: TelemetryContext) {
    this.#context = { ...context, logger: context.logger.child({ component: 'monitor' }) }
    this.#watch = new RunWatch({
      ...this.#context,
      isNoted: () => this.#record !== undefined,
      onAnswer: (endpoint, ms) => this.#metrics?.observeRequest(endpoint, ms),
    })
  }

  /** What the run has done so far. */
  get counters(): RunCounters {
    return this.#watch.observer.counters
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

  /**
   * Begins the run once `check` has found that it can be; one that cannot is begun all the same, if that is possible, so
   * that `runs`, `health` and the metrics tell of it.
   *
   * @throws what `check` throws
   */
  async beginChecked(subject: RunSubject, check: () => Promise<void>): Promise<void> {
    await check().catch(async (error: unknown) => {
      await this.begin(subject).catch(() => undefined)
      throw error
    })
    await this.begin(subject)
  }

  /** Shows metrics from now on, where asked to, of the runs that are parts of this process. @throws as begin does */
  async show(command: string, metrics: MetricsFlags): Promise<void> {
    await this.#showMetrics(command, metrics)
    this.#timer = setInterval(() => {
      this.#watch.observer.look()
      if (this.#metrics) void this.#readBudget()
    }, WRITE_EVERY_MS)
    this.#timer.unref()
  }

  /** Ends the record, if one was begun. Never throws: what the run did counts, not whether it could be noted. */
  async end(exitCode: ExitCode, error: unknown): Promise<void> {
    clearInterval(this.#timer)
    if (!this.#record) return await this.#metrics?.stop()
    await this.#entry?.remove()
    await this.#writing
    if (error !== undefined) this.counters.countFailure(error)
    const endedAt = new Date().toISOString()
    const state = stateOf(exitCode)
    this.#record = { ...this.#record, state, exitCode, endedAt, error: endingOf(error, endedAt) }
    await this.#write(this.#presentClean(), LAST_TRIES)
    this.noteEnd(exitCode, Date.parse(endedAt))
    this.#context.whole?.noteEnd(exitCode, Date.parse(endedAt))
    if (this.#metrics) await this.#readBudget()
    await this.#metrics?.stop()
  }

  /** A run has ended, this one or a part of it. */
  noteEnd(exitCode: ExitCode, endedMs: number): void {
    this.#lastExitCode = exitCode
    if (exitCode === EXIT.ok) this.#lastSuccessMs = endedMs
  }

  /** What the run left undone. */
  noteLeft(left: readonly RunLeft[]): void {
    this.#left = left
  }

  /** The same of a further step. */
  noteAlsoLeft(left: readonly RunLeft[]): void {
    this.#left = [...this.#left, ...left]
  }

  /** One more step of the run is over. */
  noteStep(step: RunStep): void {
    this.#steps.push(step)
  }

  /** Counts requests and what comes of them. */
  get sourceEvents(): SourceEvents {
    return together<SourceEvents>(this.#watch.sourceEvents, this.#context.whole?.sourceEvents)
  }

  /** Counts what a backfill records. */
  get backfillHooks(): BackfillHooks {
    return together<BackfillHooks>(this.#watch.backfillHooks, this.#context.whole?.backfillHooks)
  }

  /** Counts what a stream records. */
  get streamHooks(): StreamHooks {
    return this.#watch.streamHooks
  }

  /** Follows the workers of the run, which end by themselves or before their time. */
  get workerHooks(): WorkerHooks {
    return together<WorkerHooks>(this.#watch.workerHooks, this.#context.whole?.workerHooks)
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
      ...this.#watch.stream.gauges,
      breakers: this.#watch.breakers.levels(),
      budgetRemaining: this.#budget?.remaining ?? undefined,
      budgetLimit: this.#budget?.limit,
      lastSuccessMs: this.#lastSuccessMs,
      errorBursts: this.#watch.observer.errors.bursts,
      successRatios: ratiosOf(this.#watch.observer.rates.view()),
      problems: countBy(this.#watch.observer.performance.problems(performance.now()).map(({ kind }) => kind)),
      exitCode: this.#lastExitCode,
    }
  }

  #present(): RunRecord {
    return filledRecord(this.#record!, this.counters, {
      ...{ follows: [...this.#watch.follows], left: this.#left, steps: this.#steps },
      live: {
        ...{ breakers: this.#watch.breakers.worst(), breakersByProcess: this.#watch.breakers.troubled() },
        ...this.#watch.observer.view(),
        ...(this.#watch.isStream && { stream: this.#watch.stream.view() }),
      },
    })
  }

  #presentClean(): RunRecord {
    return this.#context.redactor.value(this.#present()) as RunRecord
  }

  #refresh(): void {
    this.#watch.observer.look()
    if (this.#metrics) void this.#readBudget()
    this.#watch.tellProblems()
    this.#writing ??= this.#write(this.#presentClean()).finally(() => (this.#writing = undefined))
  }

  async #readBudget(): Promise<void> {
    this.#budget = await limitedBudget(this.#context.config)
  }

  async #write(record: RunRecord, tries = 1): Promise<void> {
    const { config, logger } = this.#context
    await writePatiently(config.dataDir, record, tries).catch((error: unknown) =>
      logger.warn({ err: error }, `the record of this run could not be written: ${messageOf(error)}`),
    )
  }
}
