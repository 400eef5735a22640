import { readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Batches } from '../../src/core/flow.ts'
import { openLake } from '../../src/lake/index.ts'
import { equityTrades } from '../../src/market/datasets/equity-ticks.ts'
import type { HistoryRequest, HistorySource } from '../../src/sources/history.ts'
import { invalid, minuteBars, type WireBar } from '../support/bar-vendor.ts'
import { batchFor, BARS, TRADES, tradeRows, withWriter } from '../support/lake.ts'
import type { Row } from '../lake/engines/samples.ts'
import { filesBelow, NOW_MS, quarantineOf, record, sourceAt, vendor, type Recorded } from './record.ts'

const DAY = 86_400_000
const WEEK = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06'] as const
const [MONDAY, TUESDAY, , , FRIDAY] = WEEK
const ALL_WEEK: ReadonlySet<string> = new Set(WEEK)

/** A vendor of one week whose word the test changes, recorded once; `again` asks for all of it as a re-check does. */
async function recordedWeek(first: (date: string) => readonly WireBar[] = (date) => minuteBars(date)) {
  let now = first
  const { url } = await vendor({ bars: (date) => now(date) })
  const source = sourceAt(url)
  const { root } = await record({ source })
  const again = async (bars: typeof first, more: Partial<Parameters<typeof record>[0]> = {}) => {
    now = bars
    return await record({ source, root, only: ALL_WEEK, lateDays: 5, ...more })
  }
  return { root, again }
}

/** Of all sessions the usual bars, but for those that are given. */
const barsBut =
  (others: Readonly<Record<string, readonly WireBar[]>>) =>
  (date: string): readonly WireBar[] =>
    others[date] ?? minuteBars(date)

const sessionOf = ({ sessions }: Recorded, date: string) => sessions.find((one) => one.date === date)
const files = (root: string) => filesBelow(root).filter((path) => path.startsWith('quarantine'))
const cellOf = async (root: string, date: string) => {
  const lake = await openLake(root)
  try {
    return (await lake.view(BARS)).ledger.cells[date]
  } finally {
    await lake.close()
  }
}

