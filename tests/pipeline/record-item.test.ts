import { describe, expect, test } from 'vitest'
import { LakeMismatchError, UsageError } from '../../src/core/errors.ts'
import { envelope, invalid, minuteBars, REFUSALS, type BarRequest } from '../support/bar-vendor.ts'
import { filesBelow, quarantineOf, record, sourceAt, vendor, type Recorded } from './record.ts'

const WEEK = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06']
const states = ({ cells }: Recorded) => WEEK.map((date) => cells[date])
const reasonOf = ({ sessions }: Recorded, date: string) => sessions.find((one) => one.date === date)?.reason
const minutes = ({ timespan }: BarRequest) => timespan === 'minute'

describe('an answer with rows', () => {
  test('completes every session with one call', async () => {
    const run = await record({ source: sourceAt((await vendor()).url) })
    expect(states(run)).toEqual(WEEK.map(() => 'complete'))
    expect(run).toMatchObject({ rows: 15, calls: 1, quarantined: 0, holes: [], exitCode: 0 })
  })

  test('asked a second time costs no call', async () => {
    const source = sourceAt((await vendor()).url)
    const { root } = await record({ source })
    expect(await record({ source, root })).toMatchObject({ rows: 0, calls: 0, exitCode: 0 })
  })

  test('keeps the good rows of a session and puts the bad ones into quarantine', async () => {
    const { url } = await vendor({
      bars: (date) =>
        date === WEEK[1] ? minuteBars(date).map((one, i) => (i ? one : invalid(one))) : minuteBars(date),
    })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(WEEK.map(() => 'complete'))
    expect(reasonOf(run, WEEK[1]!)).toMatch(/1 rows refused, in quarantine/)
    expect(run).toMatchObject({ rows: 14, quarantined: 1, exitCode: 0 })
    expect(quarantineOf(run.root, WEEK[1]!)).toHaveLength(1)
  })
})

describe('rows of a held session that come along and that the lake lacks', () => {
  /** Two sessions are asked for again; the one between them is held, and the vendor has one more row of it now. */
  async function recordLate(lateDays: number) {
    let isLater = false
    const { url } = await vendor({
      bars: (date) => {
        if (date === WEEK[1]) return minuteBars(date, undefined, isLater ? 4 : 3)
        return isLater || date > WEEK[2]! ? minuteBars(date) : minuteBars(date).map(invalid)
      },
    })
    const source = sourceAt(url)
    const { root } = await record({ source, lateDays })
    isLater = true
    const run = await record({ source, root, lateDays })
    const again = await record({ source, root, lateDays, force: true, from: WEEK[0]!, to: WEEK[0]! })
    expect(again.late).toEqual({ merged: 0, quarantined: 0 })
    return { run, root }
  }

  test('are merged within the window, which restates the session', async () => {
    const { run } = await recordLate(30)
    expect(run).toMatchObject({ late: { merged: 1, quarantined: 0 }, calls: 1, exitCode: 0 })
    expect(run.sessions.find(({ date }) => date === WEEK[1])).toMatchObject({ state: 'complete', rows: 4 })
    expect(reasonOf(run, WEEK[1]!)).toContain('1 late rows merged')
    expect(run.restated).toMatchObject([{ date: WEEK[1], rowsBefore: 3, rowsAfter: 4, added: 1, removed: 0 }])
  })

  test('go to quarantine beyond it, with the reason, and the session stays as it was', async () => {
    const { run, root } = await recordLate(2)
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 1 }, restated: [] })
    expect(run.sessions.find(({ date }) => date === WEEK[1])).toMatchObject({ state: 'complete', rows: 3 })
    expect(quarantineOf(root, WEEK[1]!)).toMatchObject([
      {
        rule: 'late',
        reason: expect.stringMatching(/^arrived 7\.\d days after the session, 2 are allowed/) as string,
      },
    ])
  })
})

