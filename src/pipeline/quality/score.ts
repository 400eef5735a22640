/** The parts of a score, each from 0 (worst) to 1; null where nothing can be said. */
export interface QualityParts {
  /** Share of the regular minutes that are there or known to have had no trade. */
  readonly completeness: number | null
  /** Share of the rows that came and broke no rule. */
  readonly validity: number | null
  /** 1 without an unexplained hole, 0 with one of an hour or more. */
  readonly continuity: number | null
  /** Share of the half hours whose volume is in keeping with the ticker's own history. */
  readonly volume: number | null
  /** 1 without an unexplained jump of the price, less for each. */
  readonly jumps: number | null
  /** Share of the bars that are not stale. */
  readonly staleness: number | null
  /** Share of the rows that came only once. */
  readonly duplicates: number | null
  /** Share of the values of the daily bar that agree with the minutes. */
  readonly agreement: number | null
}

/** How much each part weighs: it counts as its value to this power. */
const WEIGHTS: Readonly<Record<keyof QualityParts, number>> = {
  completeness: 1,
  validity: 1,
  continuity: 0.5,
  volume: 0.5,
  jumps: 0.5,
  staleness: 0.5,
  duplicates: 0.25,
  agreement: 0.5,
}

export const PART_NAMES = Object.keys(WEIGHTS) as readonly (keyof QualityParts)[]

/**
 * The score of a session: the product of its parts, each to the power of its weight, so that one bad part cannot be
 * made up for by good ones. Four decimals.
 */
export function scoreOf(parts: QualityParts): number {
  const product = PART_NAMES.reduce((score, name) => score * (parts[name] ?? 1) ** WEIGHTS[name], 1)
  return Math.round(product * 10_000) / 10_000
}

/** Minutes of a hole with which a session's continuity is 0. */
const WORST_HOLE_MINUTES = 60

/** @param longest minutes of the longest unexplained hole */
export const continuityOf = (longest: number): number => Math.max(0, 1 - longest / WORST_HOLE_MINUTES)

const SPIKE_COST = 0.25
const WORST_NIGHT = 0.75

/**
 * @param spikes prices that came and went
 * @param night unexplained step from the session before, as a share; 0: none. It counts by the square of its size: a
 *   third more costs little, twice the price (a split that nobody told of) nearly everything
 */
export function jumpsOf(spikes: number, night: number): number {
  const cost = Math.min(WORST_NIGHT, (Math.log1p(night) / Math.LN2) ** 2)
  return Math.max(0, 1 - SPIKE_COST * spikes - cost)
}

/** `good` of `all`; null of none. */
export const shareOf = (good: number, all: number): number | null => (all > 0 ? good / all : null)
