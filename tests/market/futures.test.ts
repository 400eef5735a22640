import { describe, expect, test } from 'vitest'
import { calendarOf } from '../../src/market/calendar/index.ts'
import {
  activeContract,
  formatFuturesSymbol,
  futuresEndMs,
  futuresExpiry,
  futuresRollDate,
  futuresRoot,
  nextContract,
  parseFuturesSymbol,
  rollFaults,
  sessionBreaks,
} from '../../src/market/futures.ts'

const contract = (symbol: string, near = '2025-01-02') => parseFuturesSymbol(symbol, near)

describe('futures symbols', () => {
  test.each([
    ['ESH5', '2025-01-02', 2025, 3],
    ['ESZ4', '2025-01-02', 2024, 12],
    ['ESH4', '2025-01-02', 2024, 3],
    ['ESM3', '2025-01-02', 2033, 6],
    ['ESU0', '2029-11-30', 2030, 9],
    ['MNQM25', '2030-01-02', 2025, 6],
    ['M2KZ2019', '2025-01-02', 2019, 12],
  ])('%s near %s is of year %i and month %i', (symbol, near, year, month) => {
    expect(contract(symbol, near)).toMatchObject({ year, month })
    expect(formatFuturesSymbol(contract(symbol, near))).toBe(symbol.replace(/\d*(\d)$/, '$1'))
  })

  test('that cannot be are refused with what was expected', () => {
    expect(() => contract('ES')).toThrow(/'ES' is not a futures symbol/)
    expect(() => contract('ESF5')).toThrow(/no contract of month F/)
    expect(() => contract('XYZH5')).toThrow(/unknown futures root 'XYZ'/)
    expect(futuresRoot('NQ')).toMatchObject({ calendar: 'XCME', multiplier: 20, tick: 0.25 })
  })
})

describe('the life of a contract', () => {
  test.each([
    ['ESZ4', '2024-12-20', '2024-12-16'],
    ['ESH5', '2025-03-21', '2025-03-17'],
    ['ESM5', '2025-06-20', '2025-06-16'],
    ['NQU5', '2025-09-19', '2025-09-15'],
    ['ESM26', '2026-06-18', '2026-06-15'], // the third Friday is Juneteenth
    ['ESH2008', '2008-03-20', undefined], // the third Friday is Good Friday
  ])('%s ends on %s and is rolled on %s', (symbol, expiry, roll) => {
    expect(futuresExpiry(contract(symbol))).toBe(expiry)
    if (roll !== undefined) expect(futuresRollDate(contract(symbol))).toBe(roll)
  })

  test('ends when the stock market opens, in the time of Chicago and of daylight saving', () => {
    expect(new Date(futuresEndMs(contract('ESH5'))).toISOString()).toBe('2025-03-21T13:30:00.000Z')
    expect(new Date(futuresEndMs(contract('ESZ5'))).toISOString()).toBe('2025-12-19T14:30:00.000Z')
  })

  test('is followed by that of the next quarter, over the turn of the year too', () => {
    expect(formatFuturesSymbol(nextContract(contract('ESH5')))).toBe('ESM5')
    expect(nextContract(contract('ESZ5'))).toEqual({ root: 'ES', year: 2026, month: 3 })
  })
})

describe('a continuous series', () => {
  test('has one contract a session, each from the roll date of the one before', () => {
    for (const [date, symbol] of [
      ['2025-01-02', 'ESH5'],
      ['2025-03-14', 'ESH5'],
      ['2025-03-17', 'ESM5'],
      ['2025-12-12', 'ESZ5'],
      ['2025-12-15', 'ESH6'],
      ['2025-12-31', 'ESH6'],
    ] as const) {
      expect(formatFuturesSymbol(activeContract('ES', date)), date).toBe(symbol)
    }
  })

  test('never goes back and never has a contract that has ended, in 15 years of sessions', () => {
    const sessions = calendarOf('XCME').between('2011-01-03', '2026-12-31')
    const days = sessions.map(({ date }) => ({ date, contract: activeContract('ES', date) }))
    expect(rollFaults('ES', days)).toEqual([])
    const order = days.map(({ contract: { year, month } }) => year * 12 + month)
    expect(
      order.every((place, i) => i === 0 || place - order[i - 1]! === 0 || place - order[i - 1]! === 3),
    ).toBe(true)
    expect(days.every(({ date, contract: one }) => futuresExpiry(one) > date)).toBe(true)
  })

  test('that was rolled early, late or not at all is told of', () => {
    const faults = rollFaults('ES', [
      { date: '2025-03-13', contract: contract('ESM5') },
      { date: '2025-03-17', contract: contract('ESH5') },
      { date: '2025-03-24', contract: contract('ESH5') },
      { date: '2025-03-25', contract: contract('ESM5') },
    ])
    expect(faults.map(({ date, fault }) => [date, fault])).toEqual([
      ['2025-03-13', 'early'],
      ['2025-03-17', 'late'],
      ['2025-03-24', 'expired'],
    ])
  })
})

describe('breaks in a session', () => {
  test('were a quarter of an hour in the afternoon until June 2021, and not on short days', () => {
    expect(sessionBreaks('ES', '2021-06-25').map(({ fromMs }) => new Date(fromMs).toISOString())).toEqual([
      '2021-06-25T20:15:00.000Z',
    ])
    expect(sessionBreaks('ES', '2021-06-28')).toEqual([])
    expect(sessionBreaks('ES', '2020-11-27')).toEqual([])
    expect(sessionBreaks('ES', '2021-06-26')).toEqual([])
  })

  test('between two sessions belong to none: the hour from 16:00 in Chicago', () => {
    const calendar = calendarOf(futuresRoot('ES').calendar)
    expect(calendar.at(Date.parse('2025-06-03T21:30:00Z'))).toBeUndefined()
    expect(calendar.at(Date.parse('2025-06-03T22:00:00Z'))?.date).toBe('2025-06-04')
  })
})
