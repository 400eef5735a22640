import { DateTime } from 'luxon'
import { describe, expect, test } from 'vitest'
import { calendarOf } from '../../src/market/calendar/index.ts'
import type { TradingSession } from '../../src/market/calendar/index.ts'

const clock = (zone: string) => (ms: number) =>
  DateTime.fromMillis(ms, { zone }).toFormat('EEE HH:mm', { locale: 'en' })
const ny = clock('America/New_York')
const chicago = clock('America/Chicago')

describe('index options at Cboe', () => {
  const cboe = calendarOf('XCBO')
  const hours = ({ extendedOpenMs, openMs, closeMs, extendedCloseMs }: TradingSession): string =>
    [extendedOpenMs, openMs, closeMs, extendedCloseMs].map(ny).join(', ')

  test.each([
    ['1992-12-24', 'Thu 09:30, Thu 09:30, Thu 14:15, Thu 14:15'],
    ['2003-06-02', 'Mon 09:30, Mon 09:30, Mon 16:15, Mon 16:15'],
    ['2015-02-27', 'Fri 09:30, Fri 09:30, Fri 16:15, Fri 16:15'],
    ['2015-03-02', 'Mon 03:00, Mon 09:30, Mon 16:15, Mon 16:15'],
    ['2021-11-19', 'Fri 03:00, Fri 09:30, Fri 16:15, Fri 16:15'],
    ['2021-11-22', 'Sun 20:15, Mon 09:30, Mon 16:15, Mon 16:15'],
    ['2022-04-25', 'Sun 20:15, Mon 09:30, Mon 16:15, Mon 17:00'],
    ['2025-01-03', 'Thu 20:15, Fri 09:30, Fri 16:15, Fri 17:00'],
    ['2024-11-29', 'Thu 20:15, Fri 09:30, Fri 13:15, Fri 13:15'],
  ])('trade for %s in these hours: %s', (date, expected) => {
    expect(hours(cboe.on(date)!)).toBe(expected)
  })

  test('have the days of the stock exchanges', () => {
    const dates = (code: string) =>
      calendarOf(code)
        .between('1990-01-01', '2030-12-31')
        .map(({ date }) => date)
    expect(dates('XCBO')).toEqual(dates('XNYS'))
  })

  test('give Sunday evening to Monday', () => {
    expect(cboe.at(Date.parse('2025-01-06T02:00:00Z'))?.date).toBe('2025-01-06')
    expect(cboe.at(Date.parse('2025-01-06T01:00:00Z'))).toBeUndefined()
  })
})

describe('equity-index futures on Globex', () => {
  const cme = calendarOf('XCME')
  const hours = ({ openMs, closeMs }: TradingSession): string => `${chicago(openMs)} – ${chicago(closeMs)}`

  test.each([
    ['2025-01-03', 'Thu 17:00 – Fri 16:00'],
    ['2025-01-06', 'Sun 17:00 – Mon 16:00'],
    ['2015-09-21', 'Sun 17:00 – Mon 16:00'],
    ['2015-09-18', 'Thu 17:00 – Fri 16:15'],
    ['2012-11-19', 'Sun 17:00 – Mon 16:15'],
    ['2012-11-16', 'Thu 15:30 – Fri 15:15'],
    ['2012-11-12', 'Sun 17:00 – Mon 15:15'],
    ['2012-01-17', 'Mon 17:00 – Tue 15:15'],
  ])('trade for %s: %s', (date, expected) => {
    expect(hours(cme.on(date)!)).toBe(expected)
  })

  test.each([
    ['2025-01-20', '12:00', 'Martin Luther King Jr. Day'],
    ['2025-06-19', '12:00', 'Juneteenth'],
    ['2025-11-27', '12:00', 'Thanksgiving Day'],
    ['2014-05-26', '12:00', 'Memorial Day'],
    ['2014-02-17', '10:30', "Presidents' Day until 2014"],
    ['2013-07-04', '10:30', 'Independence Day until 2013'],
    ['2013-07-03', '12:15', 'the eve of Independence Day'],
    ['2025-11-28', '12:15', 'the day after Thanksgiving'],
    ['2025-12-24', '12:15', 'Christmas Eve'],
    ['2012-10-29', '08:15', 'Hurricane Sandy'],
    ['2012-10-30', '08:15', 'Hurricane Sandy'],
    ['2018-12-05', '08:30', 'mourning for President George H. W. Bush'],
    ['2025-01-09', '08:30', 'mourning for President Carter'],
    ['2015-04-03', '08:15', 'Good Friday with the employment report'],
    ['2026-04-03', '08:15', 'Good Friday with the employment report'],
  ])('stopped on %s at %s: %s', (date, close) => {
    const session = cme.on(date)!
    expect(chicago(session.closeMs).slice(4)).toBe(close)
    expect(session.earlyClose).toBe(true)
  })

  test.each([
    ['2025-12-25', 'Christmas Day'],
    ['2025-01-01', "New Year's Day"],
    ['2025-04-18', 'Good Friday'],
    ['2022-04-15', 'Good Friday'],
    ['2021-12-24', 'Christmas Day'],
  ])('are closed on %s: %s', (date, reason) => {
    expect(cme.on(date)).toBeUndefined()
    expect(cme.closedReason(date)).toBe(reason)
  })

  test('trade on every other weekday of the year', () => {
    expect(cme.between('2024-01-01', '2024-12-31')).toHaveLength(262 - 3)
  })
})
