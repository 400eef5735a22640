import { describe, expect, test } from 'vitest'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { isBetweenBusy } from '../../src/pipeline/busy-neighbours.ts'
import { calm, gapsIn, repairIn } from './gap-lake.ts'
import { record, sourceAt, vendor } from './record.ts'

const bars = datasetNamed('equity_bars_1m')
const SILENT = '2025-06-10'
const LOST = '2025-06-05'
const rows = (busy: number, but: Readonly<Record<string, number>> = {}) => {
  return (date: string) => (date === SILENT ? 0 : (but[date] ?? busy))
}

describe('a session without rows is doubted', () => {
  test('between two in which much traded', () => {
    expect(isBetweenBusy(bars, SILENT, rows(390))).toBe(true)
    expect(isBetweenBusy(datasetNamed('equity_trades'), SILENT, rows(2000))).toBe(true)
    expect(isBetweenBusy(bars, SILENT, rows(390, { '2025-06-09': 0, '2025-06-11': 0 }))).toBe(true)
  })

  test('not where little trades, before a listing, after a delisting, in a long suspension, nor of coarse data', () => {
    expect(isBetweenBusy(bars, SILENT, rows(60))).toBe(false)
    expect(isBetweenBusy(bars, SILENT, rows(390, { '2025-06-11': 7 }))).toBe(false)
    expect(isBetweenBusy(bars, SILENT, (date) => (date > SILENT ? 390 : 0))).toBe(false)
    expect(isBetweenBusy(bars, SILENT, (date) => (date < SILENT ? 390 : 0))).toBe(false)
    const long = calendarOf('XNYS').between('2025-06-11', '2025-06-20')
    const suspended = Object.fromEntries(long.map(({ date }) => [date, 0]))
    expect(isBetweenBusy(bars, SILENT, rows(390, suspended))).toBe(false)
    for (const name of ['equity_bars_1h', 'equity_bars_1d', 'splits', 'option_bars_1m']) {
      expect(isBetweenBusy(datasetNamed(name), SILENT, rows(5000))).toBe(false)
    }
    expect(isBetweenBusy(bars, '1990-01-02', rows(390))).toBe(false) // the calendar begins there
  })

  test('is missing, a gap that can be repaired, and once the vendor confirmed it is not asked for again', async () => {
    let isLost = true
    const server = await vendor({ bars: (date) => (isLost && date === LOST ? [] : calm(date)) })
    const source = sourceAt(server.url)
    const week = { from: '2025-06-02', to: '2025-06-10' }
    const { root, exitCode } = await record({ source, ...week })
    expect(exitCode).toBe(3)
    const [gap, ...others] = await gapsIn(root)
    expect([gap?.session, others.length]).toEqual([LOST, 0])
    const { gaps } = await repairIn(root, source)
    expect(gaps.gaps.filter(({ session }) => session === LOST)).toMatchObject([{ confirmed: true }])
    const calls = server.requests.length
    expect((await record({ root, source, ...week })).exitCode).toBe(0)
    expect(server.requests.length).toBe(calls)
    isLost = false
    expect((await record({ root, source, ...week, force: true })).exitCode).toBe(0)
    expect(await gapsIn(root)).toEqual([])
  })
})
