// DuckDB's hash of rows: a 64-bit mix per value, values of a row combined in order; see src/lake/engines/duckdb-hash.ts.

const FACTOR: u64 = 0xd6e8feb86659fd93
/** What stands for a null. */
const NULL: u64 = 0xbf58476d1ce4e5b9
const NULL_NS: i64 = i64.MIN_VALUE

function mix(value: u64): u64 {
  value ^= value >> 32
  value *= FACTOR
  value ^= value >> 32
  value *= FACTOR
  return value ^ (value >> 32)
}

function combine(hash: u64, next: u64): u64 {
  hash ^= hash >> 32
  return (hash * FACTOR) ^ next
}

/** Sets the hashes of `rows` rows to those of their numbers, from `first` on. */
export function hashStart(hashes: usize, rows: i32, first: i32): void {
  for (let row = 0; row < rows; row++) store<u64>(hashes + ((<usize>row) << 3), mix(<u64>(first + row)))
}

/** Combines doubles into the hashes of their rows. NaN is null; both zeros are one. */
export function hashDoubles(values: usize, rows: i32, hashes: usize): void {
  for (const end = values + ((<usize>rows) << 3); values < end; values += 8) {
    const value = load<f64>(values)
    const next = value !== value ? NULL : mix(value === 0 ? 0 : reinterpret<u64>(value))
    store<u64>(hashes, combine(load<u64>(hashes), next))
    hashes += 8
  }
}

/** The same of whole numbers that are held as doubles. */
export function hashWhole(values: usize, rows: i32, hashes: usize): void {
  for (const end = values + ((<usize>rows) << 3); values < end; values += 8) {
    const value = load<f64>(values)
    const next = value !== value ? NULL : mix(<u64>(<i64>value))
    store<u64>(hashes, combine(load<u64>(hashes), next))
    hashes += 8
  }
}

/** The same of 64-bit integers, the least of which is null. */
export function hashNanoseconds(values: usize, rows: i32, hashes: usize): void {
  for (const end = values + ((<usize>rows) << 3); values < end; values += 8) {
    const value = load<i64>(values)
    store<u64>(hashes, combine(load<u64>(hashes), value === NULL_NS ? NULL : mix(<u64>value)))
    hashes += 8
  }
}

/** The same of one integer that all rows have. */
export function hashConstant(value: i32, rows: i32, hashes: usize): void {
  const next = mix(<u64>(<i64>value))
  for (const end = hashes + ((<usize>rows) << 3); hashes < end; hashes += 8) {
    store<u64>(hashes, combine(load<u64>(hashes), next))
  }
}

/** All hashes, xor. */
export function hashAll(hashes: usize, rows: i32): u64 {
  let all: u64 = 0
  for (const end = hashes + ((<usize>rows) << 3); hashes < end; hashes += 8) all ^= load<u64>(hashes)
  return all
}
