import {
  readHeldSessions,
  type HeldContent,
  type HeldSession,
  type StrayRows,
} from '../../lake/held-sessions.ts'
import { partitionOf } from '../../lake/layout.ts'
import type { Cell } from '../../lake/ledger.ts'
import { ALL, LOST, WANTED } from '../../lake/series-contract.ts'
import type { SeriesView } from '../../lake/series-store.ts'
import { calendarOf, type TradingSession } from '../../market/calendar/index.ts'
import { seriesKeyOf } from '../../market/dataset.ts'
import { settledBy } from '../settled.ts'
import { BETWEEN_BUSY, isBetweenBusy } from '../busy-neighbours.ts'
import { contractGaps } from './contracts.ts'
import { GapEvidence } from './evidence.ts'
import { STATE_REASONS, type Gap, type GapReason, type GapScanOptions, type SeriesGaps } from './gap.ts'
import { judgeAbsence, kindOf, spanOf, wholeSpan } from './judge.ts'

/**
 * Compares what a series should hold with what its files hold: sessions of the calendar against cells, cells against
 * rows, minutes of the regular hours against rows. Asks nobody and changes nothing.
 */
export async function scanGaps(view: SeriesView, options: GapScanOptions): Promise<SeriesGaps | undefined> {
  const range = rangeOf(view, options)
  if (!range) return undefined
  const content = await readHeldSessions(view, options.engine, range)
  const scan = new SeriesScan(view, content, options)
  return await scan.run(range)
}

function rangeOf(
  { ledger }: SeriesView,
  { from, to }: GapScanOptions,
): { from: string; to: string } | undefined {
  const known = [
    ...Object.keys(ledger.cells),
    ...ledger.segments.flatMap((segment) => [segment.first, segment.last]),
  ].sort()
  const first = from ?? known[0] ?? to
  const last = to ?? known.at(-1) ?? first
  return first === undefined || last === undefined || first > last ? undefined : { from: first, to: last }
}

/** Datasets that hold what somebody chose to record, day by day: a day without is no gap. */
const CHOSEN_DAYS: ReadonlySet<string> = new Set(['option_contracts', 'option_chain'])

/** What is said of a session that was empty when it was asked for, and of which there are rows in quarantine. */
const CAME_LATE = 'rows came and were refused; without them nothing traded'

class SeriesScan {
  readonly #view: SeriesView
  readonly #content: HeldContent
  readonly #options: GapScanOptions
  readonly #evidence: GapEvidence
  readonly #gaps: Gap[] = []
  readonly #lostOfContracts = new Map<string, number>()

  constructor(view: SeriesView, content: HeldContent, options: GapScanOptions) {
    this.#view = view
    this.#content = content
    this.#options = options
    this.#evidence = new GapEvidence(view, content, options)
  }

