/** Outcomes that are remembered of each endpoint. */
const WINDOW = 200

/** How the newest requests to one endpoint went. */
export interface SuccessRate {
  /** Attempts in the window. */
  readonly attempts: number
  readonly failed: number
  /** From 0 to 1. */
  readonly rate: number
}

/** Success rates of endpoints over a sliding window of their newest attempts. */
export class SuccessRates {
  readonly #byEndpoint = new Map<string, { readonly failed: Uint8Array; attempts: number; sum: number }>()

  note(endpoint: string, success: boolean): void {
    let track = this.#byEndpoint.get(endpoint)
    if (!track)
      this.#byEndpoint.set(endpoint, (track = { failed: new Uint8Array(WINDOW), attempts: 0, sum: 0 }))
    const slot = track.attempts++ % WINDOW
    track.sum += (success ? 0 : 1) - track.failed[slot]!
    track.failed[slot] = success ? 0 : 1
  }

  /** By endpoint, those that were asked. */
  view(): Record<string, SuccessRate> {
    const entries = [...this.#byEndpoint].map(([endpoint, { attempts: all, sum: failed }]) => {
      const attempts = Math.min(all, WINDOW)
      return [endpoint, { attempts, failed, rate: (attempts - failed) / attempts }] as const
    })
    return Object.fromEntries(entries)
  }
}