describe('rows that a re-check brings of a session that was complete, and that the lake lacks', () => {
  const more = barsBut({
    [MONDAY]: minuteBars(MONDAY, undefined, 5),
    [FRIDAY]: minuteBars(FRIDAY, undefined, 4),
  })

  test('are merged within the window, and go to quarantine beyond it; both are counted', async () => {
    const { root, again } = await recordedWeek()
    const run = await again(more) // Friday's session ended 4 days ago, Monday's 8
    expect(run).toMatchObject({ late: { merged: 1, quarantined: 2 }, quarantined: 0, exitCode: 0 })
    expect(run.restated).toMatchObject([{ date: FRIDAY, added: 1, removed: 0, changed: 0 }])
    expect(sessionOf(run, FRIDAY)).toMatchObject({ state: 'complete', rows: 4 })
    expect(sessionOf(run, MONDAY)).toMatchObject({ state: 'complete', rows: 3 })
    expect(quarantineOf(root, MONDAY)).toMatchObject([
      {
        rule: 'late',
        reason: expect.stringMatching(/^arrived 8\.\d days after the session, 5 are/) as string,
      },
      { rule: 'late', request: expect.stringContaining('/2025-06-02/2025-06-06') as string },
    ])
    expect(await cellOf(root, MONDAY)).toMatchObject({ quarantined: 2, reason: 'recorded from polygon' })
  })

  test('are not told of a second time, and change no file then', async () => {
    const { root, again } = await recordedWeek()
    await again(more)
    const [held, before] = [await cellOf(root, MONDAY), quarantineOf(root, MONDAY)]
    const second = await again(more, { nowMs: NOW_MS + DAY / 2 })
    expect(second).toMatchObject({ late: { merged: 0, quarantined: 0 }, restated: [] })
    expect(await cellOf(root, MONDAY)).toEqual(held)
    expect(quarantineOf(root, MONDAY)).toEqual(before)
  })

  test('stay in quarantine when the vendor has them no more, and leave it when somebody says --force', async () => {
    const { root, again } = await recordedWeek()
    await again(more)
    const without = await again((date) => minuteBars(date), { force: true })
    expect(without.late.quarantined).toBe(0)
    expect(quarantineOf(root, MONDAY)).toHaveLength(2)
    expect(await cellOf(root, MONDAY)).toMatchObject({ rows: 3, quarantined: 2 })

    const forced = await again(more, { force: true })
    expect(forced.late).toEqual({ merged: 3, quarantined: 0 })
    expect(sessionOf(forced, MONDAY)).toMatchObject({ rows: 5 })
    expect(files(root)).toEqual([])
  })

  test('leave quarantine by themselves once the window is longer', async () => {
    const { root, again } = await recordedWeek()
    await again(more)
    expect(await again(more, { lateDays: 30 })).toMatchObject({ late: { merged: 2, quarantined: 0 } })
    expect(files(root)).toEqual([])
  })

  test('do not keep what else changed from being a restatement', async () => {
    const { root, again } = await recordedWeek()
    const changed = minuteBars(TUESDAY, undefined, 4).map((one, i) => (i === 1 ? { ...one, v: 777 } : one))
    const run = await again(barsBut({ [TUESDAY]: changed }))
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 1 } })
    expect(run.restated).toMatchObject([{ date: TUESDAY, rowsAfter: 3, added: 0, removed: 0, changed: 1 }])
    expect(filesBelow(root).some((path) => path.startsWith('history') && path.endsWith('.diff.jsonl'))).toBe(
      true,
    )
  })

  test('leave what is held alone where nothing else came', async () => {
    const { again } = await recordedWeek()
    const run = await again(barsBut({ [MONDAY]: minuteBars(MONDAY, undefined, 6).slice(4) }))
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 2 }, restated: [] })
    expect(sessionOf(run, MONDAY)).toMatchObject({ state: 'complete', rows: 3 })
  })

  test('are told apart from rows that break a rule', async () => {
    const { root, again } = await recordedWeek()
    const rows = minuteBars(MONDAY, undefined, 5).map((one, i) => (i === 4 ? invalid(one) : one))
    const run = await again(barsBut({ [MONDAY]: rows }))
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 1 }, quarantined: 1 })
    expect(quarantineOf(root, MONDAY).map(({ rule }) => rule)).toEqual(['high_below_low', 'late'])
  })

  test('show that the vendor has more now than it confirmed to have', async () => {
    const { root, again } = await recordedWeek()
    await withWriter(root, BARS, (writer) => writer.confirm(new Map(WEEK.map((date) => [date, '3-389']))))
    await again(more)
    expect(await cellOf(root, MONDAY)).not.toHaveProperty('confirmed')
    expect(await cellOf(root, TUESDAY)).toMatchObject({ confirmed: '3-389' })
  })

  test('mend a session whose rows are damaged on the disk', async () => {
    const { root, again } = await recordedWeek()
    const folder = join(root, 'lake/equity_bars_1m/ticker=SPY')
    const [name] = readdirSync(folder, { recursive: true }).filter((path) =>
      String(path).endsWith('.parquet'),
    )
    truncateSync(join(folder, String(name)), 500)
    const run = await again(more)
    expect(run.late.quarantined).toBe(0)
    expect(sessionOf(run, MONDAY)).toMatchObject({ state: 'complete', rows: 5 })
  })
})

describe('rows that a re-check brings of a session that was empty', () => {
  const empty = barsBut({ [MONDAY]: [] })

  test('go to quarantine beyond the window, and it stays empty', async () => {
    const { root, again } = await recordedWeek(empty)
    const run = await again((date) => minuteBars(date))
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 3 }, exitCode: 0 })
    expect(sessionOf(run, MONDAY)).toMatchObject({ state: 'empty', rows: 0 })
    expect(quarantineOf(root, MONDAY)).toHaveLength(3)
    expect((await again((date) => minuteBars(date))).late).toEqual({ merged: 0, quarantined: 0 })
  })

  test('are merged and counted within it, and it is complete', async () => {
    const { again } = await recordedWeek(empty)
    const run = await again((date) => minuteBars(date), { lateDays: 30 })
    expect(run).toMatchObject({ late: { merged: 3, quarantined: 0 } })
    expect(sessionOf(run, MONDAY)).toMatchObject({ state: 'complete', rows: 3 })
  })
})

