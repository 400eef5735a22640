/** When an operation is too slow, and when a session is. */
export interface PerformanceThresholds {
  /** Longest time that an operation should take, seconds, by its name. */
  readonly operationSeconds: Readonly<Record<string, number>>
  /** An operation under way for longer is stale: it hangs. */
  readonly hungSeconds: number
  /** Longest time without any data while some is expected. */
  readonly noDataSeconds: number
  /** Throughput below this part of what it was before is a slowdown; 0 to 1. */
  readonly slowdownRatio: number
}

export type ProblemKind = 'overrun' | 'stale' | 'no_data' | 'degraded'

/** Something that takes too long. */
export interface PerformanceProblem {
  readonly kind: ProblemKind
  /** Ticker or run. */
  readonly label: string
  readonly operation: string
  /** One sentence, without the label. */
  readonly text: string
}

/** What is known of the operations of one label, as plain data. */
export interface OperationView {
  readonly label: string
  readonly operation: string
  readonly count: number
  readonly overruns: number
  readonly lastMs: number
  readonly longestMs: number
  /** Amount (rows, bytes) in a second: of the newest operations, and of those before. */
  readonly recentPerSecond: number | null
  readonly trailingPerSecond: number | null
}

/** Operations whose throughput is "now", and those before that it is compared with. */
const RECENT = 8
const TRAILING = 64
/** An overrun is a present problem for so long. */
const OVERRUN_MATTERS_MS = 60_000
/** Labels that are remembered; those silent for longest are forgotten. */
const LABELS_KEPT = 500

interface Track {
  readonly label: string
  readonly operation: string
  /** Of the newest operations with an amount: what they moved, and how long they took. */
  readonly amounts: Float64Array
  readonly tookMs: Float64Array
  sampled: number
  count: number
  overruns: number
  lastMs: number
  longestMs: number
  overranAtMs: number
}

interface Begun {
  readonly label: string
  readonly operation: string
  readonly sinceMs: number
}

/**
 * Watches operations of both sides, reading (requests) and writing (commits), by label. Tells what is slow as plain
 * data; keeps a bounded number of numbers.
 */
export class PerformanceMonitor {
  readonly #thresholds: PerformanceThresholds
  readonly #tracks = new Map<string, Track>()
  readonly #begun = new Map<string, Begun>()
  readonly #dueSinceMs = new Map<string, number>()

  constructor(thresholds: PerformanceThresholds) {
    this.#thresholds = thresholds
  }

  /** An operation begins; `key` names it until {@link end}. Times are milliseconds of a clock that does not go back. */
  begin(key: string, label: string, operation: string, nowMs: number): void {
    this.#begun.set(key, { label, operation, sinceMs: nowMs })
  }

  /** It is over, having moved `amount` (rows or bytes; 0: nothing to measure by). Unknown keys are ignored. */
  end(key: string, amount: number, nowMs: number): void {
    const begun = this.#begun.get(key)
    if (!begun) return
    this.#begun.delete(key)
    this.note(begun.label, begun.operation, nowMs - begun.sinceMs, amount, nowMs)
  }

  /** An operation took `ms`. */
  note(label: string, operation: string, ms: number, amount: number, nowMs: number): void {
    const track = this.#trackOf(label, operation)
    track.count++
    track.lastMs = ms
    track.longestMs = Math.max(track.longestMs, ms)
    const mostSeconds = this.#thresholds.operationSeconds[operation]
    if (mostSeconds !== undefined && ms > mostSeconds * 1000) {
      track.overruns++
      track.overranAtMs = nowMs
    }
    if (amount <= 0) return
    const slot = track.sampled++ % (RECENT + TRAILING)
    track.amounts[slot] = amount
    track.tookMs[slot] = Math.max(ms, 0.01)
  }

