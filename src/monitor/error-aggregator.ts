import { categoryOf, ERROR_CATEGORIES, messageOf, type ErrorCategory } from '../core/errors.ts'

export interface ErrorAggregatorOptions {
  /** Errors of one category within the window that make a burst. */
  readonly burstErrors: number
  /** Length of the window, milliseconds. */
  readonly burstMs: number
  /** A burst is over when no error of its category has come for so long, milliseconds. */
  readonly recoveryMs: number
  readonly onBurst?: (event: BurstEvent) => void
  readonly onRecovery?: (event: BurstEvent) => void
}

/** A burst began, or is over. */
export interface BurstEvent {
  readonly category: ErrorCategory
  /** Errors of the burst so far. */
  readonly errors: number
  readonly lastMessage: string
}

/** What is known of one category, as plain data. */
export interface ErrorView {
  readonly total: number
  /** In the last minute and the last hour. */
  readonly lastMinute: number
  readonly lastHour: number
  /** True while a burst goes on. */
  readonly burst: boolean
  readonly bursts: number
  /** The newest one, what it was about, and when (milliseconds of the caller's clock). */
  readonly last: { readonly message: string; readonly context: string; readonly atMs: number }
}

const BUCKET_MS = 5000
const BUCKETS = 720 // one hour
const MESSAGE_CHARS = 300

interface Track {
  /** Errors by bucket of five seconds; index = bucket number modulo its length. */
  readonly buckets: Uint32Array
  /** The newest bucket that was written. */
  newest: number
  total: number
  bursts: number
  /** Errors of the burst under way; 0: none. */
  burstErrors: number
  last: { message: string; context: string; atMs: number }
}

/** Counts errors by category in sliding windows and finds bursts. Its memory does not grow. */
export class ErrorAggregator {
  readonly #options: ErrorAggregatorOptions
  readonly #tracks = new Map<ErrorCategory, Track>()

  constructor(options: ErrorAggregatorOptions) {
    this.#options = options
  }

  /**
   * An error happened.
   *
   * @param context what was under way, e.g. the path of the request
   * @param nowMs of one clock that does not go back
   */
  note(error: unknown, context: string, nowMs: number): void {
    const category = categoryOf(error)
    const track = this.#trackOf(category, nowMs)
    advance(track, nowMs)
    track.buckets[track.newest % BUCKETS]!++
    track.total++
    track.last = { message: messageOf(error).slice(0, MESSAGE_CHARS), context, atMs: nowMs }
    if (track.burstErrors > 0) track.burstErrors++
    else if (within(track, this.#options.burstMs) >= this.#options.burstErrors) {
      track.burstErrors = within(track, this.#options.burstMs)
      track.bursts++
      this.#options.onBurst?.(eventOf(category, track))
    }
  }

  /** Tells of bursts that are over. To be called now and then. */
  look(nowMs: number): void {
    for (const [category, track] of this.#tracks) {
      if (track.burstErrors === 0 || nowMs - track.last.atMs < this.#options.recoveryMs) continue
      const event = eventOf(category, track)
      track.burstErrors = 0
      this.#options.onRecovery?.(event)
    }
  }

  /** Bursts since the start, of all categories. */
  get bursts(): number {
    return [...this.#tracks.values()].reduce((sum, { bursts }) => sum + bursts, 0)
  }

  /** What is known now, by category; only those that have happened. */
  view(nowMs: number): Partial<Record<ErrorCategory, ErrorView>> {
    const known = ERROR_CATEGORIES.flatMap((category) => {
      const track = this.#tracks.get(category)
      if (!track) return []
      advance(track, nowMs)
      const { total, bursts, burstErrors, last } = track
      const counts = { lastMinute: within(track, 60_000), lastHour: within(track, 3_600_000) }
      return [[category, { total, ...counts, burst: burstErrors > 0, bursts, last }] as const]
    })
    return Object.fromEntries(known)
  }

  #trackOf(category: ErrorCategory, nowMs: number): Track {
    const known = this.#tracks.get(category)
    if (known) return known
    const made: Track = {
      ...{ buckets: new Uint32Array(BUCKETS), newest: Math.floor(nowMs / BUCKET_MS), total: 0, bursts: 0 },
      ...{ burstErrors: 0, last: { message: '', context: '', atMs: nowMs } },
    }
    this.#tracks.set(category, made)
    return made
  }
}

const eventOf = (category: ErrorCategory, { burstErrors: errors, last }: Track): BurstEvent => ({
  ...{ category, errors, lastMessage: last.message },
})

/** Empties the buckets between the newest one and now. */
function advance(track: Track, nowMs: number): void {
  const bucket = Math.floor(nowMs / BUCKET_MS)
  for (let i = 1; i <= Math.min(bucket - track.newest, BUCKETS); i++)
    track.buckets[(track.newest + i) % BUCKETS] = 0
  track.newest = Math.max(track.newest, bucket)
}

/** Errors of the last `ms` milliseconds, to the bucket. */
function within({ buckets, newest }: Track, ms: number): number {
  let sum = 0
  for (let i = 0; i < Math.min(Math.ceil(ms / BUCKET_MS), BUCKETS) && i <= newest; i++)
    sum += buckets[(newest - i) % BUCKETS]!
  return sum
}
