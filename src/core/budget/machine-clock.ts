import { readFileSync } from 'node:fs'

/** Time that all processes of a machine agree on. */
export interface MachineClock {
  /** Milliseconds of a clock that nobody can set, the same in every process; it starts anew with the machine. */
  monotonicMs(): number
  /** Milliseconds since the Unix epoch; it may be set back and forth. */
  wallMs(): number
  /** Differs after each start of the machine; empty where the system does not tell. */
  readonly boot: string
}

/** The clock of the machine: CLOCK_MONOTONIC and its like, which processes share. */
export function machineClock(): MachineClock {
  return {
    monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
    wallMs: () => Date.now(),
    boot: bootId(),
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
