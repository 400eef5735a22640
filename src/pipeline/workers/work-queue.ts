import type { SeriesId } from '../../lake/layout.ts'
import type { SeriesPlan } from '../plan.ts'
import type { SessionRange } from '../range.ts'
import type { WorkItem } from '../work-item.ts'

/**
 * Which requests come first. `newest`: the latest sessions of all tickers, then towards the past; `oldest`: from the
 * past on; `ticker`: one ticker after the other, newest first; a list: these tickers before all others.
 */
export type Priority = 'newest' | 'oldest' | 'ticker' | readonly string[]

/** A stretch of one series that one worker records in one go. */
export interface WorkUnit {
  readonly id: number
  readonly series: SeriesId
  /** What is to be recorded, both inclusive; it begins and ends where a request of the plan does. */
  readonly range: SessionRange
  /** The sessions of `range` that the plan wants. */
  readonly sessions: readonly string[]
  /** All sessions of the series in this run. */
  readonly whole: SessionRange
}

export interface WorkQueueOptions {
  readonly priority: Priority
  /** Requests of one ticker that a worker may have in flight together. */
  readonly together: number
  /** Times that a unit may end its worker. */
  readonly tries: number
}

/** A unit that was given up after it had ended its worker too often. */
export interface SetAside {
  readonly unit: WorkUnit
  readonly tries: number
  /** How the last try ended. */
  readonly reason: string
}

interface Request {
  readonly row: Row
  /** Place in the plan: 0 is the newest. */
  readonly place: number
  readonly item: WorkItem
}

/** A series and how far it has come. */
interface Row {
  readonly plan: SeriesPlan
  readonly index: number
  readonly open: Set<number>
  busy: boolean
  begun: boolean
  dropped: string | undefined
}

/**
 * The work of a run, shared by all its workers: whoever is free takes what comes next, so that none waits while there is
 * work. A series is in one worker's hands at a time, since it has one writer.
 */
export class WorkQueue {
  readonly #rows: readonly Row[]
  readonly #order: readonly Request[]
  readonly #options: WorkQueueOptions
  readonly #again: WorkUnit[] = []
  readonly #tries = new Map<number, number>()
  readonly #setAside: SetAside[] = []
  #inHand = 0
  #head = 0
  #ids = 0
  #closed = false

