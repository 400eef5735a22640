/** What a heartbeat tells: counters since the start, and of the time since the last one. */
export interface Heartbeat {
  readonly rows: number
  readonly rowsSinceLast: number
  /** From event to receipt, milliseconds, of the rows since the last heartbeat; undefined: there were none. */
  readonly lagP50Ms: number | undefined
  readonly lagP99Ms: number | undefined
  /** Frames that wait to be read. */
  readonly queueDepth: number
  readonly reconnects: number
}

/** Lags kept between two heartbeats; of more, every so manieth. */
const MOST_LAGS = 4096

/** Gathers what the next heartbeat tells. */
export class HeartbeatCounter {
  #rows = 0
  #rowsBefore = 0
  #lags: number[] = []
  #stride = 1
  #offered = 0

  /** `count` rows were received, `lagMs` after they happened. */
  received(count: number, lagMs: number): void {
    this.#rows += count
    if (this.#offered++ % this.#stride !== 0) return
    this.#lags.push(lagMs)
    if (this.#lags.length < MOST_LAGS) return
    this.#lags = this.#lags.filter((_, i) => i % 2 === 0)
    this.#stride *= 2
  }

  /** The heartbeat that is due now; the next one counts from here. */
  beat({ queueDepth, reconnects }: Pick<Heartbeat, 'queueDepth' | 'reconnects'>): Heartbeat {
    const sorted = this.#lags.sort((a, b) => a - b)
    const beat: Heartbeat = {
      rows: this.#rows,
      rowsSinceLast: this.#rows - this.#rowsBefore,
      lagP50Ms: quantile(sorted, 0.5),
      lagP99Ms: quantile(sorted, 0.99),
      queueDepth,
      reconnects,
    }
    this.#rowsBefore = this.#rows
    this.#lags = []
    this.#stride = 1
    this.#offered = 0
    return beat
  }
}

/** The value below or at which the share `q` of `sorted` lies (nearest rank). */
function quantile(sorted: readonly number[], q: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
}

/** One line for people. */
export function heartbeatText(beat: Heartbeat): string {
  const { rows, rowsSinceLast, lagP50Ms, lagP99Ms, queueDepth, reconnects } = beat
  const lag =
    lagP50Ms === undefined ? 'no rows' : `lag p50 ${Math.round(lagP50Ms)} ms p99 ${Math.round(lagP99Ms!)} ms`
  return `heartbeat: ${rows} rows (+${rowsSinceLast}), ${lag}, queue ${queueDepth}, reconnects ${reconnects}`
}

/**
 * Tells once when no data has come for `stallMs`, and once when it is back.
 *
 * Times are of one clock, in milliseconds; the caller says when data is to be expected at all.
 */
export class StallWatch {
  readonly #stallMs: number
  #lastMs: number
  #stalled = false

  constructor(stallMs: number, nowMs: number) {
    this.#stallMs = stallMs
    this.#lastMs = nowMs
  }

  /** Data came. Returns how long there was none, where that had been told. */
  received(nowMs: number): number | undefined {
    const quietMs = nowMs - this.#lastMs
    const wasStalled = this.#stalled
    this.#lastMs = nowMs
    this.#stalled = false
    return wasStalled ? quietMs : undefined
  }

  /** How long there was no data, the first time that it is too long. `expected` false: waiting starts anew. */
  check(nowMs: number, expected: boolean): number | undefined {
    if (!expected) this.#lastMs = nowMs
    const quietMs = nowMs - this.#lastMs
    if (this.#stalled || quietMs < this.#stallMs) return undefined
    this.#stalled = true
    return quietMs
  }
}
