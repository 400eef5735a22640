import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sleep } from '../../../src/core/abort.ts'
import type { BudgetStore, CallPriority } from '../../../src/core/budget/contract.ts'
import { openFileStore } from '../../../src/core/budget/file-store.ts'
import { createSharedLimiter } from '../../../src/core/budget/shared-limiter.ts'
import { BudgetSpentError, DiskError, InterruptedError } from '../../../src/core/errors.ts'
import type { LimiterWait } from '../../../src/core/rate-limit.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  clientOf,
  freshPath,
  machineTime,
  member,
  mostInAnyWindow,
  never,
  termsOf,
  WINDOW_MS,
} from './support.ts'

const nothing = async () => undefined

describe('a budget shared by several processes', () => {
  test('never lets more calls reach the vendor than the limit in any window, however long each is on its way', async () => {
    const call = fc.record({
      who: fc.nat({ max: 2 }),
      afterMs: fc.integer({ min: 0, max: 1500 }),
      lastsMs: fc.integer({ min: 0, max: 3000 }),
      /** When it arrives, as part of the time it lasts. */
      arrives: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 12 }), async (calls) => {
        const [clock, path] = [new VirtualClock(), freshPath()]
        const members = await Promise.all([1, 2, 3].map(() => member(path, clock)))
        const arrivalsMs: number[] = []
        const running: Promise<void>[] = []
        for (const { who, afterMs, lastsMs, arrives } of calls) {
          await clock.sleep(afterMs, never)
          const send = async () => {
            await clock.sleep(lastsMs * arrives, never)
            arrivalsMs.push(clock.now())
            await clock.sleep(lastsMs * (1 - arrives), never)
          }
          running.push(members[who]!.run(send, never))
        }
        await Promise.all(running)
        await Promise.all(members.map((one) => one.close()))
        expect(arrivalsMs).toHaveLength(calls.length)
        expect(mostInAnyWindow(arrivalsMs, WINDOW_MS)).toBeLessThanOrEqual(3)
      }),
      { numRuns: 8 },
    )
  })

  test('gives the next call to the most urgent one, and among equals to who asked first', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const given = { callsPerMinute: 1 }
    const [first, second] = [await member(path, clock, given), await member(path, clock, given)]
    await first.run(nothing, never)
    const order: string[] = []
    const ask = async (priority: CallPriority, name: string, by = first) => {
      const waits = new Promise<void>((resolve) => {
        running.push(by.run(async () => void order.push(name), never, { priority, onWait: () => resolve() }))
      })
      await waits
    }
    const running: Promise<void>[] = []
    await ask('history', 'history 1')
    await clock.sleep(10, never)
    await ask('history', 'history 2', second)
    await ask('today', 'today', second)
    await ask('discovery', 'discovery')
    await ask('repair', 'repair', second)
    await Promise.all(running)
    expect(order).toEqual(['repair', 'discovery', 'today', 'history 1', 'history 2'])
  })

  test('does not let the past wait for ever, however many urgent calls there are', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const limiter = await member(path, clock, { callsPerMinute: 1 })
    const stop = new AbortController()
    const urgent = [1, 2, 3].map(async () => {
      while (!stop.signal.aborted) await limiter.run(nothing, never, { priority: 'repair' })
    })
    await clock.sleep(WINDOW_MS, never)
    const fromMs = clock.now()
    const waitedMs = await limiter.run(async () => clock.now() - fromMs, never, { priority: 'history' })
    stop.abort()
    await Promise.all(urgent)
    expect(waitedMs).toBeLessThan(8 * WINDOW_MS)
  })

  test('pauses everybody when one was told to wait', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const [told, other] = [await member(path, clock), await member(path, clock)]
    const endMs = clock.now() + 30_000
    await told.pauseFor(30_000)
    await told.pauseFor(5_000) // a shorter one does not end the longer
    expect(other.estimateMs(1)).toBe(30_000)
    const waits: LimiterWait[] = []
    const turn = { onWait: (wait: LimiterWait) => void waits.push(wait) }
    expect(await other.run(async () => clock.now(), never, turn)).toBeGreaterThanOrEqual(endMs)
    expect(waits).toEqual([{ waitMs: 30_000, reason: 'pause' }])
  })

  test('ends a run that would have to wait for hours, and says until when', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const [told, other] = [await member(path, clock), await member(path, clock)]
    await told.pauseFor(3_600_000)
    await expect(other.run(nothing, never)).rejects.toThrow(BudgetSpentError)
    await expect(other.run(nothing, never)).rejects.toThrow(/wait until \d{4}-\d\d-\d\d \d\d:\d\d/)
  })

  test('ends when the calls of the day are used up, by whomever, and renews with the next UTC day', async () => {
    const [clock, path] = [new VirtualClock(Date.UTC(2025, 0, 3, 23, 59)), freshPath()]
    const given = { callsPerMinute: 0, callsPerDay: 3 }
    const [first, second] = [await member(path, clock, given), await member(path, clock, given)]
    for (const limiter of [first, second, first]) await limiter.run(nothing, never)
    const refused = await second.run(nothing, never).catch((error: unknown) => error)
    expect(refused).toMatchObject({ exitCode: 7 })
    expect(String(refused)).toContain('renews at 2025-01-04 00:00 UTC')
    await clock.sleep(60_000, never)
    expect(await second.run(async () => 'again', never)).toBe('again')
  })

  test('a call that is given up leaves the line at once', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const limiter = await member(path, clock, { callsPerMinute: 1 })
    await limiter.run(nothing, never)
    const [mind, patience] = [new AbortController(), new AbortController()]
    let started = 0
    const start = async () => void started++
    const aborted = limiter.run(start, mind.signal, { priority: 'repair' })
    const hurried = limiter.run(start, never, { patience: patience.signal, onWait: () => patience.abort() })
    const closed = limiter.run(start, never)
    mind.abort()
    await expect(aborted).rejects.toThrow(InterruptedError)
    await expect(hurried).rejects.toThrow(InterruptedError)
    await limiter.close()
    await expect(closed).rejects.toThrow('closed')
    expect(started).toBe(0)
  })

  test('gives a call back that was granted to a process that was stopped before it could send it', async () => {
    const terms = termsOf({ leaseMs: 60 })
    const given: string[] = []
    let asked = 0
    const stopped: BudgetStore = {
      ...{ leave: async () => undefined, pause: async () => undefined, pauseLeftMs: async () => 0 },
      ...{ load: () => ({ freeInMs: [], pauseMs: 0, waiting: 0 }), close: async () => undefined },
      read: () => Promise.reject(new Error('not asked for')),
      settle: async (slot) => void given.push(slot),
      note: async () => undefined,
      reserve: async () => {
        const slot = `slot ${++asked}`
        if (asked === 1) await sleep(80, never)
        return { kind: 'granted', slot }
      },
    }
    const limiter = createSharedLimiter({ store: stopped, terms })
    expect(await limiter.run(async () => [...given], never)).toEqual(['slot 1'])
    await limiter.close()
    expect(given).toEqual(['slot 1', 'slot 2'])
  })

  test('waits for a store that comes back, and ends when it does not', async () => {
    const terms = termsOf({ windowMs: 700 })
    let failures = 1
    const store = {
      ...{ leave: async () => undefined, pause: async () => undefined, pauseLeftMs: async () => 0 },
      ...{ load: () => ({ freeInMs: [], pauseMs: 0, waiting: 0 }), close: async () => undefined },
      read: () => Promise.reject(new Error('not asked for')),
      settle: async () => undefined,
      note: async () => undefined,
      reserve: async () => {
        if (failures-- > 0) throw new DiskError('no space left')
        return { kind: 'granted', slot: 'a' } as const
      },
    }
    const limiter = createSharedLimiter({ store, terms })
    expect(await limiter.run(async () => 'sent', never)).toBe('sent')
    failures = Infinity
    const error: unknown = await limiter.run(nothing, never).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'BUDGET_STORE',
      message: expect.stringContaining('no space left') as string,
    })
  })

  test('tells when calls could start, others in line taken into account', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const limiter = await member(path, clock, { callsPerMinute: 2 })
    expect(limiter.estimateMs(2)).toBe(0)
    expect(limiter.estimateMs(7)).toBe(3 * WINDOW_MS)
    const idle = await member(path, clock, { callsPerMinute: 2 })
    await limiter.run(nothing, never)
    expect(idle.estimateMs(1)).toBe(0)
    expect((await member(path, clock, { callsPerMinute: 2 })).estimateMs(2)).toBe(WINDOW_MS)
  })
})