  constructor(plans: readonly SeriesPlan[], options: WorkQueueOptions) {
    this.#options = options
    this.#rows = plans.map((plan, index) => ({
      ...{ plan, index, busy: false, begun: false, dropped: undefined },
      open: new Set(requestsOf(plan).keys()),
    }))
    this.#order = this.#rows
      .flatMap((row) => requestsOf(row.plan).map((item, place) => ({ row, place, item })))
      .sort(comparator(options.priority))
  }

  /** Units that were set aside. */
  get setAside(): readonly SetAside[] {
    return this.#setAside
  }

  /** True when nothing is left to be given out and nothing is in hand. */
  get isDone(): boolean {
    return this.isComplete || (this.#closed && this.#inHand === 0)
  }

  /** True when everything was given out and is done with. */
  get isComplete(): boolean {
    return this.#inHand === 0 && !this.#hasOpen()
  }

  /** Whether more of the series of `unit` is to be given out after it. */
  hasMore(unit: WorkUnit): boolean {
    const row = this.#rowOf(unit)
    return isOpen(row) || this.#again.some((other) => this.#rowOf(other) === row && row.dropped === undefined)
  }

  /** How many workers can have work now, those that have some included. */
  get width(): number {
    const again = new Set(this.#again.map((unit) => this.#rowOf(unit)))
    return this.#rows.filter(
      (row) => row.busy || isOpen(row) || (again.has(row) && row.dropped === undefined),
    ).length
  }

  /** Why no more is asked of a series, by its place among the plans; undefined: nothing was left out. */
  droppedReason(index: number): string | undefined {
    return this.#rows[index]?.dropped
  }

  /** The next unit for a worker; undefined while there is none, which may change when another one is done. */
  next(): WorkUnit | undefined {
    if (this.#closed) return undefined
    const unit = this.#takeAgain() ?? this.#takeNew()
    if (!unit) return undefined
    this.#rowOf(unit).busy = true
    this.#inHand++
    return unit
  }

  /** `unit` was recorded, or was answered for in the ledger. */
  done(unit: WorkUnit): void {
    this.#release(unit)
    this.#tries.delete(unit.id)
  }

  /** `unit` ended its worker. It is given out again, and set aside after the last try: then true. */
  failed(unit: WorkUnit, reason: string): boolean {
    this.#release(unit)
    const tries = (this.#tries.get(unit.id) ?? 0) + 1
    this.#tries.set(unit.id, tries)
    if (tries < this.#options.tries) {
      this.#again.push(unit)
      return false
    }
    const before = this.#setAside.some((other) => this.#rowOf(other.unit) === this.#rowOf(unit))
    this.#setAside.push({ unit, tries, reason })
    if (before) this.drop(unit, `set aside: two stretches of it ended their workers (${reason})`)
    return true
  }

  /** `unit` was not begun, through no fault of its own: it is given out again. */
  giveBack(unit: WorkUnit): void {
    this.#release(unit)
    this.#again.push(unit)
  }

  /** Nothing more is asked of the series of `unit`. */
  drop(unit: WorkUnit, reason: string): void {
    const row = this.#rowOf(unit)
    row.dropped ??= reason
    row.open.clear()
  }

  /** Nothing more is given out. */
  close(): void {
    this.#closed = true
  }

  #hasOpen(): boolean {
    return this.#again.some((unit) => this.#rowOf(unit).dropped === undefined) || this.#rows.some(isOpen)
  }

  #rowOf({ series }: WorkUnit): Row {
    return this.#rows.find(
      ({ plan }) => plan.series.ticker === series.ticker && plan.series.dataset === series.dataset,
    )!
  }

  #release(unit: WorkUnit): void {
    this.#rowOf(unit).busy = false
    this.#inHand--
  }

  #takeAgain(): WorkUnit | undefined {
    const at = this.#again.findIndex((unit) => {
      const { busy, dropped } = this.#rowOf(unit)
      return !busy && dropped === undefined
    })
    return at < 0 ? undefined : this.#again.splice(at, 1)[0]
  }

  #takeNew(): WorkUnit | undefined {
    for (let at = this.#head; at < this.#order.length; at++) {
      const { row, place } = this.#order[at]!
      if (!row.open.has(place)) {
        if (at === this.#head) this.#head++
        continue
      }
      if (!row.busy) return this.#unitOf(row, place)
    }
    return undefined
  }

  /** One request where the series begins, so that the first of every ticker comes before the second of any. */
  #unitOf(row: Row, place: number): WorkUnit {
    const { plan, open } = row
    const most = row.begun ? this.#options.together : 1
    const step = this.#options.priority === 'oldest' ? -1 : 1
    const places: number[] = []
    for (let at = place; open.has(at) && places.length < most; at += step) places.push(at)
    for (const at of places) open.delete(at)
    row.begun = true
    const items = places.map((at) => requestsOf(plan)[at]!)
    const sessions = items.flatMap(({ sessions: wanted }) => wanted).sort()
    const isNewest = places.includes(0) && plan.pending.length > 0
    return {
      ...{ id: ++this.#ids, series: plan.series, sessions, whole: plan.range },
      range: {
        from: items.map(({ from }) => from).sort()[0]!,
        to: isNewest
          ? plan.range.to
          : items
              .map(({ to }) => to)
              .sort()
              .at(-1)!,
      },
    }
  }
}

const isOpen = ({ dropped, open }: Row): boolean => dropped === undefined && open.size > 0

/** The requests of a plan; one that asks for nothing where there is only the pending session to be noted. */
function requestsOf({ items, pending, range }: SeriesPlan): readonly WorkItem[] {
  const [first] = pending
  return items.length > 0 || first === undefined ? items : [{ from: first, to: range.to, sessions: [] }]
}

function comparator(priority: Priority): (a: Request, b: Request) => number {
  const byTicker = (a: Request, b: Request): number => a.row.index - b.row.index
  const newest = (a: Request, b: Request): number => compare(b.item.to, a.item.to) || byTicker(a, b)
  if (priority === 'newest') return newest
  if (priority === 'oldest') return (a, b) => compare(a.item.from, b.item.from) || byTicker(a, b)
  if (priority === 'ticker') return (a, b) => byTicker(a, b) || a.place - b.place
  const rank = ({ row }: Request): number => {
    const at = priority.indexOf(row.plan.series.ticker)
    return at < 0 ? priority.length : at
  }
  return (a, b) => rank(a) - rank(b) || newest(a, b)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
