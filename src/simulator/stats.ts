/** What a simulator has been asked so far. */
export interface SimulatorStats {
  /** Requests that arrived. */
  readonly calls: number
  /** Requests by endpoint, e.g. `/v3/trades/{ticker}`. */
  readonly callsByPath: Readonly<Record<string, number>>
  /** Answers by HTTP status; 0 = the connection was cut or left hanging. */
  readonly answersByStatus: Readonly<Record<string, number>>
  /** How often each fault acted, by name. */
  readonly faultsFired: Readonly<Record<string, number>>
  /** Calls refused because the key's minute was used up. */
  readonly refusedByRateLimit: number
  /** Most calls within any 60 seconds (any window, where another was chosen), refused ones included. */
  readonly worstMinuteCalls: number
}

/** Counts what the simulator is asked; memory bounded by the calls of one window. */
export class StatsCounter {
  private calls = 0
  private readonly callsByPath = new Map<string, number>()
  private readonly answersByStatus = new Map<string, number>()
  private readonly faultsFired = new Map<string, number>()
  private refusedByRateLimit = 0
  private worstMinuteCalls = 0
  private readonly lastMinute: number[] = []
  private readonly windowMs: number

  constructor(windowMs: number) {
    this.windowMs = windowMs
  }

  arrived(path: string, nowMs: number): void {
    this.calls++
    add(this.callsByPath, path)
    this.lastMinute.push(nowMs)
    while (this.lastMinute[0]! <= nowMs - this.windowMs) this.lastMinute.shift()
    this.worstMinuteCalls = Math.max(this.worstMinuteCalls, this.lastMinute.length)
  }

  answered(status: number): void {
    add(this.answersByStatus, String(status))
  }

  fired(fault: string): void {
    add(this.faultsFired, fault)
  }

  rateLimited(): void {
    this.refusedByRateLimit++
  }

  snapshot(): SimulatorStats {
    return {
      calls: this.calls,
      callsByPath: Object.fromEntries(this.callsByPath),
      answersByStatus: Object.fromEntries(this.answersByStatus),
      faultsFired: Object.fromEntries(this.faultsFired),
      refusedByRateLimit: this.refusedByRateLimit,
      worstMinuteCalls: this.worstMinuteCalls,
    }
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