  /** Data is expected for `label` from now on, if it was not already. */
  expect(label: string, nowMs: number): void {
    if (!this.#dueSinceMs.has(label)) this.#dueSinceMs.set(label, nowMs)
  }

  /** Data came for `label`. More is due only while further operations of it are under way. */
  data(label: string, nowMs: number): void {
    this.#dueSinceMs.delete(label)
    for (const begun of this.#begun.values()) if (begun.label === label) return this.expect(label, nowMs)
  }

  /** What is too slow now. */
  problems(nowMs: number): PerformanceProblem[] {
    return [...this.#stale(nowMs), ...this.#silent(nowMs), ...this.#slow(nowMs)]
  }

  /** All operations seen. */
  view(): OperationView[] {
    return [...this.#tracks.values()].map((track) => {
      const { label, operation, count, overruns, lastMs, longestMs } = track
      const { recent, trailing } = throughput(track)
      return {
        ...{ label, operation, count, overruns, lastMs, longestMs },
        ...{ recentPerSecond: recent ?? null, trailingPerSecond: trailing ?? null },
      }
    })
  }

  *#stale(nowMs: number): Iterable<PerformanceProblem> {
    for (const { label, operation, sinceMs } of this.#begun.values()) {
      const seconds = Math.round((nowMs - sinceMs) / 1000)
      if (seconds < this.#thresholds.hungSeconds) continue
      yield { kind: 'stale', label, operation, text: `${operation} has been under way for ${seconds} s` }
    }
  }

  *#silent(nowMs: number): Iterable<PerformanceProblem> {
    for (const [label, sinceMs] of this.#dueSinceMs) {
      const seconds = Math.round((nowMs - sinceMs) / 1000)
      if (seconds >= this.#thresholds.noDataSeconds)
        yield { kind: 'no_data', label, operation: 'data', text: `no data for ${seconds} s` }
    }
  }

  *#slow(nowMs: number): Iterable<PerformanceProblem> {
    for (const track of this.#tracks.values()) {
      const { label, operation, lastMs, overranAtMs } = track
      if (nowMs - overranAtMs < OVERRUN_MATTERS_MS) {
        const text = `${operation} took ${Math.round(lastMs / 100) / 10} s, more than it should`
        yield { kind: 'overrun', label, operation, text }
      }
      const { recent, trailing } = throughput(track)
      if (recent === undefined || trailing === undefined) continue
      if (recent >= trailing * this.#thresholds.slowdownRatio) continue
      const percent = Math.round((100 * recent) / trailing)
      yield {
        kind: 'degraded',
        label,
        operation,
        text: `${operation} runs at ${percent} % of its speed before`,
      }
    }
  }

  #trackOf(label: string, operation: string): Track {
    const key = `${operation} ${label}`
    const known = this.#tracks.get(key)
    if (known) return known
    const oldest = this.#tracks.size >= LABELS_KEPT ? this.#tracks.keys().next().value : undefined
    if (oldest !== undefined) this.#tracks.delete(oldest)
    const made: Track = {
      ...{ label, operation, sampled: 0, count: 0, overruns: 0, lastMs: 0, longestMs: 0 },
      ...{ overranAtMs: -Infinity },
      amounts: new Float64Array(RECENT + TRAILING),
      tookMs: new Float64Array(RECENT + TRAILING),
    }
    this.#tracks.set(key, made)
    return made
  }
}

/** Amount a second of the newest operations and of those before; undefined until there are enough of both. */
function throughput({ amounts, tookMs, sampled }: Track): { recent?: number; trailing?: number } {
  const size = RECENT + TRAILING
  if (sampled < 3 * RECENT) return {}
  const rate = (from: number, to: number): number => {
    let amount = 0
    let ms = 0
    for (let i = from; i < to; i++) {
      amount += amounts[(sampled - 1 - i) % size]!
      ms += tookMs[(sampled - 1 - i) % size]!
    }
    return (1000 * amount) / ms
  }
  return { recent: rate(0, RECENT), trailing: rate(RECENT, Math.min(sampled, size)) }
}
