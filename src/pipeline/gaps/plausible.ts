/** Stretches on either side that speak for the ones in between. */
const NEIGHBOURS = 15
/** So many trades should have come where none did: by chance that happens once in 500 million times. */
const IMPLAUSIBLE_TRADES = 20
/** Where less trades than this in a stretch, trades come in bursts, and it takes more to doubt a silence. */
const BUSY_TRADES = 5
const IMPLAUSIBLE_WHERE_THIN = 100

/**
 * How many trades would be expected in the stretches [first, last] of a session if they were like their neighbours:
 * the typical number there, robust against single bursts, times their number. Where rows have no counts, the share
 * of neighbours that traded at all tells.
 *
 * @param trades by stretch; NaN where the count is not known
 * @param rows by stretch; 0: no trade
 */
export function expectedTrades(trades: Float64Array, rows: Uint32Array, first: number, last: number): number {
  const places = neighboursOf(rows.length, first, last)
  const known = places.map((place) => (rows[place] === 0 ? 0 : trades[place]!)).filter((n) => n >= 0)
  const traded = places.filter((place) => rows[place]! > 0).length
  if (places.length === 0) return 0
  const typical =
    known.filter((n) => n > 0).length >= traded / 2
      ? medianOf(known)
      : -Math.log(1 - traded / (places.length + 1))
  return typical * (last - first + 1)
}

/** True when so much traded around the stretches [first, last] that nothing within them is hard to believe. */
export const isImplausible = (
  trades: Float64Array,
  rows: Uint32Array,
  [first, last]: readonly [number, number],
): boolean => {
  const expected = expectedTrades(trades, rows, first, last)
  const isThin = expected < BUSY_TRADES * (last - first + 1)
  return expected >= (isThin ? IMPLAUSIBLE_WHERE_THIN : IMPLAUSIBLE_TRADES)
}

function neighboursOf(count: number, first: number, last: number): number[] {
  const places: number[] = []
  for (let place = Math.max(0, first - NEIGHBOURS); place < first; place++) places.push(place)
  for (let place = last + 1; place <= Math.min(count - 1, last + NEIGHBOURS); place++) places.push(place)
  return places
}

export function medianOf(values: readonly number[]): number {
  if (values.length === 0) return NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
