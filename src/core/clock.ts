import { sleep } from './abort.ts'

/** Time as the program sees it, so that tests and demonstrations can bring their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number
  /** Waits `ms` milliseconds. @throws at once when `signal` aborts, see {@link sleep} */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** The clock of the machine. */
export const systemClock: Clock = { now: () => Date.now(), sleep }
