import type { HeldSession } from '../../lake/held-sessions.ts'
import type { Cell } from '../../lake/ledger.ts'
import { decodePlaces, runsOf } from '../../lake/presence.ts'
import { ALL } from '../../lake/series-contract.ts'
import type { Buckets } from '../../market/buckets.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE } from '../../market/time.ts'
import { STATE_REASONS, type Gap, type GapKind, type GapReason } from './gap.ts'
import type { Testimony } from './daily-witness.ts'
import { expectedTrades, isImplausible } from './plausible.ts'

/** A stretch of places with one reason. */
export interface Finding {
  readonly run: readonly [first: number, last: number]
  readonly reason: GapReason
  readonly detail: string
  readonly confirmed?: true
}

/** What is known of a session besides its rows. */
export interface SessionEvidence {
  readonly cell: Cell
  /** Places of which rows were refused. */
  readonly quarantined: ReadonlySet<number>
  /** Places with trades that make a price, where trades are held; undefined where they are not. */
  readonly traded: ReadonlySet<number> | undefined
  /** What the daily bar says of a hole in which so many shares would have traded. */
  readonly daily: (expectedVolume: number) => Testimony
}

/**
 * Why each stretch of the regular hours without a row has none. A stretch that the ledger knows to have had rows is
 * gone; one that the vendor left out is believed where trades, the daily bar or the neighbours do not speak against it.
 */
export function judgeAbsence(held: HeldSession, evidence: SessionEvidence): Finding[] {
  const { presence } = held
  if (!presence) return []
  const { cell } = evidence
  const recorded = cell.absent === undefined ? undefined : new Set(decodePlaces(cell.absent))
  const confirmed = new Set(decodePlaces(cell.confirmed ?? ''))
  const isConfirmed = (place: number): boolean => cell.confirmed === ALL || confirmed.has(place)
  const findings: Finding[] = []
  const [gone, unexplained]: [number[], number[]] = [[], []]
  const [refused, believed]: [number[], number[]] = [[], []]
  for (const place of presence.absent()) {
    if (recorded && !recorded.has(place)) gone.push(place)
    else if (evidence.quarantined.has(place)) refused.push(place)
    else if (isConfirmed(place)) believed.push(place)
    else unexplained.push(place)
  }
  add(findings, gone, 'suspected', 'recorded, but no longer in the file')
  for (const sentTwice of [false, true]) {
    const places = refused.filter((place) => isConfirmed(place) === sentTwice)
    add(findings, places, 'quarantined', 'rows came and were refused', sentTwice)
  }
  for (const run of runsOf(believed)) {
    const judged = judgeSilence(run, held, evidence)
    findings.push(...judged.map((finding) => ({ ...finding, ...afterConfirmation(finding) })))
  }
  const known = STATE_REASONS[cell.state] // some rows came, not all
  if (known) add(findings, unexplained, known, cell.reason)
  else for (const run of runsOf(unexplained)) findings.push(...judgeSilence(run, held, evidence))
  return findings.sort((a, b) => a.run[0] - b.run[0])
}

/** Asked twice, the vendor has nothing there: what was suspected before lacks for good. */
const afterConfirmation = ({ reason }: Finding): Pick<Finding, 'reason' | 'confirmed'> => ({
  reason: reason === 'suspected' ? 'vendor_missing' : reason,
  confirmed: true,
})

function add(
  findings: Finding[],
  places: readonly number[],
  reason: GapReason,
  detail: string,
  confirmed = false,
): void {
  const mark = confirmed ? { confirmed } : {}
  for (const run of runsOf(places)) findings.push({ run, reason, detail, ...mark })
}

/** A run that the vendor left out of its answer. */
function judgeSilence(
  run: readonly [first: number, last: number],
  held: HeldSession,
  { traded, daily }: SessionEvidence,
): Finding[] {
  const { presence, trades } = held
  if (!presence) return []
  if (traded) return judgeByTrades(run, traded)
  const implausible = isImplausible(trades, presence.rows, run)
  const testimony = daily(volumeExpected(run, held))
  if (testimony === 'agrees') {
    return [{ run, reason: 'no_trade', detail: 'the daily bar counts no more than the minutes' }]
  }
  if (!implausible) return [{ run, reason: 'no_trade', detail: 'little traded around it' }]
  if (testimony === 'differs') {
    return [{ run, reason: 'vendor_missing', detail: 'the daily bar counts more than the minutes' }]
  }
  return [{ run, reason: 'suspected', detail: 'much traded before and after it' }]
}

function judgeByTrades([first, last]: readonly [number, number], traded: ReadonlySet<number>): Finding[] {
  const places = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  const findings: Finding[] = []
  add(
    findings,
    places.filter((place) => traded.has(place)),
    'vendor_missing',
    'there are trades, but no bar',
  )
  add(
    findings,
    places.filter((place) => !traded.has(place)),
    'no_trade',
    'there are no trades',
  )
  return findings
}

/** Shares that would have traded in `run`, had it been like its neighbours. */
function volumeExpected([first, last]: readonly [number, number], held: HeldSession): number {
  const { presence, trades, regularVolume } = held
  const counted = trades.reduce((sum, n) => (n > 0 ? sum + n : sum), 0)
  if (!presence || counted === 0) return 0
  return (expectedTrades(trades, presence.rows, first, last) * regularVolume) / counted
}

/** Where in the session `run` lies. */
export function kindOf([first, last]: readonly [number, number], { count }: Buckets): GapKind {
  if (first === 0 && last === count - 1) return 'session'
  if (first === 0) return 'start'
  return last === count - 1 ? 'end' : 'inside'
}

/** Instants of `run`, cut to the regular hours. */
export function spanOf(
  [first, last]: readonly [number, number],
  { startMs, lengthMs, session }: Buckets,
): Pick<Gap, 'fromMs' | 'toMs' | 'minutes'> {
  return span(
    Math.max(session.openMs, startMs + first * lengthMs),
    Math.min(session.closeMs, startMs + (last + 1) * lengthMs),
  )
}

/** The regular hours of `session`. */
export const wholeSpan = ({ openMs, closeMs }: TradingSession): Pick<Gap, 'fromMs' | 'toMs' | 'minutes'> =>
  span(openMs, closeMs)

const span = (fromMs: number, toMs: number): Pick<Gap, 'fromMs' | 'toMs' | 'minutes'> => ({
  fromMs,
  toMs,
  minutes: Math.round((toMs - fromMs) / MS_PER_MINUTE),
})
