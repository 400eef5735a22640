/** As the metric shows them; the higher, the worse. */
const LEVELS: Readonly<Record<string, number>> = { closed: 0, half_open: 1, open: 2 }

/** Circuit breakers of a run: every process that sends requests has its own. */
export class BreakerBoard {
  /** State by process, by endpoint. */
  readonly #states = new Map<string, Map<number, string>>()

  /** The breaker of `endpoint` in the process `pid` is in `state` now. */
  note(endpoint: string, pid: number, state: string): void {
    const states = this.#states.get(endpoint) ?? new Map<number, string>()
    this.#states.set(endpoint, states.set(pid, state))
  }

  /** The process `pid` has ended, and its breakers with it. */
  forget(pid: number): void {
    for (const states of this.#states.values())
      if (states.delete(pid) && states.size === 0) states.set(pid, 'closed')
  }

  /** The worst state by endpoint. */
  worst(): Record<string, string> {
    const worse = (a: string, b: string): string => ((LEVELS[a] ?? 0) >= (LEVELS[b] ?? 0) ? a : b)
    return Object.fromEntries(
      [...this.#states].map(([endpoint, states]) => [endpoint, [...states.values()].reduce(worse)]),
    )
  }

  /** The same as numbers: 0 closed, 1 half open, 2 open. */
  levels(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.worst()).map(([endpoint, state]) => [endpoint, LEVELS[state] ?? 0]),
    )
  }

  /** Every breaker that is not closed: its state by process, by endpoint. */
  troubled(): Record<string, Record<string, string>> {
    const found = [...this.#states].map(([endpoint, states]) => {
      const bad = [...states].filter(([, state]) => state !== 'closed')
      return [endpoint, Object.fromEntries(bad)] as const
    })
    return Object.fromEntries(found.filter(([, bad]) => Object.keys(bad).length > 0))
  }
}
