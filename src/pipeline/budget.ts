import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  dayEndMs,
  isLimited,
  type BudgetClient,
  type BudgetStore,
  type BudgetTerms,
  type CallPriority,
  type ProcessShare,
} from '../core/budget/contract.ts'
import { openFileStore } from '../core/budget/file-store.ts'
import { lazyStore } from '../core/budget/lazy-store.ts'
import { openRedisStore } from '../core/budget/redis-store.ts'
import { createSharedLimiter } from '../core/budget/shared-limiter.ts'
import type { Secrets, Settings } from '../core/config/index.ts'
import { messageOf } from '../core/errors.ts'
import { createRateLimiter, type RateLimiter } from '../core/rate-limit.ts'
import { claimsFolder, makePrivateFolder } from '../lake/owner-lock.ts'
import { processStart } from '../lake/process-identity.ts'
import { accountScope } from '../sources/polygon/socket/hosts.ts'

/** Whose budget it is. */
export interface BudgetAccount {
  readonly settings: Settings
  /** The key, of which only a hash is ever written, and where the Redis server is, if one shares the budget. */
  readonly secrets: Secrets
}

/** Who spends it, and on what. */
export interface BudgetCaller {
  /** For people, e.g. `backfill SPY`. */
  readonly label: string
  /** How urgent its calls are, unless a call says otherwise. */
  readonly priority: CallPriority
}

export interface OpenBudgetOptions extends BudgetAccount {
  readonly caller: BudgetCaller
  /** The budget cannot be shared: each process keeps the limit by itself. */
  readonly onProblem?: (text: string) => void
}

/** A request that is not over after its own deadline is taken to be over a little later. */
const LEASE_MARGIN_MS = 5_000

/**
 * The budget of the account that the key belongs to: one for all processes of this user on this machine, whatever
 * their data directory; with a Redis server one for all machines that use the same server. Where the shared place on
 * this machine cannot be used each process keeps the limit by itself, and `onProblem` is told.
 */
export async function openBudget(options: OpenBudgetOptions): Promise<RateLimiter> {
  const { caller, onProblem } = options
  const terms = termsOf(options.settings)
  let alone: RateLimiter | undefined
  const keepAlone = (error: unknown): void => {
    alone = createRateLimiter(terms)
    onProblem?.(`${messageOf(error)}; this process keeps the call limit by itself`)
  }
  const store = await openStore(options, caller.label, keepAlone)
  const shared = createSharedLimiter({ store, terms })
  return oneOf(shared, () => alone)
}

/** A limiter that is `shared` until there is one to go `alone` with. */
function oneOf(shared: RateLimiter, alone: () => RateLimiter | undefined): RateLimiter {
  const now = (): RateLimiter => alone() ?? shared
  return {
    get callsPerMinute() {
      return now().callsPerMinute
    },
    run: (call, signal, turn) => now().run(call, signal, turn),
    pauseFor: async (ms) => await now().pauseFor(ms),
    estimateMs: (calls) => now().estimateMs(calls),
    close: async () => void (await Promise.all([shared.close(), alone()?.close()])),
  }
}

/** The budget of an account as plain data: what is left of it and who used it. */
export interface BudgetView {
  /** Most calls in the window; 0 = no limit. */
  readonly limit: number
  /** Calls in the window: those under way and those whose answer came less than a window ago. */
  readonly used: number
  /** Calls that could start now; null = no limit. 0 during a pause. */
  readonly remaining: number | null
  /** Length of the window, seconds. */
  readonly window: number
  /** Seconds until a call can start; 0: now. */
  readonly nextInSeconds: number
  /** Set while everybody waits because the vendor said so (429). */
  readonly pause: { readonly seconds: number; readonly until: string } | null
  /** The budget of the UTC day; null = no limit. */
  readonly day: {
    readonly limit: number
    readonly used: number
    readonly remaining: number
    readonly renewsAt: string
  } | null
  /** Who shares it: the processes of this user on this machine, or all machines with the same Redis server. */
  readonly shared: 'machine' | 'redis'
  /** Processes with calls in the window or in line, who used most first. */
  readonly byProcess: readonly ProcessShare[]
}