describe('a session whose rows are all invalid', () => {
  test('is quarantined, with rule, reason, values and the request that brought them', async () => {
    const { url } = await vendor({
      bars: (date) => (date === WEEK[2] ? minuteBars(date).map(invalid) : minuteBars(date)),
    })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(['complete', 'complete', 'quarantined', 'complete', 'complete'])
    expect(run).toMatchObject({ quarantined: 3, exitCode: 3 })
    expect(quarantineOf(run.root, WEEK[2]!)[0]).toMatchObject({
      rule: 'high_below_low',
      reason: expect.stringMatching(/1.*2|2.*1/) as string,
      row: { ticker: 'SPY', high: 1, low: 2, volume: 100.5 },
      source: 'polygon',
      request: expect.stringMatching(
        /^\/v2\/aggs\/ticker\/SPY\/range\/1\/minute\/2025-06-02\/2025-06-06/,
      ) as string,
      requestId: 'vendor-request-1',
      run: 'test-run',
    })
  })

  test('is asked for again, and the quarantine is cleared when good rows come', async () => {
    let mended = false
    const { url } = await vendor({ bars: (date) => minuteBars(date).map(mended ? (one) => one : invalid) })
    const { root } = await record({ source: sourceAt(url) })
    mended = true
    const run = await record({ source: sourceAt(url), root })
    expect(states(run)).toEqual(WEEK.map(() => 'complete'))
    expect(filesBelow(root).filter((path) => path.startsWith('quarantine'))).toEqual([])
  })

  test('rows of another ticker are never taken for the one asked for', async () => {
    const { url } = await vendor({ instead: ({ from }) => ({ body: envelope('QQQ', minuteBars(from)) }) })
    const run = await record({ source: sourceAt(url), from: WEEK[0]!, to: WEEK[0]! })
    expect(run.cells).toEqual({ [WEEK[0]!]: 'quarantined' })
    expect(quarantineOf(run.root, WEEK[0]!)[0]).toMatchObject({
      rule: 'wrong_ticker',
      row: { ticker: 'QQQ' },
    })
  })

  test('rows of days that nobody asked for are refused, and the session keeps its own', async () => {
    const { url } = await vendor({
      bars: (date) => [...minuteBars('2025-05-30'), ...minuteBars(date)],
    })
    const run = await record({ source: sourceAt(url), from: WEEK[0]!, to: WEEK[0]! })
    expect(run).toMatchObject({ cells: { [WEEK[0]!]: 'complete' }, rows: 3, quarantined: 3 })
    expect(quarantineOf(run.root, WEEK[0]!)[0]).toMatchObject({ rule: 'outside_request' })
  })
})

