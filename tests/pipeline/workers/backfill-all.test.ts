import { describe, expect, test } from 'vitest'
import { RateLimitError } from '../../../src/core/errors.ts'
import { dataPaths } from '../../../src/lake/layout.ts'
import { takeLock } from '../../../src/lake/lock.ts'
import { exitCodeOf, summarize } from '../../../src/pipeline/summary.ts'
import { backfillAll, type BackfillAllOutcome } from '../../../src/pipeline/workers/backfill-all.ts'
import {
  relayEvents,
  replayEvent,
  WorkerError,
  type FromWorker,
} from '../../../src/pipeline/workers/messages.ts'
import { testRoot } from '../../support/lake.ts'
import { never, optionsOf, Pipe, plansOf, workerHere } from './here.ts'

/** Two requests of minute bars each. */
const FROM = '2025-03-24'
const RECENT = '2025-06-05'

const statesOf = ({ outcomes, calls }: BackfillAllOutcome) => summarize(outcomes, calls).states

/** A worker of which `script` says what it does. */
function scripted(script: (pipe: Pipe) => void): () => Pipe {
  return () => {
    const pipe = new Pipe()
    script(pipe)
    return pipe
  }
}

describe('a run with workers', () => {
  test('records what the plans say, in as many calls as they say, and tells every watcher', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY', 'QQQ', 'AAPL'], FROM)
    const told = { items: 0, rows: 0, series: [] as number[], calls: 0, settled: 0, requests: 0 }
    const outcome = await backfillAll({
      ...optionsOf(root, plans),
      hooks: {
        onItem: (_at, _item, rows) => void (told.items++, (told.rows += rows)),
        onCall: () => void told.calls++,
        onSeries: (at) => void told.series.push(at),
      },
      sourceEvents: { onCall: () => void told.requests++ },
      backfillHooks: { onSettled: (_series, states) => void (told.settled += states.size) },
    })
    expect(plans.map(({ calls }) => calls)).toEqual([2, 2, 2])
    expect([outcome.calls, outcome.callsBySeries]).toEqual([6, [2, 2, 2]])
    const sessions = plans[0]!.sessions.length
    expect(statesOf(outcome)).toEqual({ complete: 3 * sessions })
    expect(told).toMatchObject({ items: 6, calls: 6, requests: 6, settled: 3 * sessions })
    expect(told.rows).toBe(outcome.outcomes.reduce((sum, { rows }) => sum + rows, 0))
    expect(told.series.sort()).toEqual([0, 1, 2])
    const again = await backfillAll(optionsOf(root, await plansOf(root, ['SPY', 'QQQ', 'AAPL'], FROM)))
    expect([again.calls, statesOf(again)]).toEqual([0, statesOf(outcome)])
  })

  test('replaces workers that end, and sets aside and names what ended three of them', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY', 'BAD', 'QQQ'], RECENT)
    const workers = new Map<number, Pipe>()
    const crashes: string[] = []
    const outcome = await backfillAll({
      ...optionsOf(root, plans),
      start: () => {
        const worker = workerHere(root)
        workers.set(worker.pid, worker)
        return worker
      },
      hooks: {
        onUnit: (pid, { series }) => void (series.ticker === 'BAD' && workers.get(pid)!.kill()),
        onCrash: ({ how, unit }) => void crashes.push(`${unit?.series.ticker} ${how}`),
      },
    })
    expect(crashes).toEqual(Array(3).fill('BAD signal SIGKILL'))
    expect(outcome.crashes).toBe(3)
    expect(outcome.setAside).toMatchObject([
      { unit: { series: { ticker: 'BAD' } }, tries: 3, reason: 'its worker ended by signal SIGKILL' },
    ])
    const summary = summarize(outcome.outcomes, outcome.calls)
    expect(summary.states['complete']).toBe(2 * plans[0]!.sessions.length)
    expect(exitCodeOf(summary)).toBe(3)
    if (summary.states['missing']) {
      expect(summary.holes).toMatchObject([
        { ticker: 'BAD', reason: 'set aside after 3 tries: its worker ended by signal SIGKILL' },
      ])
    }
  })

  test('kills a worker that gives no sign of life', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY'], RECENT)
    const hung: number[] = []
    let first = true
    const outcome = await backfillAll({
      ...optionsOf(root, plans),
      settings: { ...optionsOf(root, plans).settings, hungSeconds: 0.6 },
      start: () => {
        if (!first) return workerHere(root)
        first = false
        return scripted((pipe) => pipe.port.send({ kind: 'ready' }))()
      },
      hooks: { onHung: (pid) => void hung.push(pid) },
    })
    expect(hung).toHaveLength(1)
    expect(statesOf(outcome)).toEqual({ complete: plans[0]!.sessions.length })
  })

  test('ends with an error when workers do not even start', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY'], RECENT)
    const ends = await backfillAll({
      ...optionsOf(root, plans),
      start: scripted((pipe) => pipe.end('exit code 1')),
    })
    expect(ends.problem?.message).toMatch(/workers do not start.*exit code 1/)
    expect(statesOf(ends)).toEqual({ missing: plans[0]!.sessions.length })
    const throws = await backfillAll({
      ...optionsOf(root, plans),
      start: () => {
        throw new Error('no more processes')
      },
    })
    expect(throws.problem?.message).toBe('a worker cannot be started: no more processes')
    const error = {
      code: 'AUTHENTICATION',
      category: 'authentication',
      exitCode: 4,
      message: 'no key',
    } as const
    const failed = await backfillAll({
      ...optionsOf(root, plans),
      start: scripted((pipe) => {
        pipe.port.send({ kind: 'failed', error })
        setTimeout(() => pipe.end('exit code 4'), 5)
      }),
    })
    expect(failed.problem).toMatchObject({ message: 'no key', exitCode: 4 })
  })

  test('goes on with the others when one ticker is being written by somebody else', async () => {
    const root = testRoot()
    const name = 'equity_bars_1m/SPY'
    const lock = await takeLock({ folder: dataPaths(root).locks, name, purpose: 'test', waitMs: 0 }, never())
    const plans = await plansOf(root, ['SPY', 'QQQ'], RECENT)
    const outcome = await backfillAll(optionsOf(root, plans))
    await lock.release()
    expect(outcome.problem).toMatchObject({ category: 'lock', exitCode: 6 })
    const [spy, qqq] = outcome.outcomes.map((one) => statesOf({ ...outcome, outcomes: [one] }))
    expect([spy, qqq]).toEqual([{ missing: 4 }, { complete: 4 }])
  })

  test('tries again what failed inside the program, and ends at what no worker can help', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY'], RECENT)
    const refusing = (error: object) =>
      scripted((pipe) => {
        pipe.port.onMessage((message) => {
          if (message?.kind === 'unit')
            pipe.port.send({ kind: 'refused', id: message.id, error } as FromWorker)
          else pipe.end('exit code 0')
        })
        pipe.port.send({ kind: 'ready' })
      })
    const fault = { code: 'PIPELINE', category: 'internal', exitCode: 1, message: 'a fault' }
    const aside = await backfillAll({ ...optionsOf(root, plans), start: refusing(fault) })
    expect([aside.setAside.map(({ reason }) => reason), aside.crashes]).toEqual([['a fault'], 0])
    const full = { code: 'DISK', category: 'disk', exitCode: 1, message: 'full', hint: 'Free some.' }
    const ended = await backfillAll({ ...optionsOf(root, plans), start: refusing(full) })
    expect(ended.problem).toMatchObject({ message: 'full', hint: 'Free some.', category: 'disk' })
    expect(ended.setAside).toEqual([])
  })

  test('finishes what is in hand when it is told to stop, and goes on from there', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY', 'QQQ'], FROM)
    const graceful = new AbortController()
    const outcome = await backfillAll({
      ...{ ...optionsOf(root, plans), count: 1, graceful: graceful.signal },
      hooks: { onItem: () => graceful.abort() },
    })
    expect(outcome.outcomes.map(({ stopped }) => stopped)).toEqual(['interrupted', 'interrupted'])
    expect(statesOf(outcome)['complete']).toBeGreaterThan(0)
    const rest = await plansOf(root, ['SPY', 'QQQ'], FROM)
    const after = await backfillAll(optionsOf(root, rest))
    expect(statesOf(after)).toEqual({ complete: 2 * plans[0]!.sessions.length })
    expect(outcome.calls + after.calls).toBe(plans[0]!.calls * 2)
  })

  test('has others take over when somebody ends one worker', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY', 'QQQ', 'AAPL'], RECENT)
    const own = new AbortController()
    let started = 0
    const outcome = await backfillAll({
      ...optionsOf(root, plans),
      start: () => workerHere(root, { graceful: ++started === 1 ? own.signal : never(), immediate: never() }),
      hooks: { onUnit: () => own.abort() },
    })
    expect([started, outcome.crashes]).toEqual([2, 0])
    expect(statesOf(outcome)).toEqual({ complete: 12 })
    const ended = new AbortController()
    ended.abort()
    const none = await backfillAll({
      ...optionsOf(testRoot(), plans),
      ...{ count: 1, start: () => workerHere(root, { graceful: ended.signal, immediate: never() }) },
    })
    expect(statesOf(none)).toEqual({ missing: 12 })
  })

  test('kills workers that do not stop in time', async () => {
    const root = testRoot()
    const plans = await plansOf(root, ['SPY'], RECENT)
    const graceful = new AbortController()
    const outcome = await backfillAll({
      ...{ ...optionsOf(root, plans), graceful: graceful.signal },
      settings: { ...optionsOf(root, plans).settings, stopSeconds: 0.05 },
      start: scripted((pipe) => pipe.port.send({ kind: 'ready' })),
      hooks: { onUnit: () => graceful.abort() },
    })
    expect(statesOf(outcome)).toEqual({ missing: 4 })
  })
})

/** What comes out of a pipe. */
const piped = (message: FromWorker) =>
  JSON.parse(JSON.stringify(message)) as Extract<FromWorker, { kind: 'event' }>

describe('what happens in a worker', () => {
  test('reaches the watchers of its run with the category of every error', () => {
    const seen: unknown[] = []
    const watcher = { onFailure: (event: { readonly error: unknown }) => void seen.push(event.error) }
    const relay = relayEvents((message) => replayEvent(watcher, piped(message), 1))
    relay.onFailure?.({ path: '/v2', error: new RateLimitError('slow down', { status: 429 }), attempt: 1 })
    relay.onCall?.({ path: '/v2', attempt: 1, waitedMs: 0 })
    expect(seen).toHaveLength(1)
    expect(seen[0]).toBeInstanceOf(WorkerError)
    expect(seen[0]).toMatchObject({ category: 'rate_limit', code: 'RATE_LIMIT', message: 'slow down' })
  })
})