/**
 * Reads the budget of an account; nothing is spent or changed.
 *
 * @throws {DiskError | NetworkError} when the shared place cannot be read
 */
export async function readBudget(account: BudgetAccount): Promise<BudgetView> {
  const { callsPerMinute: limit, windowMs, callsPerDay } = termsOf(account.settings)
  const store = await openStore(account, 'budget', () => undefined)
  try {
    const { freeInMs, pauseMs, usedToday, byProcess } = await store.read()
    const used = freeInMs.length
    const nowMs = Date.now()
    const leftToday = callsPerDay > 0 ? Math.max(0, callsPerDay - usedToday) : Infinity
    const free = Math.min(limit === 0 ? Infinity : Math.max(0, limit - used), leftToday)
    const remaining = free === Infinity ? null : pauseMs > 0 ? 0 : free
    const fullMs = limit > 0 && used >= limit ? freeInMs[used - limit]! : 0
    return {
      ...{ limit, used, remaining, window: windowMs / 1000 },
      nextInSeconds: seconds(Math.max(pauseMs, fullMs)),
      pause:
        pauseMs > 0 ? { seconds: seconds(pauseMs), until: new Date(nowMs + pauseMs).toISOString() } : null,
      day:
        callsPerDay > 0
          ? {
              ...{ limit: callsPerDay, used: usedToday, remaining: leftToday },
              renewsAt: new Date(dayEndMs(nowMs)).toISOString(),
            }
          : null,
      shared: account.secrets.budgetRedisUrl === undefined ? 'machine' : 'redis',
      byProcess,
    }
  } finally {
    await store.close()
  }
}

const seconds = (ms: number): number => Math.ceil(ms / 100) / 10

/** What may be spent as `settings` say at any moment: the limits change where the configuration is read again. */
function termsOf({ sources: { polygon } }: Settings): BudgetTerms {
  return {
    windowMs: polygon.budget.windowSeconds * 1000,
    leaseMs: polygon.timeouts.requestMs + LEASE_MARGIN_MS,
    get callsPerMinute() {
      return polygon.callsPerMinute
    },
    get callsPerDay() {
      return polygon.callsPerDay
    },
  }
}

async function openStore(
  account: BudgetAccount,
  label: string,
  onProblem: (error: unknown) => void,
): Promise<BudgetStore> {
  const terms = termsOf(account.settings)
  const name = nameOf(account)
  const { budgetRedisUrl: url } = account.secrets
  const client = await thisProcess(label)
  if (url !== undefined) return await openRedisStore({ url, account: name, terms, client, hasEnded })
  const folder = claimsFolder()
  const path = join(folder, `budget-${name}.sqlite`)
  const open = async (): Promise<BudgetStore> => {
    await makePrivateFolder(folder)
    return await openFileStore({ path, terms, client, hasEnded })
  }
  const store = lazyStore({ path, terms, open, onProblem })
  if (isLimited(terms)) await store.read().catch(() => undefined) // told, and told again by whoever needs it
  return store
}

/** Tells accounts apart without naming the key. */
function nameOf({ settings, secrets }: BudgetAccount): string {
  const scope = accountScope(settings.sources.polygon.restUrl)
  const parts = ['budget', scope, secrets.polygonApiKey ?? '']
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}

async function thisProcess(label: string): Promise<BudgetClient> {
  const { pid } = process
  return { pid, started: (await processStart(pid)) ?? '', host: hostname(), label }
}

async function hasEnded({ pid, started, host }: BudgetClient): Promise<boolean> {
  if (started === '' || host !== hostname()) return false
  return (await processStart(pid)) !== started
}
