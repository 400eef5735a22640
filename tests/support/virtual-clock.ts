import { abortError } from '../../src/core/abort.ts'
import type { Clock } from '../../src/core/clock.ts'

/** Long enough for whatever else is due to run first. */
const IDLE_MS = 5

interface Sleeper {
  readonly dueMs: number
  readonly wake: () => void
}

/** A clock that jumps to the next sleeper's time as soon as the program has nothing else to do. */
export class VirtualClock implements Clock {
  /** The lengths of all sleeps asked for, in milliseconds. */
  readonly sleeps: number[] = []
  #nowMs: number
  #sleepers: Sleeper[] = []

  constructor(startMs = Date.UTC(2025, 0, 3, 15, 0, 0)) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.sleeps.push(ms)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal))
      const onAbort = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(abortError(signal))
      }
      const wake = () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const sleeper = { dueMs: this.#nowMs + ms, wake }
      this.#sleepers.push(sleeper)
      signal.addEventListener('abort', onAbort)
      setTimeout(() => this.#jump(), IDLE_MS)
    })
  }

  #jump(): void {
    const dueMs = Math.min(...this.#sleepers.map((sleeper) => sleeper.dueMs))
    if (!Number.isFinite(dueMs)) return
    this.#nowMs = Math.max(this.#nowMs, dueMs)
    const due = this.#sleepers.filter((sleeper) => sleeper.dueMs <= this.#nowMs)
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.dueMs > this.#nowMs)
    for (const { wake } of due) wake()
    if (this.#sleepers.length > 0) setTimeout(() => this.#jump(), IDLE_MS)
  }
}
