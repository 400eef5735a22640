import { messageOf } from '../core/errors.ts'
import type { BackfillAllHooks } from '../pipeline/workers/backfill-all.ts'
import type { WorkUnit } from '../pipeline/workers/work-queue.ts'
import type { SeriesPlan } from '../pipeline/plan.ts'
import type { RunContext } from './context.ts'
import { formatDuration } from './format.ts'
import { createBoard, type ProgressBoard } from './progress-board.ts'

/** What is shown of one series, or of all. */
interface Line {
  readonly label: string
  readonly total: number
  readonly planned: number
  done: number
  rows: number
  calls: number
  finished: boolean
}

/** Watches a run with workers: a row per ticker and the totals for people, log lines for machines. */
export class BackfillAllWatch {
  readonly #context: RunContext
  readonly #board: ProgressBoard
  readonly #lines: readonly Line[]
  readonly #all: Line
  readonly #callsPerMinute: () => number
  /** What each worker has in hand, by its pid. */
  readonly #inHand = new Map<number, string>()

  private constructor(
    context: RunContext,
    board: ProgressBoard,
    plans: readonly SeriesPlan[],
    callsPerMinute: () => number,
  ) {
    this.#callsPerMinute = callsPerMinute
    this.#context = context
    this.#board = board
    const many = new Set(plans.map(({ series }) => series.dataset.name)).size > 1
    this.#lines = plans.map((plan) => lineOf(plan, many))
    const sum = (of: (line: Line) => number): number => this.#lines.reduce((all, line) => all + of(line), 0)
    const [total, planned] = [sum((line) => line.total), sum((line) => line.planned)]
    this.#all = { label: 'backfill-all', total, planned, done: 0, rows: 0, calls: 0, finished: false }
  }

  /** `callsPerMinute`: the limit in force now; 0: none. */
  static async start(
    context: RunContext,
    plans: readonly SeriesPlan[],
    callsPerMinute: () => number,
  ): Promise<BackfillAllWatch> {
    const { flags, terminal } = context
    const enabled = flags.progress && !flags.quiet
    const board = await createBoard({ enabled, stream: terminal.stderr })
    return new BackfillAllWatch(context, board, plans, callsPerMinute)
  }

  /** What a worker printed on its stderr. */
  readonly print = (text: string): void => {
    for (const line of text.split('\n')) if (line !== '') this.#board.note(line)
  }

  readonly hooks: BackfillAllHooks = {
    onUnit: (pid, { series, range }) => {
      this.#inHand.set(pid, series.ticker)
      const what = `${series.ticker} ${series.dataset.name} ${range.from} to ${range.to}`
      this.#context.logger.debug({ worker: pid }, `worker ${pid}: ${what}`)
      this.#draw()
    },
    onCall: (at) => {
      this.#all.calls++
      if (at !== undefined) this.#lines[at]!.calls++
      this.#draw(at)
    },
    onItem: (at, { sessions }, rows) => {
      for (const line of [this.#lines[at]!, this.#all]) {
        line.done += sessions.length
        line.rows += rows
      }
      this.#draw(at)
    },
    onSeries: (at) => {
      this.#lines[at]!.finished = true
      this.#draw(at)
    },
    onRefused: (unit, error) =>
      this.#context.logger.info({ err: error }, `${textOf(unit)}: ${messageOf(error)}`),
    onCrash: ({ pid, how, unit, waitMs }) => {
      this.#inHand.delete(pid)
      const what = unit ? ` with ${textOf(unit)} in hand` : ''
      const text = `worker ${pid} ended by ${how}${what}; the next one starts in ${formatDuration(waitMs)}`
      this.#context.logger.warn({ worker: pid }, text)
    },
    onSetAside: (unit, tries, reason) =>
      this.#context.logger.error(`${textOf(unit)}: set aside after ${tries} tries: ${reason}`),
    onHung: (pid, unit, quietMs) => {
      const what = unit ? ` with ${textOf(unit)} in hand` : ''
      const text = `worker ${pid}${what} gave no sign of life for ${formatDuration(quietMs)}: killed`
      this.#context.logger.warn({ worker: pid }, text)
    },
  }

  #draw(at?: number): void {
    const line = at === undefined ? undefined : this.#lines[at]
    if (line) this.#board.row(at!, rowOf(line, undefined, undefined))
    const callsPerMinute = this.#callsPerMinute()
    const left = Math.max(0, this.#all.planned - this.#all.calls)
    const etaMs = callsPerMinute > 0 && left > 0 ? (left / callsPerMinute) * 60_000 : undefined
    this.#board.totals(rowOf(this.#all, etaMs, [...this.#inHand.values()].join(', ')))
  }

  stop(): void {
    this.#board.stop()
  }
}

const textOf = ({ series, range }: WorkUnit): string =>
  `${series.ticker} ${series.dataset.name} ${range.from} to ${range.to}`

const lineOf = ({ series, items, calls }: SeriesPlan, many: boolean): Line => ({
  label: many ? `${series.ticker} ${series.dataset.name}` : series.ticker,
  total: items.reduce((sum, { sessions }) => sum + sessions.length, 0),
  ...{ planned: calls, done: 0, rows: 0, calls: 0, finished: false },
})

const rowOf = ({ label, done, total, rows, calls, finished }: Line, etaMs?: number, at?: string) => ({
  ...{ label, done, total, finished },
  fields: { rows, calls, etaMs, at },
})
