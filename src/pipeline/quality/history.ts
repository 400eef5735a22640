import { medianOf } from '../gaps/plausible.ts'
import type { SessionFacts } from './facts.ts'

/** A change of the shares: what one old share became. */
export interface Split {
  /** First session at the new price. */
  readonly date: string
  readonly from: number
  readonly to: number
  /** `recorded` in the dataset splits, or `inferred` from the price where no splits of the ticker are held. */
  readonly source: 'recorded' | 'inferred'
}

/** Cash that holders of the day before get. */
export interface Dividend {
  readonly date: string
  readonly amount: number
}

/** Sessions of history that it takes to judge a volume. */
const ENOUGH_SESSIONS = 5
/** Bars below this share of what is usual for a session: the day is judged as a whole. */
const LIQUID_BARS = 0.5

/**
 * Share of the half hours whose volume lies within `ratio` times what is typical at that time of day for this ticker,
 * shares of earlier sessions counted in those of today; null where there is too little history.
 *
 * @param before earlier sessions
 * @param sharesSince how many shares of today one share of a date is
 * @param usualBars bars of a session in which every stretch has one
 */
export function volumeShare(
  facts: SessionFacts,
  before: readonly SessionFacts[],
  sharesSince: (date: string) => number,
  { ratio, usualBars }: { readonly ratio: number; readonly usualBars: number },
): number | null {
  const past = before.filter(({ bars }) => bars > 0)
  if (past.length < ENOUGH_SESSIONS || facts.bars === 0) return null
  const places = facts.halfHours.length
  const isLiquid = medianOf(past.map(({ bars }) => bars)) >= LIQUID_BARS * usualBars
  if (!isLiquid) {
    const usual = medianOf(past.map((one) => one.regularVolume * sharesSince(one.date)))
    // A day of a stock that hardly trades may well be a hundred times the usual one.
    return isWithin(facts.regularVolume, usual, ratio * ratio) ? 1 : 0
  }
  let good = 0
  for (let place = 0; place < places; place++) {
    const usual = medianOf(
      past
        .filter(({ halfHours }) => place < halfHours.length)
        .map((one) => one.halfHours[place]! * sharesSince(one.date)),
    )
    if (!(usual > 0) || isWithin(facts.halfHours[place]!, usual, ratio)) good++
  }
  return good / places
}

const isWithin = (volume: number, usual: number, ratio: number): boolean =>
  !(usual > 0) || (volume <= usual * ratio && volume >= usual / ratio)

/** What became of the price overnight. */
export interface Overnight {
  /** 0.1: opened 10 % higher than splits and dividends explain. */
  readonly share: number
  readonly isJump: boolean
  readonly split?: Split
  readonly dividend?: Dividend
}

/**
 * The step from the close of the session before `place` to its open, after what is known of splits and dividends.
 * Where no splits of the ticker are held, a step by a whole ratio that lasts is taken for one.
 *
 * @param sessions in order of date
 */
export function overnight(
  sessions: readonly SessionFacts[],
  place: number,
  events: { readonly splits: readonly Split[] | undefined; readonly dividends: readonly Dividend[] },
  leastJump: number,
): Overnight | undefined {
  const facts = sessions[place]!
  const before = sessions[place - 1]
  const since = before?.date ?? ''
  const fits = ({ date }: { readonly date: string }): boolean =>
    date === facts.date || (before !== undefined && date > since && date <= facts.date)
  const split = events.splits?.find(fits)
  const dividend = events.dividends.find(fits)
  const known = { ...(split ? { split } : {}), ...(dividend ? { dividend } : {}) }
  if (!before || !(before.close > 0) || !(facts.open > 0)) {
    return split || dividend ? { share: 0, isJump: false, ...known } : undefined
  }
  const factor = split ? split.from / split.to : 1
  const expected = Math.max(before.close * 0.01, before.close * factor - (dividend?.amount ?? 0))
  const share = facts.open / expected - 1
  const isJump = Math.abs(Math.log1p(share)) > Math.log1p(leastJump)
  if (isJump && events.splits === undefined) {
    const inferred = inferSplit(facts, before)
    if (inferred && !isUndone(sessions, place)) return { share: 0, isJump: false, split: inferred }
  }
  return { share, isJump, ...known }
}

/** A step that the night before or after takes back: prices of one day that were in another unit. */
function isUndone(sessions: readonly SessionFacts[], place: number): boolean {
  const step = stepAt(sessions, place)
  const beside = [stepAt(sessions, place - 1), stepAt(sessions, place + 1)]
  return beside.some((other) => Math.abs(step + other) < Math.log1p(RATIO_TOLERANCE))
}

/** ln of the open at `place` to the close before it; NaN where one of them is not known. */
const stepAt = (sessions: readonly SessionFacts[], place: number): number =>
  Math.log((sessions[place]?.open ?? NaN) / (sessions[place - 1]?.close ?? NaN))

const WHOLE_RATIOS: readonly (readonly [from: number, to: number])[] = [
  ...[2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100].map((n) => [1, n] as const),
  [2, 3],
]
/** How far the price may be off the ratio: an ordinary night besides. */
const RATIO_TOLERANCE = 0.08

function inferSplit(facts: SessionFacts, before: SessionFacts): Split | undefined {
  const ratio = before.close / facts.open
  const ratios = WHOLE_RATIOS.flatMap(([from, to]) => [[from, to] as const, [to, from] as const])
  const near = ratios
    .map(([from, to]) => ({ from, to, off: Math.abs((ratio * from) / to - 1) }))
    .sort((a, b) => a.off - b.off)[0]!
  if (near.off > RATIO_TOLERANCE) return undefined
  return { date: facts.date, from: near.from, to: near.to, source: 'inferred' }
}
