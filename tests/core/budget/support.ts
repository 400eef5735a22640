import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BudgetClient, BudgetTerms } from '../../../src/core/budget/contract.ts'
import { openFileStore, type FileStoreOptions } from '../../../src/core/budget/file-store.ts'
import { createSharedLimiter } from '../../../src/core/budget/shared-limiter.ts'
import type { RateLimiter } from '../../../src/core/rate-limit.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

export const never = new AbortController().signal
export const WINDOW_MS = 2000

/** A path for a budget that does not exist yet. */
export const freshPath = (): string => join(mkdtempSync(join(tmpdir(), 'tapelake-')), 'budget.sqlite')

export const termsOf = (given: Partial<BudgetTerms> = {}): BudgetTerms => ({
  ...{ callsPerMinute: 3, windowMs: WINDOW_MS, callsPerDay: 0, leaseMs: 60_000 },
  ...given,
})

export const clientOf = (label: string): BudgetClient => ({ pid: 1, started: 'then', host: 'here', label })

/** Time as `clock` tells it, as all processes of a machine see it. */
export const machineTime = (clock: VirtualClock, boot = 'boot-1') => ({
  ...{ monotonicMs: () => clock.now(), wallMs: () => clock.now(), boot },
})

/** A process of its own, as far as the budget at `path` can tell. */
export async function member(
  path: string,
  clock: VirtualClock,
  given: Partial<BudgetTerms> = {},
  more: Partial<FileStoreOptions> = {},
): Promise<RateLimiter> {
  const terms = termsOf(given)
  const client = clientOf(`member ${Math.random()}`)
  const store = await openFileStore({
    ...{ path, terms, client, hasEnded: () => Promise.resolve(false), clock: machineTime(clock) },
    ...more,
  })
  return createSharedLimiter({ store, terms, sleep: (ms, signal) => clock.sleep(ms, signal) })
}

/** Most instants within any stretch of `windowMs`, counted by brute force. */
export function mostInAnyWindow(instantsMs: readonly number[], windowMs: number): number {
  return Math.max(
    0,
    ...instantsMs.map((from) => instantsMs.filter((at) => at >= from && at < from + windowMs).length),
  )
}
