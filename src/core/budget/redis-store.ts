import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { NetworkError } from '../errors.ts'
import {
  CALL_PRIORITIES,
  handicapMs,
  type BudgetClient,
  type BudgetLoad,
  type BudgetState,
  type BudgetStore,
  type BudgetTerms,
  type CallPriority,
  type ProcessShare,
  type Reply,
  type Turn,
} from './contract.ts'
import { BUDGET_SCRIPT } from './redis-script.ts'

export interface RedisStoreOptions {
  /** `redis://:password@host:6379/0`, or `rediss://` for TLS. Never shown. */
  readonly url: string
  /** Tells the budgets of accounts apart; a hash. */
  readonly account: string
  readonly terms: BudgetTerms
  readonly client: BudgetClient
  /** Whether a process has ended; false where that cannot be told, as for those of other machines. */
  readonly hasEnded: (client: BudgetClient) => Promise<boolean>
}

/** An answer that is not there by then will not come. */
const COMMAND_MS = 5000
/** So much later than promised a waiting call may come and still find its place in the line. */
const GRACE_MS = 1500
/** How often processes that hold a call are looked at. */
const LOOK_MS = 1000
/** How long what is known of the load serves. */
const LOAD_KEPT_MS = 2000
const EMPTY: BudgetLoad = { freeInMs: [], pauseMs: 0, waiting: 0 }

/**
 * The budget of an account, shared by machines through a Redis server: the same log of calls as in a file, kept by
 * one script, so that nothing is ever half done. A server that was flushed or began anew counts the window as spent.
 *
 * Limits: the server's clock is believed, except when it is set back; a process of another machine that dies in the
 * middle of a call holds it until its lease ends.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<BudgetStore> {
  const { Redis: Client } = await import('ioredis')
  const redis = new Client(options.url, {
    ...{ lazyConnect: true, connectTimeout: COMMAND_MS, commandTimeout: COMMAND_MS },
    ...{ maxRetriesPerRequest: 1, enableAutoPipelining: false },
    retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
  })
  redis.on('error', () => undefined) // each command that fails says so
  redis.defineCommand('tapelakeBudget', { numberOfKeys: 1, lua: BUDGET_SCRIPT })
  return new RedisStore(redis as ScriptedRedis, options)
}

type ScriptedRedis = Redis & {
  tapelakeBudget(key: string, operation: string, args: string): Promise<string>
}

const replySchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('granted') }),
  z.object({ kind: z.literal('spent'), renewsInMs: z.number() }),
  z.object({
    ...{ kind: z.literal('wait'), askAgainMs: z.number(), waitMs: z.number() },
    reason: z.enum(['budget', 'pause']),
  }),
])
const pauseSchema = z.object({ pauseMs: z.number() })
/** Lua writes an empty list like an empty object. */
const list = <T extends z.ZodType>(item: T) => z.union([z.array(item), z.object({}).transform(() => [])])
const stateSchema = z.object({
  used: list(z.object({ owner: z.string(), flying: z.boolean() })),
  freeInMs: list(z.number()),
  waiting: list(z.string()),
  ...{ pauseMs: z.number(), usedToday: z.number() },
})
const ownerSchema = z.object({ client: z.string(), priority: z.enum(CALL_PRIORITIES) })

class RedisStore implements BudgetStore {
  readonly #redis: ScriptedRedis
  readonly #options: RedisStoreOptions
  /** The client as it is written. */
  readonly #me: string
  #lookedMs = -Infinity
  #known: { load: BudgetLoad; atMs: number } = { load: EMPTY, atMs: -Infinity }

  constructor(redis: ScriptedRedis, options: RedisStoreOptions) {
    this.#redis = redis
    this.#options = options
    this.#me = JSON.stringify(options.client)
  }

