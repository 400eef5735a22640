import { describe, expect, test } from 'vitest'
import { NetworkError, ServerError } from '../../src/core/errors.ts'
import { ErrorAggregator, type BurstEvent } from '../../src/monitor/error-aggregator.ts'
import { RunObserver } from '../../src/monitor/observer.ts'
import { PerformanceMonitor } from '../../src/monitor/performance.ts'
import { SuccessRates } from '../../src/monitor/success-rates.ts'

const THRESHOLDS = {
  operationSeconds: { request: 10, commit: 5 },
  ...{ hungSeconds: 60, noDataSeconds: 120, slowdownRatio: 0.5 },
}

describe('the performance monitor', () => {
  const kinds = (monitor: PerformanceMonitor, nowMs: number): string[] =>
    monitor.problems(nowMs).map(({ kind, label, text }) => `${kind} ${label}: ${text}`)

  test('tells an operation that takes longer than its threshold, for a while', () => {
    const monitor = new PerformanceMonitor(THRESHOLDS)
    monitor.begin('a', 'SPY', 'request', 0)
    monitor.end('a', 0, 12_000)
    monitor.note('QQQ', 'commit', 4000, 100, 12_000)
    expect(kinds(monitor, 13_000)).toEqual(['overrun SPY: request took 12 s, more than it should'])
    expect(kinds(monitor, 80_000)).toEqual([])
    expect(monitor.view()[0]).toMatchObject({ label: 'SPY', count: 1, overruns: 1, longestMs: 12_000 })
  })

  test('tells one that hangs, and silence while an answer is expected', () => {
    const monitor = new PerformanceMonitor(THRESHOLDS)
    monitor.begin('a', 'SPY', 'request', 0)
    monitor.expect('SPY', 0)
    expect(kinds(monitor, 59_000)).toEqual([])
    expect(kinds(monitor, 60_000)).toEqual(['stale SPY: request has been under way for 60 s'])
    monitor.end('a', 0, 100_000) // failed: an answer is still expected
    expect(kinds(monitor, 125_000)).toEqual([
      'no_data SPY: no data for 125 s',
      'overrun SPY: request took 100 s, more than it should',
    ])
    monitor.data('SPY', 130_000)
    expect(kinds(monitor, 10_000_000)).toEqual([]) // nothing is under way: silence is fine
  })

  test('tells a label that gets slow against its own past, not against others', () => {
    const monitor = new PerformanceMonitor(THRESHOLDS)
    for (let i = 0; i < 40; i++) monitor.note('SPY', 'commit', 100, 10_000, i)
    for (let i = 0; i < 40; i++) monitor.note('IWM', 'commit', 1000, 10_000, i)
    expect(kinds(monitor, 100)).toEqual([])
    for (let i = 0; i < 8; i++) monitor.note('SPY', 'commit', 500, 10_000, i)
    expect(kinds(monitor, 100)).toEqual(['degraded SPY: commit runs at 20 % of its speed before'])
    const [spy] = monitor.view()
    expect(spy).toMatchObject({ recentPerSecond: 20_000, trailingPerSecond: 100_000 })
  })

  test('remembers a bounded number of labels', () => {
    const monitor = new PerformanceMonitor(THRESHOLDS)
    for (let i = 0; i < 2000; i++) monitor.note(`T${i}`, 'commit', 1, 1, i)
    expect(monitor.view().length).toBeLessThanOrEqual(500)
    expect(monitor.view().at(-1)!.label).toBe('T1999')
  })
})

describe('the error aggregator', () => {
  function aggregator(events: string[] = []) {
    const tell = (what: string) => (event: BurstEvent) =>
      void events.push(`${what} ${event.category} ${event.errors} ${event.lastMessage}`)
    const limits = { burstErrors: 3, burstMs: 60_000, recoveryMs: 120_000 }
    return new ErrorAggregator({ ...limits, onBurst: tell('burst'), onRecovery: tell('recovery') })
  }

  test('counts by category in windows, and keeps the last error with what it was about', () => {
    const errors = aggregator()
    errors.note(new ServerError('first'), '/a', 0)
    errors.note(new ServerError('second'), '/b', 3_000_000)
    errors.note(new NetworkError('reset'), '/c', 3_590_000)
    expect(errors.view(3_600_000)).toEqual({
      network: {
        ...{ total: 1, lastMinute: 1, lastHour: 1, burst: false, bursts: 0 },
        last: { message: 'reset', context: '/c', atMs: 3_590_000 },
      },
      server: {
        ...{ total: 2, lastMinute: 0, lastHour: 1, burst: false, bursts: 0 },
        last: { message: 'second', context: '/b', atMs: 3_000_000 },
      },
    })
    expect(errors.view(30_000_000).server).toMatchObject({ total: 2, lastHour: 0 })
  })

  test('tells a burst once, and when it is over', () => {
    const events: string[] = []
    const errors = aggregator(events)
    for (let i = 0; i < 3; i++) errors.note(new ServerError(`slow ${i}`), '', i * 100_000)
    expect(events).toEqual([])
    for (let i = 0; i < 5; i++) errors.note(new ServerError(`no ${i}`), '', 400_000 + i * 1000)
    expect(events).toEqual(['burst server 3 no 2'])
    errors.look(500_000)
    expect(errors.view(500_000).server!.burst).toBe(true)
    errors.look(530_000)
    errors.look(600_000)
    expect(events).toEqual(['burst server 3 no 2', 'recovery server 5 no 4'])
    expect(errors.bursts).toBe(1)
    for (let i = 0; i < 3; i++) errors.note(new ServerError('again'), '', 700_000)
    expect(errors.bursts).toBe(2)
  })
})

describe('success rates', () => {
  test('are those of the newest attempts at each endpoint', () => {
    const rates = new SuccessRates()
    for (let i = 0; i < 300; i++) rates.note('trades', i >= 150)
    rates.note('quotes', true)
    expect(rates.view()).toEqual({
      trades: { attempts: 200, failed: 50, rate: 0.75 },
      quotes: { attempts: 1, failed: 0, rate: 1 },
    })
  })
})

describe('the observer of a run', () => {
  test('puts what happens into counters, rates, errors and problems, each failure once', () => {
    let nowMs = 0
    const observer = new RunObserver({
      ...{ performance: THRESHOLDS, run: 'run-1', tick: () => nowMs },
      errors: { burstErrors: 3, burstMs: 60_000, recoveryMs: 120_000 },
    })
    const broken = new ServerError('broken')
    observer.requested('/a', 1, 0)
    observer.failed(broken, '/a')
    observer.failed(broken, '/a')
    observer.attempted('aggregates', false)
    observer.requested('/a', 2, 0)
    observer.answered('/a', 100_000)
    observer.attempted('aggregates', true)
    observer.committed('SPY', 50, 20)
    observer.requested('/b', 1, 0)
    nowMs = 70_000
    observer.look()
    const { calls, retries, rows, bytesFetched, errors } = observer.counters
    expect({ calls, retries, rows, bytesFetched, server: errors.server }).toEqual({
      ...{ calls: 3, retries: 1, rows: 50, bytesFetched: 100_000, server: 1 },
    })
    expect(observer.view()).toMatchObject({
      errors: { server: { total: 1, last: { context: '/a' } } },
      performance: ['run-1: request has been under way for 70 s'],
      endpoints: { aggregates: { attempts: 2, rate: 0.5 } },
    })
  })
})
