import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { BackfillHooks } from '../pipeline/backfill.ts'
import type { OpenedSource } from '../pipeline/open-source.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import type { RunContext } from './context.ts'
import { formatDuration, plural } from './format.ts'
import type { Progress } from './progress.ts'

/** Waits shorter than this are not worth a line. */
const WORTH_A_LINE_MS = 5000

/** Where a run stands. */
export interface Pace {
  /** Sessions done, and sessions planned so far. */
  readonly done: number
  readonly planned: number
  /** Calls that the plans made so far ask for. */
  readonly calls: number
  /** All series over those that are planned, at least 1. */
  readonly seriesShare: number
  readonly elapsedMs: number
  /** How long so many calls take under the call limit, milliseconds. */
  readonly limitMs: (calls: number) => number
}

/** Milliseconds that a run still takes; undefined where nothing is left, or nothing is known yet. */
export function timeLeftMs({
  done,
  planned,
  calls,
  seriesShare,
  elapsedMs,
  limitMs,
}: Pace): number | undefined {
  const sessionsLeft = planned * seriesShare - done
  if (planned === 0 || sessionsLeft <= 0) return undefined
  const byLimit = limitMs(Math.ceil((calls * sessionsLeft) / planned))
  const byPace = done > 0 ? (elapsedMs / done) * sessionsLeft : 0
  return Math.max(byLimit, byPace) || undefined
}

/** Watches a backfill: progress for people, log lines for machines. */
export class BackfillWatch {
  readonly #progress: Progress
  readonly #logger: Logger
  readonly #source: Logger
  #opened: OpenedSource | undefined
  #calls = 0
  #sessions = 0
  #sessionsDone = 0
  #rows = 0
  /** Calls of the series planned so far, as the plans had them. */
  #callsPlanned = 0
  #seriesPlanned = 0
  #seriesWanted = 0
  #startedMs = 0
  #at: string | undefined

  private constructor(context: RunContext, progress: Progress) {
    this.#progress = progress
    this.#logger = context.logger.child({ component: 'backfill' })
    this.#source = context.logger.child({ component: 'source' })
  }

  static async start(context: RunContext): Promise<BackfillWatch> {
    return new BackfillWatch(context, await context.progress({ total: 0, label: 'backfill' }))
  }

  /** @param seriesWanted how many series will be planned, one after the other, where that is known */
  follow(opened: OpenedSource, seriesWanted = 0): void {
    this.#opened = opened
    this.#seriesWanted = seriesWanted
  }

  readonly hooks: BackfillHooks = {
    onPlan: ({ series, items, calls, range }) => {
      const wanted = items.reduce((sum, item) => sum + item.sessions.length, 0)
      this.#sessions += wanted
      this.#callsPlanned += calls
      if (this.#seriesPlanned++ === 0) this.#startedMs = performance.now()
      this.#progress.setTotal(this.#sessions)
      const what = `${series.ticker} ${series.dataset.name} ${range.from} to ${range.to}`
      this.#logger.info(
        { series: what, calls },
        `${what}: ${plural(wanted, 'session')} to record, ${plural(calls, 'call')}`,
      )
      this.#draw()
    },
    onItem: ({ ticker, dataset }, item, { rows, refused, failure }) => {
      this.#sessionsDone += item.sessions.length
      this.#rows += rows
      this.#at = `${ticker} ${item.from}`
      const where = `${ticker} ${dataset.name} ${item.from} to ${item.to}`
      if (failure) {
        const { requestId, request } = failure
        this.#logger.error({ err: failure, requestId, request }, `${where}: ${messageOf(failure)}`)
      } else if (refused > 0)
        this.#logger.warn({ refused }, `${where}: ${plural(refused, 'row')} refused, see quarantine`)
      else this.#logger.info({ rows }, `${where}: ${plural(rows, 'row')}`)
      this.#draw()
    },
    onMended: (note) => this.#logger.warn(note),
  }

  readonly sourceEvents: SourceEvents = {
    onCall: ({ path, attempt }) => {
      this.#calls++
      this.#source.debug({ path, attempt }, 'request')
      this.#draw()
    },
    onAnswer: (answer) => this.#source.debug(answer, 'answer'),
    onRetry: ({ error, attempt, waitMs }) => {
      this.#source.warn({ attempt, waitMs }, `${messageOf(error)}; next try in ${formatDuration(waitMs)}`)
    },
    onWait: ({ waitMs, reason }) => {
      const why = reason === 'pause' ? 'the vendor asked to wait' : 'the call limit'
      if (waitMs >= WORTH_A_LINE_MS)
        this.#source.info({ waitMs }, `waiting ${formatDuration(waitMs)}: ${why}`)
    },
  }

  #draw(): void {
    this.#progress.update(this.#sessionsDone, {
      rows: this.#rows,
      calls: this.#calls,
      etaMs: this.#etaMs(),
      at: this.#at,
    })
  }

  /** What the call limit asks for, or the pace so far where that is slower; series to come are taken to be alike. */
  #etaMs(): number | undefined {
    if (!this.#opened) return undefined
    return timeLeftMs({
      done: this.#sessionsDone,
      planned: this.#sessions,
      calls: this.#callsPlanned,
      seriesShare: Math.max(1, this.#seriesWanted / Math.max(1, this.#seriesPlanned)),
      elapsedMs: performance.now() - this.#startedMs,
      limitMs: (calls) => this.#opened?.limiter.estimateMs(calls) ?? 0,
    })
  }

  stop(): void {
    this.#progress.stop()
  }
}