  async reserve(turn: Turn): Promise<Reply> {
    const reply = await this.#reserve(turn)
    return reply.kind === 'wait' && (await this.#endTheDead()) ? await this.#reserve(turn) : reply
  }

  async #reserve({ id, priority }: Turn): Promise<Reply> {
    const { terms } = this.#options
    const place = { id, priority, client: this.#me, graceMs: GRACE_MS }
    const reply = await this.#call(replySchema, 'reserve', {
      ...{ ...place, ...terms },
      handicapMs: handicapMs(priority, terms.windowMs),
    })
    if (reply.kind === 'granted') return { kind: 'granted', slot: id }
    return reply.kind === 'spent' ? { kind: 'spent', renewsAtMs: Date.now() + reply.renewsInMs } : reply
  }

  async settle(slot: string): Promise<void> {
    await this.#call(pauseSchema, 'settle', { slot, client: this.#me })
  }

  async note(priority: CallPriority): Promise<void> {
    await this.#call(pauseSchema, 'note', { id: randomUUID(), priority, client: this.#me })
  }

  async leave({ id }: Turn): Promise<void> {
    await this.#call(pauseSchema, 'leave', { id })
  }

  async pause(ms: number): Promise<void> {
    await this.#call(pauseSchema, 'pause', { ms: Math.ceil(ms) })
  }

  async pauseLeftMs(): Promise<number> {
    return (await this.#call(pauseSchema, 'look', {})).pauseMs
  }

  /** What was known a moment ago; news are fetched for the next time. */
  load(): BudgetLoad {
    const nowMs = performance.now()
    if (nowMs - this.#known.atMs > LOAD_KEPT_MS) {
      this.#known.atMs = nowMs
      this.read().catch(() => undefined)
    }
    return this.#known.load
  }

  async read(): Promise<BudgetState> {
    const { used, freeInMs, waiting, pauseMs, usedToday } = await this.#call(stateSchema, 'read', {})
    const owners = used.filter(({ owner }) => owner !== '')
    const shares = new Map<string, MutableShare>()
    for (const { owner, flying } of owners)
      count(shares, owner, { calls: 1, inFlight: flying ? 1 : 0, waiting: 0 })
    for (const asker of waiting) count(shares, asker, { calls: 0, inFlight: 0, waiting: 1 })
    const byProcess = [...shares.values()].sort((a, b) => b.calls - a.calls)
    const inLine = byProcess.filter((share) => share.waiting > 0).length
    const load = { freeInMs, pauseMs, waiting: inLine }
    this.#known = { load, atMs: performance.now() }
    return { ...load, usedToday, byProcess }
  }

  close(): Promise<void> {
    this.#redis.disconnect()
    return Promise.resolve()
  }

  /** Ends the calls of processes of this machine that ended before they could; true where there were any. */
  async #endTheDead(): Promise<boolean> {
    const nowMs = performance.now()
    if (nowMs - this.#lookedMs < LOOK_MS) return false
    this.#lookedMs = nowMs
    const { byProcess } = await this.read()
    let any = false
    for (const { pid, started, host, label, inFlight } of byProcess) {
      const client = { pid, started, host, label }
      if (inFlight === 0 || !(await this.#options.hasEnded(client))) continue
      await this.#call(pauseSchema, 'end', { client: JSON.stringify(client) })
      any = true
    }
    return any
  }

  async #call<T>(schema: z.ZodType<T>, operation: string, args: object): Promise<T> {
    const { account, terms } = this.#options
    try {
      const text = await this.#redis.tapelakeBudget(
        `tapelake:{${account}}`,
        operation,
        JSON.stringify({ windowMs: terms.windowMs, ...args }),
      )
      return schema.parse(JSON.parse(text))
    } catch (error) {
      throw unreachable(error)
    }
  }
}

type MutableShare = { -readonly [K in keyof ProcessShare]: ProcessShare[K] }

function count(
  shares: Map<string, MutableShare>,
  owner: string,
  { calls, inFlight, waiting }: Pick<ProcessShare, 'calls' | 'inFlight' | 'waiting'>,
): void {
  const { client, priority } = ownerSchema.parse(JSON.parse(owner))
  const known = shares.get(client)
  const share = known ?? {
    ...(JSON.parse(client) as BudgetClient),
    calls: 0,
    inFlight: 0,
    waiting: 0,
    priority,
  }
  share.calls += calls
  share.inFlight += inFlight
  share.waiting += waiting
  share.priority = moreUrgent(share.priority, priority)
  shares.set(client, share)
}

const moreUrgent = (one: CallPriority, other: CallPriority): CallPriority =>
  CALL_PRIORITIES.indexOf(one) <= CALL_PRIORITIES.indexOf(other) ? one : other

/** Never holds the address, which may hold a password. */
function unreachable(error: unknown): NetworkError {
  const { code, name } = error as { code?: string; name?: string }
  return new NetworkError(
    `the Redis server of the call budget does not answer (${code ?? name ?? 'no reason'})`,
    {
      hint: 'Check TAPELAKE__SOURCES__POLYGON__BUDGET__REDIS_URL (or sources.polygon.budget.redisUrlFile) and the server.',
    },
  )
}
