import type { Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import type { Settings } from '../../core/config/index.ts'
import { IntegrityError } from '../../core/errors.ts'
import { partitionOf } from '../../lake/layout.ts'
import type { Cell, Ledger } from '../../lake/ledger.ts'
import { WANTED } from '../../lake/series-contract.ts'
import { sessionRuns } from '../../lake/scan.ts'
import type { SeriesView } from '../../lake/series-store.ts'
import { barSeconds } from '../../market/buckets.ts'
import { calendarOf, type TradingSession } from '../../market/calendar/index.ts'
import { columnOf, seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import { MS_PER_MINUTE } from '../../market/time.ts'
import { isExplained, isQuiet, type Gap, type GapScanOptions } from '../gaps/gap.ts'
import { scanGaps } from '../gaps/scan.ts'
import { settledBy } from '../settled.ts'
import { readEvents, type SeriesEvents } from './events.ts'
import { factsOf, type SessionFacts } from './facts.ts'
import { overnight, volumeShare, type Dividend, type Overnight, type Split } from './history.ts'
import { continuityOf, jumpsOf, scoreOf, shareOf, type QualityParts } from './score.ts'

/** How good one session of one series is. */
export interface SessionQuality {
  readonly dataset: string
  readonly ticker: string
  readonly date: string
  /** 0 to 1; null where nothing traded: nothing can be wrong with it. */
  readonly score: number | null
  readonly state: Cell['state']
  readonly rows: number
  readonly parts: QualityParts
  /** What explains a step of the price. */
  readonly split?: Split
  readonly dividend?: Dividend
  /** What lowered the score, a sentence each. */
  readonly notes: readonly string[]
  /** Digest of the rows that were judged. */
  readonly digest?: string
}

export interface QualityOptions extends GapScanOptions {
  readonly thresholds: Settings['quality']
}

const NO_PARTS: QualityParts = {
  ...{ completeness: null, validity: null, continuity: null, volume: null },
  ...{ jumps: null, staleness: null, duplicates: null, agreement: null },
}

/** Scores every session of a series that has ended, in order of date. Asks nobody and changes nothing. */
export async function scoreSeries(view: SeriesView, options: QualityOptions): Promise<SessionQuality[]> {
  const gaps = await scanGaps(view, options)
  if (!gaps) return []
  const { dataset } = view.series
  const calendar = calendarOf(dataset.calendar)
  const sessions = calendar
    .between(gaps.from, gaps.to)
    .filter(({ extendedCloseMs }) => extendedCloseMs <= settledBy(options.nowMs))
  const isBars = seriesKeyOf(dataset) === 'ticker' && columnOf(dataset, 'close') !== undefined
  const facts = isBars ? await readFacts(view, options, gaps) : new Map<string, SessionFacts>()
  const events = isBars ? await readEvents(view.series.ticker, options, gaps) : undefined
  const scorer = new Scorer(view, options, [...facts.values()], events)
  const byDate = new Map<string, Gap[]>()
  for (const gap of gaps.gaps) byDate.set(gap.session, [...(byDate.get(gap.session) ?? []), gap])
  const begin = firstRecorded(view.ledger)
  return sessions.flatMap((session) => {
    const cell = view.ledger.cells[session.date]
    if (cell?.reason === WANTED && session.date < begin) return [] // a run is still on its way there
    const found = byDate.get(session.date) ?? []
    if (!cell && found.length === 0) return []
    return [scorer.score(session, cell, found)]
  })
}

/** The first session with rows; later than any where there is none. */
const firstRecorded = ({ cells }: Ledger): string =>
  Object.keys(cells)
    .filter((date) => cells[date]!.rows > 0)
    .sort()[0] ?? '9999-12-31'

/** Sessions before the first one to be scored are read too: they are what is usual. */
const HISTORY_DAYS = 45

/** The facts of every session with rows, in order of date. Damaged files bring none. */
async function readFacts(
  { series: { dataset }, ledger, files }: SeriesView,
  { engine, thresholds }: QualityOptions,
  range: { readonly from: string; readonly to: string },
): Promise<ReadonlyMap<string, SessionFacts>> {
  const calendar = calendarOf(dataset.calendar)
  const from = new Date(Date.parse(range.from) - HISTORY_DAYS * 86_400_000).toISOString().slice(0, 10)
  const facts = new Map<string, SessionFacts>()
  const isDay = dataset.eventKind === 'day'
  for (const [i, segment] of ledger.segments.entries()) {
    if (segment.last < from || segment.first > range.to) continue
    try {
      for await (const { date, rows } of wholeSessions(dataset, engine.read(judged(dataset), [files[i]!]))) {
        const session = calendar.on(date)
        if (!session || date < from || partitionOf(dataset, date) !== segment.partition) continue
        facts.set(date, factsOf(session, rows, isDay, thresholds))
      }
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error // the gaps tell of it
    }
  }
  return facts
}

const JUDGED: ReadonlySet<string> = new Set([
  ...['ticker', 'timestamp', 'open', 'high', 'low', 'close', 'volume', 'trade_count'],
])

const judged = (dataset: DatasetDefinition): DatasetDefinition => ({
  ...dataset,
  columns: dataset.columns.filter(({ name }) => JUDGED.has(name)),
})

/** Rows in order of time, a session at a time, wherever batches are cut. */
async function* wholeSessions(
  dataset: DatasetDefinition,
  batches: AsyncIterable<Batch>,
): AsyncGenerator<{ date: string; rows: Batch }> {
  let open: { date: string; parts: Batch[] } | undefined
  for await (const batch of batches) {
    for (const { date, rows } of sessionRuns(dataset, batch)) {
      if (date === undefined) continue
      if (open && open.date !== date) yield { date: open.date, rows: joined(open.parts) }
      if (open?.date === date) open.parts.push(rows)
      else open = { date, parts: [rows] }
    }
  }
  if (open) yield { date: open.date, rows: joined(open.parts) }
}

const joined = (parts: readonly Batch[]): Batch =>
  parts.length === 1 ? parts[0]! : concatBatches([...parts])

class Scorer {
  readonly #view: SeriesView
  readonly #options: QualityOptions
  readonly #facts: readonly SessionFacts[]
  readonly #place: ReadonlyMap<string, number>
  readonly #events: SeriesEvents | undefined
  /** Splits that count: those recorded, or, where none of the ticker are held, those that the price tells of. */
  readonly #splits: readonly Split[]

  constructor(
    view: SeriesView,
    options: QualityOptions,
    facts: readonly SessionFacts[],
    events: SeriesEvents | undefined,
  ) {
    this.#view = view
    this.#options = options
    this.#facts = facts
    this.#place = new Map(facts.map(({ date }, i) => [date, i]))
    this.#events = events
    this.#splits = events?.splits ?? facts.flatMap((_, place) => this.#night(place)?.split ?? [])
  }

  #night(place: number): Overnight | undefined {
    const { overnightShare } = this.#options.thresholds
    return this.#events && overnight(this.#facts, place, this.#events, overnightShare)
  }

  score(session: TradingSession, cell: Cell | undefined, gaps: readonly Gap[]): SessionQuality {
    const { series } = this.#view
    const { date } = session
    const base = { dataset: series.dataset.name, ticker: series.ticker, date, rows: cell?.rows ?? 0 }
    const digest = cell?.digest === undefined ? {} : { digest: cell.digest }
    if (cell?.state === 'empty' && gaps.every(isExplained)) {
      return { ...base, ...digest, state: 'empty', score: null, parts: NO_PARTS, notes: [] }
    }
    const notes: string[] = []
    const ledger = this.#ledgerParts(session, cell, gaps, notes)
    const { parts: market, night } = this.#marketParts(date, notes)
    const parts = { ...NO_PARTS, ...ledger, ...market }
    const { split, dividend } = night ?? {}
    return {
      ...base,
      ...digest,
      state: cell?.state ?? 'missing',
      score: scoreOf(parts),
      parts,
      ...(split ? { split } : {}),
      ...(dividend ? { dividend } : {}),
      notes,
    }
  }

  /** What ledger and files tell: is it all there, was it refused, did it come twice. */
  #ledgerParts(
    { openMs, closeMs }: TradingSession,
    cell: Cell | undefined,
    gaps: readonly Gap[],
    notes: string[],
  ): Partial<QualityParts> {
    const open = gaps.filter((gap) => !isQuiet(gap)) // what the vendor does not have lacks all the same
    const minutes = (closeMs - openMs) / MS_PER_MINUTE
    const rows = cell?.rows ?? 0
    const holes = open.filter(({ kind }) => kind !== 'rows')
    const missing = holes.reduce((sum, gap) => sum + gap.minutes, 0)
    const odd = open.filter(({ kind }) => kind === 'rows').reduce((sum, gap) => sum + gap.minutes, 0)
    for (const gap of open.slice(0, MAX_NOTES))
      notes.push(`${gap.minutes} ${gap.kind === 'rows' ? 'rows' : 'minutes'} ${gap.reason}: ${gap.detail}`)
    const { quarantined = 0, duplicates = 0 } = cell ?? {}
    if (quarantined > 0) notes.push(`${quarantined} rows in quarantine`)
    if (duplicates > 0) notes.push(`${duplicates} rows came more than once`)
    return {
      completeness:
        rows > 0 ? Math.max(0, 1 - missing / minutes) * Math.max(0, 1 - odd / Math.max(rows, odd)) : 0,
      continuity: continuityOf(Math.max(0, ...holes.map((gap) => gap.minutes))),
      validity: shareOf(rows, rows + quarantined),
      duplicates: shareOf(rows, rows + duplicates),
    }
  }

  /** What the bars tell, against their own history, splits, dividends and daily bars. */
  #marketParts(date: string, notes: string[]): { parts: Partial<QualityParts>; night?: Overnight } {
    const place = this.#place.get(date)
    const facts = place === undefined ? undefined : this.#facts[place]
    if (place === undefined || !facts || facts.bars === 0 || !this.#events) return { parts: {} }
    const night = this.#night(place)
    noteJumps(facts, night, notes)
    const volume = this.#volume(facts, place)
    if (volume !== null && volume < 1) notes.push('volume far from what is usual at that time of day')
    if (facts.staleBars > 0) notes.push(`${facts.staleBars} bars repeat the one before`)
    return {
      parts: {
        volume,
        jumps: jumpsOf(facts.spikes.length, night?.isJump ? night.share : 0),
        staleness: shareOf(facts.bars - facts.staleBars, facts.bars),
        agreement: this.#agreement(facts, notes),
      },
      ...(night ? { night } : {}),
    }
  }

  #volume(facts: SessionFacts, place: number): number | null {
    const { historySessions, volumeRatio } = this.#options.thresholds
    const before = this.#facts.slice(Math.max(0, place - historySessions), place)
    const sharesSince = (date: string): number =>
      this.#splits.reduce(
        (shares, one) => (one.date > date && one.date <= facts.date ? (shares * one.to) / one.from : shares),
        1,
      )
    return volumeShare(facts, before, sharesSince, {
      ratio: volumeRatio,
      usualBars: this.#usualBars(facts.date),
    })
  }

  #usualBars(date: string): number {
    const { dataset } = this.#view.series
    const seconds = barSeconds(dataset)
    const session = calendarOf(dataset.calendar).on(date)
    return seconds === undefined || !session ? 1 : (session.closeMs - session.openMs) / 1000 / seconds
  }

  /** High, low and close against the daily bar, and the volume, which may count the regular hours or all. */
  #agreement(facts: SessionFacts, notes: string[]): number | null {
    const day = this.#events?.days.get(facts.date)
    if (!day) return null
    const { agreementShare, agreementVolumeShare } = this.#options.thresholds
    const near = (a: number, b: number, share: number): boolean => Math.abs(a / b - 1) <= share
    const checks: Readonly<Record<string, boolean>> = {
      high: near(facts.high, day.high, agreementShare),
      low: near(facts.low, day.low, agreementShare),
      close: near(facts.close, day.close, agreementShare),
      volume:
        near(facts.regularVolume, day.volume, agreementVolumeShare) ||
        near(facts.volume, day.volume, agreementVolumeShare),
    }
    const off = Object.keys(checks).filter((name) => !checks[name])
    if (off.length > 0) notes.push(`the daily bar differs in ${off.join(', ')}`)
    return 1 - off.length / Object.keys(checks).length
  }
}

/** Gaps named in the notes of a session; `gaps` has them all. */
const MAX_NOTES = 3

function noteJumps(facts: SessionFacts, night: Overnight | undefined, notes: string[]): void {
  const percent = (share: number): string => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)} %`
  for (const { ms, share } of facts.spikes.slice(0, MAX_NOTES)) {
    notes.push(
      `a price of ${percent(share)} at ${new Date(ms).toISOString().slice(11, 16)} UTC that did not stay`,
    )
  }
  if (night?.isJump) notes.push(`opened ${percent(night.share)} from the close before, unexplained`)
  if (night?.split) {
    const { from, to, source } = night.split
    notes.push(
      `split: ${from} old ${from === 1 ? 'share' : 'shares'} became ${to}${source === 'inferred' ? ' (inferred)' : ''}`,
    )
  }
}