describe('the file of a budget', () => {
  const opened = (path: string, clock: VirtualClock, boot?: string) =>
    openFileStore({
      ...{ path, terms: termsOf(), client: clientOf('test'), hasEnded: () => Promise.resolve(false) },
      clock: machineTime(clock, boot),
    })
  const turn = (id: string) => ({ id, priority: 'history' }) as const

  test.each([
    ['is garbage', (path: string) => writeFileSync(path, 'not a database, not at all'.repeat(400))],
    ['was cut off', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['belongs to something else', (path: string) => writeFileSync(path, Buffer.alloc(5000, 7))],
  ])('is made anew when it %s, and the window counts as spent', async (_, damage) => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const before = await opened(path, clock)
    await before.reserve(turn('a'))
    await before.close()
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
    damage(path)
    const after = await opened(path, clock)
    expect(await after.reserve(turn('b'))).toMatchObject({ kind: 'wait', waitMs: WINDOW_MS })
    await clock.sleep(WINDOW_MS + 1, never)
    expect(await after.reserve(turn('b'))).toMatchObject({ kind: 'granted' })
  })

  test('is missed by those who use it when somebody removes it, and the window counts as spent', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const [one, two] = [await opened(path, clock), await opened(path, clock)]
    const under = await one.reserve(turn('a'))
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    expect(await one.reserve(turn('b'))).toMatchObject({ kind: 'wait', waitMs: WINDOW_MS })
    expect(await two.reserve(turn('c'))).toMatchObject({ kind: 'wait' })
    await clock.sleep(WINDOW_MS + 1, never)
    if (under.kind === 'granted') await one.settle(under.slot) // it was on its way all the time, and still counts
    const granted = [await one.reserve(turn('b')), await two.reserve(turn('c'))]
    expect(granted.map(({ kind }) => kind)).toEqual(['granted', 'granted'])
    expect(await two.reserve(turn('d'))).toMatchObject({ kind: 'wait' })
  })

  test('that cannot be made is an error that names the way out', async () => {
    await expect(opened('/proc/nowhere/budget.sqlite', new VirtualClock())).rejects.toThrow(DiskError)
  })

  test('outlives a start of the machine: what was spent before counts as spent now', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const before = await opened(path, clock)
    for (const id of ['a', 'b', 'c']) await before.reserve(turn(id))
    await before.close()
    const restarted = new VirtualClock(1000) // the clock that nobody can set begins anew
    const after = await opened(path, restarted, 'boot-2')
    expect(await after.reserve(turn('d'))).toMatchObject({ kind: 'wait', waitMs: WINDOW_MS })
    await restarted.sleep(WINDOW_MS + 1, never)
    expect(await after.reserve(turn('d'))).toMatchObject({ kind: 'granted' })
  })

  test('does not care when the wall clock is set', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    let stepMs = 0
    const stepped = { ...machineTime(clock), wallMs: () => clock.now() + stepMs }
    const limiter = await member(path, clock, {}, { clock: stepped })
    const startsMs: number[] = []
    for (const ms of [0, 3_600_000, -3_600_000, 86_400_000, 0, -86_400_000, 5]) {
      stepMs = ms
      await limiter.run(async () => void startsMs.push(clock.now()), never)
    }
    expect(mostInAnyWindow(startsMs, WINDOW_MS)).toBeLessThanOrEqual(3)
    expect(startsMs.at(-1)! - startsMs[0]!).toBeLessThan(3 * WINDOW_MS)
  })

  test('ends the calls of a process that died in the middle of them, and keeps those of one that lives', async () => {
    const [clock, path] = [new VirtualClock(), freshPath()]
    const store = (label: string, dead: string) =>
      openFileStore({
        ...{ path, terms: termsOf({ callsPerMinute: 2 }), client: clientOf(label) },
        ...{ clock: machineTime(clock), hasEnded: (client) => Promise.resolve(client.label === dead) },
      })
    await (await store('killed', '')).reserve(turn('a'))
    await (await store('stopped', '')).reserve(turn('b'))
    const other = await store('other', 'killed')
    expect(await other.reserve(turn('c'))).toMatchObject({ kind: 'wait' })
    await clock.sleep(WINDOW_MS + 1, never)
    expect(await other.reserve(turn('c'))).toMatchObject({ kind: 'granted' })
    expect(await other.reserve(turn('d'))).toMatchObject({ kind: 'wait' })
    const { byProcess } = await other.read()
    expect(byProcess.map(({ label, calls, inFlight }) => [label, calls, inFlight])).toEqual([
      ['other', 1, 1],
      ['stopped', 1, 1],
    ])
  })
})
