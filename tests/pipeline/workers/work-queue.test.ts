import { describe, expect, test } from 'vitest'
import { emptyLedger } from '../../../src/lake/ledger.ts'
import { equityBars1m } from '../../../src/market/datasets/equity-bars.ts'
import { planSeries, type SeriesPlan } from '../../../src/pipeline/plan.ts'
import { WorkQueue, type Priority, type WorkUnit } from '../../../src/pipeline/workers/work-queue.ts'
import { polygonLimits } from '../../../src/sources/polygon/limits.ts'

const NOW_MS = Date.parse('2025-06-11T02:00:00Z')

/** A year of minute bars: five requests. */
function planOf(ticker: string, range = { from: '2024-06-11', to: '2025-06-10' }): SeriesPlan {
  const series = { dataset: equityBars1m, ticker }
  const limits = polygonLimits(equityBars1m)
  return planSeries({ series, range, ledger: emptyLedger(series), limits, nowMs: NOW_MS, force: false })
}

const queueOf = (tickers: readonly string[], priority: Priority = 'newest', together = 2): WorkQueue =>
  new WorkQueue(
    tickers.map((ticker) => planOf(ticker)),
    { priority, together, tries: 3 },
  )

/** Takes and finishes units one after the other until there are none. */
function drain(queue: WorkQueue): WorkUnit[] {
  const units: WorkUnit[] = []
  for (let unit; (unit = queue.next());) {
    units.push(unit)
    queue.done(unit)
  }
  return units
}

const named = (units: readonly WorkUnit[]) => units.map(({ series, range }) => `${series.ticker} ${range.to}`)

describe('the queue of a run', () => {
  test('gives the newest sessions of every ticker before older ones of any, then goes back in time', () => {
    const units = drain(queueOf(['B', 'A', 'C']))
    expect(named(units.slice(0, 3))).toEqual(['B 2025-06-10', 'A 2025-06-10', 'C 2025-06-10'])
    const dates = units.map(({ range }) => range.to)
    expect(dates).toEqual([...dates].sort().reverse())
  })

  test('covers every session of the plan once, in stretches that begin and end where its requests do', () => {
    const plan = planOf('A')
    const units = drain(queueOf(['A']))
    expect(units.flatMap(({ sessions }) => sessions).sort()).toEqual(plan.sessions)
    expect(
      units.map(({ range }) => range.from).every((from) => plan.items.some((item) => item.from === from)),
    ).toBe(true)
    expect(units.map(({ sessions }) => sessions.length)).toEqual([
      plan.items[0]!.sessions.length,
      ...[1, 3].map((at) => plan.items[at]!.sessions.length + plan.items[at + 1]!.sessions.length),
    ])
  })

  test.each<[Priority, string[]]>([
    ['oldest', ['A 2024-08', 'B 2024-08', 'C 2024-08']],
    ['ticker', ['A 2025-06', 'A 2025-03', 'A 2025-01']],
    [['C'], ['C 2025-06', 'C 2025-03', 'C 2025-01']],
  ])('goes by another order where it is told: %s', (priority, expected) => {
    const units = drain(queueOf(['A', 'B', 'C'], priority, 1))
    expect(named(units.slice(0, 3)).map((text) => text.slice(0, -3))).toEqual(expected)
    expect(units).toHaveLength(15)
  })

  test('never has one ticker in two hands, and lets whoever is free take any other', () => {
    const queue = queueOf(['A', 'B'])
    const [first, second] = [queue.next()!, queue.next()!]
    expect([first.series.ticker, second.series.ticker]).toEqual(['A', 'B'])
    expect([queue.next(), queue.width, queue.isDone]).toEqual([undefined, 2, false])
    queue.done(first)
    expect(queue.next()?.series.ticker).toBe('A')
  })

  test('gives a unit that ended its worker out again at once, and sets it aside after the last try', () => {
    const queue = queueOf(['A', 'B'])
    const unit = queue.next()!
    expect(queue.failed(unit, 'first')).toBe(false)
    expect(queue.next()).toBe(unit)
    expect(queue.failed(unit, 'second')).toBe(false)
    expect(queue.next()).toBe(unit)
    expect(queue.failed(unit, 'third')).toBe(true)
    expect(queue.setAside).toEqual([{ unit, tries: 3, reason: 'third' }])
    expect(drain(queue).map(({ series }) => series.ticker)).toContain('A') // the rest of it is tried
    expect([queue.isDone, queue.isComplete]).toEqual([true, true])
  })

  test('gives up a ticker of which two stretches ended their workers', () => {
    const queue = queueOf(['A'])
    for (let tries = 0; tries < 6; tries++) queue.failed(queue.next()!, 'signal SIGKILL')
    expect([queue.next(), queue.setAside.length, queue.width]).toEqual([undefined, 2, 0])
    expect(queue.droppedReason(0)).toMatch(/^set aside: two stretches/)
  })

  test('still has work for a worker when all that is left is to be tried again', () => {
    const queue = new WorkQueue([planOf('A', { from: '2025-06-09', to: '2025-06-10' })], {
      ...{ priority: 'newest', together: 2, tries: 3 },
    })
    queue.failed(queue.next()!, 'signal SIGKILL')
    expect([queue.width, queue.isDone]).toEqual([1, false])
  })

  test('asks no more of a ticker that was dropped, and nothing once it is closed', () => {
    const queue = queueOf(['A', 'B'])
    const unit = queue.next()!
    expect(queue.hasMore(unit)).toBe(true)
    queue.drop(unit, 'unknown')
    queue.done(unit)
    expect([queue.hasMore(unit), queue.droppedReason(0)]).toEqual([false, 'unknown'])
    const other = queue.next()!
    expect(other.series.ticker).toBe('B')
    queue.close()
    queue.giveBack(other)
    expect([queue.next(), queue.isDone, queue.isComplete]).toEqual([undefined, true, false])
  })

  test('has a unit for a session that is not over yet, so that the ledger can name it', () => {
    const plan = planOf('A', { from: '2025-06-11', to: '2025-06-11' })
    expect(plan.pending).toEqual(['2025-06-11'])
    const units = drain(new WorkQueue([plan], { priority: 'newest', together: 1, tries: 3 }))
    expect(units).toMatchObject([{ range: { from: '2025-06-11', to: '2025-06-11' }, sessions: [] }])
  })
})
