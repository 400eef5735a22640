// What a column of doubles holds, told in one pass; see src/stages/number-facts.ts.

/** Least and greatest number (infinities turned around where there is none), nulls, and whether all numbers are whole. */
const FACTS_BYTES = 32
const facts: usize = memory.data(FACTS_BYTES, 16)

/** Where {@link numberFacts} leaves what it found: least, greatest, nulls, and 1 where all are whole; doubles. */
export function factsFound(): usize {
  return facts
}

/** Looks at `rows` doubles at `values`; NaN is null. Up to 8 bytes behind them are overwritten. */
export function numberFacts(values: usize, rows: i32): void {
  const end = values + ((<usize>rows) << 3)
  store<f64>(end, NaN) // the other half of the last pair: a null that does not count
  let least = f64x2.splat(Infinity)
  let greatest = f64x2.splat(-Infinity)
  let known = i64x2.splat(0)
  let broken = i64x2.splat(0)
  for (; values < end; values += 16) {
    const pair = v128.load(values)
    least = f64x2.pmin(least, pair)
    greatest = f64x2.pmax(greatest, pair)
    const isNumber = f64x2.eq(pair, pair)
    known = i64x2.sub(known, isNumber)
    broken = v128.or(broken, v128.and(isNumber, f64x2.ne(f64x2.floor(pair), pair)))
  }
  store<f64>(facts, min(f64x2.extract_lane(least, 0), f64x2.extract_lane(least, 1)))
  store<f64>(facts, max(f64x2.extract_lane(greatest, 0), f64x2.extract_lane(greatest, 1)), 8)
  store<f64>(facts, <f64>(<i64>rows - i64x2.extract_lane(known, 0) - i64x2.extract_lane(known, 1)), 16)
  store<f64>(facts, v128.any_true(broken) ? 0 : 1, 24)
}
