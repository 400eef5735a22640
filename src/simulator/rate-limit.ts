/** Admits or refuses a call of `key` at `nowMs` (any clock that only moves forward). */
export type RateLimit = (key: string, nowMs: number) => boolean

/**
 * At most `callsPerMinute` admitted calls of one key in any window of `windowMs`; 0 admits everything. Refused calls
 * do not count.
 */
export function createRateLimit(callsPerMinute: number, windowMs: number): RateLimit {
  if (callsPerMinute === 0) return () => true
  const admitted = new Map<string, number[]>()
  return (key, nowMs) => {
    const recent = (admitted.get(key) ?? []).filter((atMs) => atMs > nowMs - windowMs)
    admitted.set(key, recent)
    if (recent.length >= callsPerMinute) return false
    recent.push(nowMs)
    return true
  }
}
