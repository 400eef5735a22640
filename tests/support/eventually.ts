import { expect } from 'vitest'

/** An assertion that holds sooner or later; the limit is there for a machine that is busy, not to be met. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 30_000, interval: 5 })