test('rows of a session that was never complete are not late', async () => {
  const { root, again } = await recordedWeek((date) =>
    date === MONDAY ? minuteBars(date).map(invalid) : minuteBars(date),
  )
  const run = await again((date) => minuteBars(date, undefined, date === MONDAY ? 5 : 3))
  expect(run).toMatchObject({ late: { merged: 0, quarantined: 0 } })
  expect(sessionOf(run, MONDAY)).toMatchObject({ state: 'complete', rows: 5 })
  expect(files(root)).toEqual([])
})

describe('ticks, which stream into their file', () => {
  const DATE = '2025-01-03'
  const SESSION = { dataset: equityTrades.name, ticker: 'SPY', from: DATE, to: DATE }

  /** Answers with `rows` in batches of `size`, in the order given. */
  class TickSource implements HistorySource {
    readonly name = 'ticks'
    readonly provenance = 'synthetic'
    calls = 0
    readonly #rows: readonly Row[]
    readonly #size: number

    constructor(rows: readonly Row[], size: number) {
      this.#rows = rows
      this.#size = size
    }

    limits() {
      return { pageRows: 50_000, baseSeconds: undefined, anyRange: false }
    }

    async *read({ dataset }: HistoryRequest): Batches {
      this.calls++
      if (dataset !== equityTrades) return
      for (let at = 0; at < this.#rows.length; at += this.#size)
        yield await Promise.resolve(batchFor(TRADES, this.#rows.slice(at, at + this.#size)))
    }

    knowsTicker = () => Promise.resolve(true)
    close = () => Promise.resolve()
  }

  const all = tradeRows(DATE, 1, 40)
  const isHeld = (i: number): boolean => i % 7 !== 3
  const held = all.filter((_, i) => isHeld(i))
  const recheck = async (root: string, rows: readonly Row[], size: number, more = {}) =>
    await record({
      ...{ ...SESSION, source: new TickSource(rows, size), root, lateDays: 5, only: new Set([DATE]) },
      ...more,
    })
  const recorded = async () => (await record({ ...SESSION, source: new TickSource(held, 9) })).root
  const trades = (root: string) => filesBelow(root).filter((path) => path.startsWith('lake/'))

  test.each([1, 3, 40])('those that the lake lacks are kept out, in batches of %i', async (size) => {
    const root = await recorded()
    const run = await recheck(root, all, size)
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 6 }, restated: [], exitCode: 0 })
    expect(run.sessions).toMatchObject([{ state: 'complete', rows: 34 }])
    expect(quarantineOf(root, DATE, 'equity_trades').map(({ row }) => (row as Row)['id'])).toEqual(
      all.filter((_, i) => !isHeld(i)).map(({ id }) => id),
    )
    expect(trades(root)).toHaveLength(1)
    expect((await recheck(root, all, size)).late).toEqual({ merged: 0, quarantined: 0 })
  })

  test('also where an answer goes back in time', async () => {
    const root = await recorded()
    const pages = [...all.slice(20), ...all.slice(0, 20)]
    expect(await recheck(root, pages, 10)).toMatchObject({ late: { quarantined: 6 }, restated: [] })
  })

  test('rows of the history are those that came live, whose time is known to the millisecond only', async () => {
    const live = held.map((row) => {
      const ms = BigInt(Math.floor(Number(row['timestamp']) / 1000))
      return { ...row, timestamp: Number(ms) * 1000, sip_timestamp_ns: ms * 1_000_000n }
    })
    const { root } = await record({ ...SESSION, source: new TickSource(live, 9) })
    const run = await recheck(root, all, 9)
    expect(run).toMatchObject({ late: { merged: 0, quarantined: 6 } })
    expect(run.sessions).toMatchObject([{ state: 'complete', rows: 34 }])
  })

  test('--force takes them', async () => {
    const root = await recorded()
    await recheck(root, all, 9)
    const run = await recheck(root, all, 9, { force: true })
    expect(run).toMatchObject({ late: { merged: 6, quarantined: 0 } })
    expect(run.sessions).toMatchObject([{ rows: 40 }])
    expect(files(root)).toEqual([])
  })
})