  async run(range: { from: string; to: string }): Promise<SeriesGaps> {
    const { dataset, ticker } = this.#view.series
    const sessions = calendarOf(dataset.calendar).between(range.from, range.to)
    const isOptions = seriesKeyOf(dataset) === 'underlying' && dataset.eventKind === 'instant'
    const contracts = isOptions
      ? await contractGaps(this.#view, this.#content, sessions, this.#options.root)
      : []
    for (const { session, reason, minutes } of contracts) {
      if (reason === 'suspected') this.#lostOfContracts.set(session, this.#lostOf(session) + minutes)
    }
    let rows = 0
    for (const session of sessions) {
      rows += this.#content.sessions.get(session.date)?.rows ?? 0
      await this.#judge(session)
    }
    for (const stray of this.#content.strays) this.#stray(stray, range)
    const whole = new Set(this.#gaps.filter(({ kind }) => kind === 'session').map(({ session }) => session))
    this.#gaps.push(
      ...contracts.filter(({ session, reason }) => reason !== 'suspected' || !whole.has(session)),
    )
    const gaps = this.#gaps.sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs)
    return { dataset: dataset.name, ticker, ...range, sessions: sessions.length, rows, gaps }
  }

  /** Rows of a session that single contracts lack, as far as that is told of each. */
  #lostOf(date: string): number {
    return this.#lostOfContracts.get(date) ?? 0
  }

  async #judge(session: TradingSession): Promise<void> {
    const { dataset } = this.#view.series
    const cell = this.#view.ledger.cells[session.date]
    const held = this.#content.sessions.get(session.date)
    if (!cell) return this.#unknown(session, held)
    if (cell.state === 'empty' && cell.rows === 0) {
      if (held) return this.#unexpected(session, held.rows)
      if ((cell.quarantined ?? 0) > 0)
        return this.#whole(session, 'quarantined', CAME_LATE, cell.confirmed === ALL)
      const { cells } = this.#view.ledger
      if (isBetweenBusy(dataset, session.date, (date) => cells[date]?.rows ?? 0))
        return this.#whole(session, 'suspected', BETWEEN_BUSY)
      this.#whole(session, 'no_trade', cell.reason)
      return
    }
    if (cell.rows === 0) return this.#hole(session, cell)
    const lostFile = this.#content.unreadable.find(
      ({ segment }) => segment.partition === partitionOf(dataset, session.date),
    )
    if (lostFile) return this.#whole(session, 'suspected', `${lostFile.segment.path}: ${lostFile.why}`)
    if (!held) return this.#whole(session, 'suspected', 'recorded, but no longer in the file')
    await this.#compare(session, cell, held)
  }

  /** A session that the ledger does not know. */
  #unknown(session: TradingSession, held: HeldSession | undefined): void {
    const { dataset } = this.#view.series
    if (held) return this.#unexpected(session, held.rows)
    const silent = CHOSEN_DAYS.has(dataset.name) || seriesKeyOf(dataset) === 'underlying'
    if (silent || dataset.eventKind === 'date') return
    if (this.#isFinished(session)) this.#whole(session, 'missing', 'not recorded')
    else this.#whole(session, 'not_published', 'the session has not ended yet')
  }

  #isFinished = ({ extendedCloseMs }: TradingSession): boolean =>
    extendedCloseMs <= settledBy(this.#options.nowMs)

  #unexpected(session: TradingSession, rows: number): void {
    const detail = `${rows} rows that the ledger does not know`
    this.#add(session, { ...wholeSpan(session), minutes: rows, reason: 'wrong_day', kind: 'rows', detail })
  }

  /** A session that is not held, for the reason that the ledger gives. */
  #hole(session: TradingSession, { state, reason, confirmed }: Cell): void {
    const pending = state === 'pending' && this.#isFinished(session)
    const known = pending ? 'missing' : (STATE_REASONS[state] ?? 'missing')
    const why = reason === LOST ? 'suspected' : reason === WANTED ? 'missing' : known // nobody asked the vendor
    this.#whole(session, why, reason, confirmed === ALL)
  }

  #whole(session: TradingSession, reason: GapReason, detail: string, confirmed = false): void {
    const mark = confirmed ? { confirmed } : {}
    this.#add(session, { ...wholeSpan(session), reason, kind: 'session', detail, ...mark })
  }

  /** A session that is held: what the ledger says of its rows against the rows. */
  async #compare(session: TradingSession, cell: Cell, held: HeldSession): Promise<void> {
    let explained = this.#lostOf(session.date)
    const { presence } = held
    if (presence) {
      for (const { run, reason, detail, confirmed } of judgeAbsence(
        held,
        await this.#evidence.of(session, cell, held),
      )) {
        const span = spanOf(run, presence.buckets)
        const why = reason === 'not_published' && this.#isFinished(session) ? 'missing' : reason
        if (reason === 'suspected' && cell.absent !== undefined) explained += run[1] - run[0] + 1
        const mark = confirmed ? { confirmed } : {}
        this.#add(session, { ...span, reason: why, kind: kindOf(run, presence.buckets), detail, ...mark })
      }
      this.#lackingVolume(session, cell, held)
    }
    this.#compareRows(session, cell, held, explained)
  }

  /** The daily bar says that minutes lack, but nothing tells which. */
  #lackingVolume(session: TradingSession, cell: Cell, held: HeldSession): void {
    const shares = this.#evidence.lackingVolume(session.date, cell, held)
    const told = this.#gaps.some((gap) => gap.session === session.date && gap.reason !== 'no_trade')
    if (shares === 0 || told || held.presence!.absent().length === 0 || cell.confirmed !== undefined) return
    const absent = held.presence!.absent().length
    const bars = held.presence!.buckets.count - absent
    // As many as bars of the usual size would hold them.
    const minutes = Math.min(absent, Math.max(1, Math.round((shares * bars) / held.regularVolume)))
    const detail = `the daily bar counts ${Math.round(shares)} shares more than the minutes: about ${minutes} bars`
    this.#add(session, { ...wholeSpan(session), minutes, reason: 'suspected', kind: 'rows', detail })
  }

  /** Rows too many or too few, beyond what the minutes have told already. */
  #compareRows(session: TradingSession, { rows }: Cell, held: HeldSession, explained: number): void {
    const lost = rows - held.rows
    const { extendedOpenMs: fromMs, extendedCloseMs: toMs } = session
    if (lost > explained) {
      const detail = `the ledger says ${rows} rows, the file has ${held.rows}`
      const minutes = lost - explained
      this.#add(session, { fromMs, toMs, minutes, reason: 'suspected', kind: 'rows', detail })
    } else if (lost < 0) {
      const detail = `${-lost} rows more than were recorded`
      this.#add(session, { fromMs, toMs, minutes: -lost, reason: 'suspected', kind: 'rows', detail })
    }
  }

  #stray({ kind, date, rows, firstMs, lastMs, path }: StrayRows, range: { from: string; to: string }): void {
    const session = date ?? new Date(firstMs).toISOString().slice(0, 10)
    if (session < range.from || session > range.to) return
    const { dataset, ticker } = this.#view.series
    const what = kind === 'wrong_ticker' ? 'of another ticker' : 'that do not belong into this file'
    this.#gaps.push({
      ...{ dataset: dataset.name, ticker, session, fromMs: firstMs, toMs: lastMs + 1, minutes: rows },
      ...{ reason: kind, kind: 'rows', detail: `${path}: ${rows} rows ${what}` },
    })
  }

  #add({ date }: TradingSession, gap: NewGap): void {
    const { dataset, ticker } = this.#view.series
    this.#gaps.push({ dataset: dataset.name, ticker, session: date, ...gap })
  }
}

type NewGap = Omit<Gap, 'dataset' | 'ticker' | 'session'>