describe('a range that the plan does not cover', () => {
  /** The plan's history begins on `start`: ranges before it are refused, ranges across it cut silently. */
  const planFrom = (start: string) => ({
    instead: ({ to }: BarRequest) => (to < start ? REFUSALS.timeframe : undefined),
    bars: (date: string) => (date < start ? [] : minuteBars(date)),
  })

  test('is not_entitled in the words of the vendor, and ends with 4', async () => {
    const { url } = await vendor(planFrom('2025-07-01'))
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(WEEK.map(() => 'not_entitled'))
    expect(reasonOf(run, WEEK[0]!)).toMatch(/Your plan doesn't include this data timeframe/)
    expect(run).toMatchObject({ calls: 1, exitCode: 4 })
  })

  test('is asked about once, however many years it has', async () => {
    const { url } = await vendor(planFrom('2025-05-01'))
    const run = await record({ source: sourceAt(url), from: '2020-01-02' })
    expect(run.calls).toBeLessThanOrEqual(5)
    expect(run.exitCode).toBe(3)
    for (const { date, state } of run.sessions) {
      expect([date, state]).toEqual([date, date < '2025-05-01' ? 'not_entitled' : 'complete'])
    }
  })

  test('is noticed where the vendor only leaves out the beginning', async () => {
    const { url } = await vendor(planFrom(WEEK[2]!))
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(['not_entitled', 'not_entitled', 'complete', 'complete', 'complete'])
    expect(run.exitCode).toBe(3)
  })

  test('is noticed where not a single row comes, although the request is not refused', async () => {
    const { url } = await vendor({
      bars: () => [],
      instead: ({ from, to }) => (from === to ? REFUSALS.timeframe : undefined),
    })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(WEEK.map(() => 'not_entitled'))
    expect(run.exitCode).toBe(4)
  })

  test('is not asked for again until forced', async () => {
    const { url } = await vendor(planFrom(WEEK[2]!))
    const { root } = await record({ source: sourceAt(url) })
    const upgraded = await vendor()
    expect(await record({ source: sourceAt(upgraded.url), root })).toMatchObject({ calls: 0, exitCode: 3 })
    const forced = await record({ source: sourceAt(upgraded.url), root, force: true })
    expect(states(forced)).toEqual(WEEK.map(() => 'complete'))
  })
})

describe('a vendor that leaves sessions out', () => {
  /** Leaves `dates` out of requests for several sessions, or for good. */
  const without = (dates: readonly string[], always: boolean) => (date: string, request: BarRequest) =>
    dates.includes(date) && (always || request.index === 0) ? [] : minuteBars(date)

  test('at the beginning: they are asked for alone, and come', async () => {
    const { url } = await vendor({ bars: without([WEEK[0]!, WEEK[1]!], false), hasDailyBar: () => true })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(WEEK.map(() => 'complete'))
    expect(run).toMatchObject({ rows: 15, exitCode: 0 })
  })

  test('at the end: they are asked for once more, and come', async () => {
    const { url } = await vendor({ bars: without([WEEK[4]!], false), hasDailyBar: () => true })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(WEEK.map(() => 'complete'))
    expect(run.rows).toBe(15)
  })

  test('for good, although it has a daily bar of them: they are missing, and asked for by the next run', async () => {
    const server = await vendor({ bars: without([WEEK[2]!], true), hasDailyBar: () => true })
    const run = await record({ source: sourceAt(server.url) })
    expect(states(run)).toEqual(['complete', 'complete', 'missing', 'complete', 'complete'])
    expect(reasonOf(run, WEEK[2]!)).toMatch(/daily bar/)
    expect(run.exitCode).toBe(3)
    expect(await record({ source: sourceAt((await vendor()).url), root: run.root })).toMatchObject({
      exitCode: 0,
      rows: 3,
    })
  })

  test('and has no daily bar of them either: nothing traded, they are empty', async () => {
    const { url } = await vendor({ bars: without([WEEK[2]!], true) })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(['complete', 'complete', 'empty', 'complete', 'complete'])
    expect(run.exitCode).toBe(0)
  })

  test('and cannot say whether they traded: they are missing, never empty', async () => {
    const { url } = await vendor({
      bars: without([WEEK[2]!], true),
      instead: ({ timespan }) => (timespan === 'day' ? { status: 500, body: {} } : undefined),
    })
    const run = await record({ source: sourceAt(url) })
    expect(run.cells[WEEK[2]!]).toBe('missing')
    expect(reasonOf(run, WEEK[2]!)).toMatch(/no daily bars to explain it: .*500/)
  })

  test('asking again counts no row twice and quarantines none twice', async () => {
    const lost = [WEEK[1]!, WEEK[3]!]
    const { url } = await vendor({
      bars: (date, request) => {
        const rows = without(lost, false)(date, request)
        return date === WEEK[2] ? rows.map((one, i) => (i ? one : invalid(one))) : rows
      },
      hasDailyBar: () => true,
    })
    const run = await record({ source: sourceAt(url) })
    expect(states(run)).toEqual(WEEK.map(() => 'complete'))
    expect(run).toMatchObject({ rows: 14, quarantined: 1, duplicates: 0 })
    expect(quarantineOf(run.root, WEEK[2]!)).toHaveLength(1)
  })

  test('ticks that are missing on a day that traded are missing too', async () => {
    const { url } = await vendor() // has no trades at all, but daily bars
    const run = await record({
      source: sourceAt(url),
      dataset: 'equity_trades',
      from: WEEK[0]!,
      to: WEEK[0]!,
    })
    expect(run.cells).toEqual({ [WEEK[0]!]: 'missing' })
  })

  test('a session without a split is no hole', async () => {
    const run = await record({ source: sourceAt((await vendor()).url), dataset: 'splits' })
    expect(states(run)).toEqual(WEEK.map(() => 'empty'))
    expect(run).toMatchObject({ calls: 2, exitCode: 0 }) // the list, and whether the ticker is known
  })
})

describe("today's session", () => {
  const today = '2025-06-10'
  const range = { from: '2025-06-06', to: today }

  test('that the plan serves only later is pending, and the rest is recorded', async () => {
    const { url } = await vendor({ instead: ({ to }) => (to >= today ? REFUSALS.endOfDay : undefined) })
    const run = await record({ source: sourceAt(url), ...range })
    expect(run.cells).toEqual({ '2025-06-06': 'complete', '2025-06-09': 'complete', [today]: 'pending' })
    expect(run.exitCode).toBe(0)
    const tomorrow = await record({ source: sourceAt((await vendor()).url), root: run.root, ...range })
    expect(tomorrow.cells[today]).toBe('complete')
  })

  test('a vendor that says so of every session is not believed twice', async () => {
    const server = await vendor({ instead: () => REFUSALS.endOfDay })
    const run = await record({ source: sourceAt(server.url), from: '2025-05-01', to: today })
    expect(run.cells[today]).toBe('pending')
    expect(run.cells['2025-05-01']).toBe('not_entitled')
    expect(server.requests).toHaveLength(2)
  })

  test('that the vendor leaves out for now is pending, never empty, until the next session has ended', async () => {
    const { url } = await vendor({ bars: (date) => (date === today ? [] : minuteBars(date)) })
    const run = await record({ source: sourceAt(url), ...range })
    expect(run.cells).toEqual({ '2025-06-06': 'complete', '2025-06-09': 'complete', [today]: 'pending' })
    expect(run.exitCode).toBe(0)
    const tomorrow = Date.parse('2025-06-12T02:00:00Z')
    const next = await record({ source: sourceAt(url), root: run.root, ...range, nowMs: tomorrow })
    expect(next.cells[today]).toBe('empty')
  })

  test('of a ticker that never traded is pending too, on any dataset with a time', async () => {
    const { url } = await vendor({ bars: () => [] })
    for (const dataset of ['equity_trades', 'equity_bars_1d']) {
      const run = await record({ source: sourceAt(url), from: today, to: today, dataset })
      expect([dataset, run.cells[today]]).toEqual([dataset, 'pending'])
    }
  })

  test('that has not ended is pending and not asked for', async () => {
    const server = await vendor()
    const run = await record({
      source: sourceAt(server.url),
      ...range,
      nowMs: Date.parse('2025-06-10T18:00:00Z'),
    })
    expect(run.cells[today]).toBe('pending')
    expect(server.requests.every(({ url }) => !url.includes(today))).toBe(true)
    expect(run.outcome.ledger.cells[today]).toMatchObject({ state: 'pending' })
  })
})

describe('a ticker of which nothing comes', () => {
  test('and that the vendor does not know is refused, and leaves nothing behind', async () => {
    const { url } = await vendor({ bars: () => [] })
    const run = await record({ source: sourceAt(url), ticker: 'NOPE' })
    expect(run.outcome.fatal).toBeInstanceOf(UsageError)
    expect(run.outcome.fatal?.message).toMatch(/unknown ticker 'NOPE'/)
    expect(filesBelow(run.root)).toEqual([])
  })

  test('is not unknown when it was listed later', async () => {
    const { url } = await vendor({
      bars: () => [],
      knows: (_, date) => date !== undefined && date >= '2025-06-09',
    })
    const run = await record({ source: sourceAt(url), ticker: 'NEWC' })
    expect(run.outcome.fatal).toBeUndefined()
    expect(states(run)).toEqual(WEEK.map(() => 'empty'))
  })

  test('gets the benefit of the doubt when the vendor cannot tell', async () => {
    const { url } = await vendor({ bars: () => [], knows: () => undefined })
    const run = await record({ source: sourceAt(url), ticker: 'NOPE' })
    expect(run.outcome.fatal).toBeUndefined()
    expect(states(run)).toEqual(WEEK.map(() => 'empty'))
  })

  test('is still unknown after a first attempt that failed', async () => {
    const down = await vendor({ instead: () => ({ status: 503, body: {} }) })
    const { root } = await record({ source: sourceAt(down.url), ticker: 'NOPE' })
    const { url } = await vendor({ bars: () => [] })
    expect((await record({ source: sourceAt(url), ticker: 'NOPE', root })).outcome.fatal?.message).toMatch(
      /unknown ticker/,
    )
  })
})

describe('what one source says never enters a lake of the other kind', () => {
  const simulated = {
    instead: ({ ticker }: BarRequest) => ({
      headers: { 'x-tapelake-simulator': 'seed=1' },
      body: envelope(ticker, []),
    }),
  }

  test('not even that there is nothing', async () => {
    const { root } = await record({ source: sourceAt((await vendor()).url) })
    const run = await record({ source: sourceAt((await vendor(simulated)).url), root, ticker: 'THNY' })
    expect(run.outcome.fatal).toBeInstanceOf(LakeMismatchError)
    expect(filesBelow(root).filter((path) => path.includes('THNY'))).toEqual([])
  })

  test('not even a refusal', async () => {
    const { root } = await record({ source: sourceAt((await vendor()).url) })
    const refusing = {
      instead: () => ({ ...REFUSALS.timeframe, headers: { 'x-tapelake-simulator': 'seed=1' } }),
    }
    const run = await record({ source: sourceAt((await vendor(refusing)).url), root, ticker: 'THNY' })
    expect(run.outcome.fatal).toBeInstanceOf(LakeMismatchError)
    expect(filesBelow(root).filter((path) => path.includes('THNY'))).toEqual([])
  })

  test('rows neither', async () => {
    const { root } = await record({ source: sourceAt((await vendor()).url) })
    const { url } = await vendor({
      instead: (request) =>
        minutes(request)
          ? { headers: { 'x-tapelake-simulator': 'seed=1' }, body: envelope('SPY', minuteBars('2025-05-30')) }
          : undefined,
    })
    const run = await record({ source: sourceAt(url), root, from: '2025-05-30', to: '2025-05-30' })
    expect(run.outcome.fatal).toBeInstanceOf(LakeMismatchError)
    expect(run.outcome.ledger.cells['2025-05-30']).toBeUndefined()
  })
})
