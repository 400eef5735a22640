import type { RunCounters } from '../monitor/run-counters.ts'
import type { StreamHooks } from '../pipeline/stream/contract.ts'

/** Follows what a live recording does: what came, how late, and what waits. */
export class StreamTelemetry {
  readonly #counters: RunCounters
  #queueDepth = 0
  #lagMs: number | undefined
  #reconnects = 0
  #stalled = false

  constructor(counters: RunCounters) {
    this.#counters = counters
  }

  readonly hooks: StreamHooks = {
    onAlert: ({ kind, severity }) => {
      if (kind === 'stall') this.#stalled = severity === 'warning'
    },
    onReceived: ({ rows, lagMs }) => {
      this.#counters.rowsStreamed += rows
      this.#lagMs = lagMs
    },
    onLook: ({ queuedFrames, connections }) => {
      this.#queueDepth = queuedFrames
      this.#reconnects = Math.max(0, connections - 1)
    },
  }

  /** For the metrics. */
  get gauges(): { queueDepth: number; streamLagMs: number | undefined; reconnects: number } {
    return { queueDepth: this.#queueDepth, streamLagMs: this.#lagMs, reconnects: this.#reconnects }
  }

  /** For the record of the run. */
  view(): object {
    return {
      ...{ rows: this.#counters.rowsStreamed, lagMs: this.#lagMs ?? null, queueDepth: this.#queueDepth },
      ...{ reconnects: this.#reconnects, stalled: this.#stalled },
    }
  }
}
