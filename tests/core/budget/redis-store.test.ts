import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { BudgetStore, BudgetTerms, CallPriority } from '../../../src/core/budget/contract.ts'
import { openRedisStore } from '../../../src/core/budget/redis-store.ts'
import { createSharedLimiter } from '../../../src/core/budget/shared-limiter.ts'
import { sleep } from '../../../src/core/abort.ts'
import { BudgetSpentError, BudgetStoreError } from '../../../src/core/errors.ts'
import { startSimulator } from '../../../src/simulator/index.ts'
import { killHard, startOther } from '../../support/holder.ts'
import { hasRedis, startRedis, type RedisServer } from '../../support/redis-server.ts'
import { clientOf, never, termsOf } from './support.ts'

const WINDOW_MS = 400
const nothing = async () => undefined

describe.skipIf(!hasRedis)('a budget in Redis', () => {
  let server: RedisServer
  let admin: Redis
  let account = ''
  const opened: BudgetStore[] = []

  beforeAll(async () => {
    server = await startRedis()
    admin = new Redis(server.url)
  })
  afterAll(async () => {
    admin.disconnect()
    await server.close()
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
  })

  async function machine(given: Partial<BudgetTerms> = {}, label = 'machine', url = server.url) {
    const terms = termsOf({ windowMs: WINDOW_MS, ...given })
    const hasEnded = () => Promise.resolve(label === 'coroner')
    const store = await openRedisStore({ url, account, terms, client: clientOf(label), hasEnded })
    opened.push(store)
    return { store, limiter: createSharedLimiter({ store, terms }) }
  }
  /** The first call of an account that the server does not know waits a window. */
  async function freshAccount(isKnown = true) {
    account = `account-${Math.random()}`
    if (isKnown) await admin.hset(`tapelake:{${account}}:state`, 'known', 1)
  }

  test('is kept while clients are killed and the server is flushed, as the vendor counts it', async () => {
    await freshAccount(false)
    const simulator = await startSimulator({ callsPerMinute: 6, rateWindowMs: WINDOW_MS })
    const ask = async () => {
      await fetch(`${simulator.url}/v1/marketstatus/now?apiKey=any`).then((answer) => answer.text())
    }
    const code = `
      const { openRedisStore } = await import('./src/core/budget/redis-store.ts')
      const { createSharedLimiter } = await import('./src/core/budget/shared-limiter.ts')
      const terms = ${JSON.stringify(termsOf({ windowMs: WINDOW_MS, callsPerMinute: 6, leaseMs: 1000 }))}
      const client = { pid: process.pid, started: '', host: 'elsewhere', label: 'victim' }
      const hasEnded = async () => false
      const store = await openRedisStore({ url: '${server.url}', account: '${account}', terms, client, hasEnded })
      const limiter = createSharedLimiter({ store, terms })
      const ask = () => fetch('${simulator.url}/v1/marketstatus/now?apiKey=any').then((answer) => answer.text())
      const signal = new AbortController().signal
      await limiter.run(ask, signal)
      console.log('ready')
      const loop = async () => { for (;;) await limiter.run(ask, signal) }
      await Promise.all([loop(), loop(), loop()])`
    const victims = await Promise.all([startOther(code), startOther(code)])
    const { limiter } = await machine({ callsPerMinute: 6, leaseMs: 1000 })
    const calls = async (count: number) => {
      for (let i = 0; i < count; i++) await limiter.run(ask, never, { priority: 'repair' })
    }
    await calls(4)
    await killHard(victims[0])
    await calls(4)
    await admin.flushall()
    await calls(4)
    await killHard(victims[1])
    await calls(8)
    const { worstMinuteCalls, refusedByRateLimit, calls: total } = simulator.stats()
    await simulator.close()
    expect({ refusedByRateLimit, isKept: worstMinuteCalls <= 6 }).toEqual({
      refusedByRateLimit: 0,
      isKept: true,
    })
    expect(total).toBeGreaterThanOrEqual(22)
  })

  test('is one for several machines: who used it, who waits, and the most urgent first', async () => {
    await freshAccount()
    const given = { callsPerMinute: 2, windowMs: 1500 }
    const [one, two] = [await machine(given, 'one'), await machine(given, 'two')]
    await one.limiter.run(nothing, never)
    await sleep(200, never)
    await two.limiter.run(nothing, never, { priority: 'today' })
    const order: string[] = []
    const running: Promise<void>[] = []
    const ask = async (priority: CallPriority, { limiter }: typeof one) => {
      await new Promise<void>((resolve) => {
        const turn = { priority, onWait: () => resolve() }
        running.push(limiter.run(async () => void order.push(priority), never, turn))
      })
    }
    await ask('history', one)
    await ask('repair', two)
    await ask('discovery', one)
    const { byProcess, freeInMs, waiting } = await one.store.read()
    expect(freeInMs).toHaveLength(2)
    expect(waiting).toBe(2)
    expect(
      byProcess.map(({ label, calls, waiting: line, priority }) => [label, calls, line, priority]),
    ).toEqual(
      expect.arrayContaining([
        ['one', 1, 2, 'discovery'],
        ['two', 1, 1, 'repair'],
      ]),
    )
    await Promise.all(running)
    expect(order[0]).toBe('repair')
    expect(order.at(-1)).toBe('history')
    two.store.load()
    await expect.poll(() => two.store.load().freeInMs.length).toBeGreaterThan(0)
  })

  test('pauses everybody, limit or none, and a call that is given up leaves the line', async () => {
    await freshAccount()
    const [told, free] = [await machine(), await machine({ callsPerMinute: 0 })]
    await told.limiter.run(nothing, never)
    await told.limiter.pauseFor(300)
    const startedMs = performance.now()
    const waits: string[] = []
    await free.limiter.run(nothing, never, { onWait: ({ reason }) => void waits.push(reason) })
    expect(waits).toEqual(['pause'])
    expect(performance.now() - startedMs).toBeGreaterThan(200)
    await told.limiter.pauseFor(60_000)
    const patience = new AbortController()
    const waiting = told.limiter.run(nothing, never, {
      ...{ patience: patience.signal, onWait: () => patience.abort() },
    })
    await expect(waiting).rejects.toThrow('interrupted')
    await expect.poll(async () => (await told.store.read()).waiting).toBe(0)
  })

  test('ends when the calls of the day are used up', async () => {
    await freshAccount()
    const { limiter, store } = await machine({ callsPerMinute: 0, callsPerDay: 1 })
    await limiter.run(nothing, never)
    await expect(limiter.run(nothing, never)).rejects.toThrow(BudgetSpentError)
    expect((await store.read()).usedToday).toBe(1)
  })

  test('gets the calls of a dead process of this machine back after a window', async () => {
    await freshAccount()
    const dead = await machine({ callsPerMinute: 1 }, 'dead')
    const granted = dead.limiter.run(() => sleep(60_000, AbortSignal.timeout(1500)), never)
    granted.catch(() => undefined)
    await expect.poll(async () => (await dead.store.read()).byProcess[0]?.inFlight).toBe(1)
    const { limiter } = await machine({ callsPerMinute: 1 }, 'coroner')
    const startedMs = performance.now()
    await limiter.run(nothing, never)
    expect(performance.now() - startedMs).toBeLessThan(2500)
    await granted.catch(() => undefined)
  })

  test('does not stall when the clock of the server is set back', async () => {
    await freshAccount()
    const { limiter } = await machine({ callsPerMinute: 1 })
    await limiter.run(nothing, never)
    const [key, hourMs] = [`tapelake:{${account}}`, 3_600_000]
    const last = Number(await admin.hget(`${key}:state`, 'last'))
    await admin.hset(`${key}:state`, 'last', last + hourMs)
    for (const id of await admin.zrange(`${key}:slots`, 0, -1))
      await admin.zincrby(`${key}:slots`, hourMs, id)
    const startedMs = performance.now()
    await limiter.run(nothing, never)
    const waitedMs = performance.now() - startedMs
    expect(waitedMs).toBeGreaterThan(WINDOW_MS / 2)
    expect(waitedMs).toBeLessThan(hourMs / 100)
  })

  test('that is out of reach ends the run after a window, without the password', async () => {
    await freshAccount()
    const gone = await startRedis()
    await gone.close()
    const { limiter } = await machine({}, 'lonely', gone.url)
    const error: unknown = await limiter.run(nothing, never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BudgetStoreError)
    expect(String(error)).toContain('does not answer')
    expect(JSON.stringify(error) + String(error)).not.toContain(gone.password)
  })
})
