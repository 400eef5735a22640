import fc from 'fast-check'
import { DateTime } from 'luxon'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import {
  addDays,
  CHICAGO,
  chicagoDate,
  dateToDays,
  daysToDate,
  MS_PER_DAY,
  NEW_YORK,
  newYorkDate,
  parseDate,
  wallClockOf,
  wallTime,
  weekdayOf,
  type WallClock,
} from '../../src/market/time.ts'

const anyInstant = (from: string, to: string) => fc.integer({ min: Date.parse(from), max: Date.parse(to) })
const anyDays = fc.integer({ min: -719_528, max: 2_932_896 })

describe('dates', () => {
  test('are the days that the proleptic Gregorian calendar has', () => {
    fc.assert(
      fc.property(anyDays, (days) => {
        const utc = DateTime.fromMillis(days * MS_PER_DAY, { zone: 'utc' })
        expect(daysToDate(days)).toBe(utc.toISODate())
        expect(dateToDays(daysToDate(days))).toBe(days)
        expect(weekdayOf(days)).toBe(utc.weekday % 7)
      }),
      { numRuns: 2000 },
    )
  })

  test('add up across months, years and leap days', () => {
    expect(addDays('2024-02-28', 1)).toBe('2024-02-29')
    expect(addDays('2023-02-28', 1)).toBe('2023-03-01')
    expect(addDays('2025-01-01', -1)).toBe('2024-12-31')
    expect(addDays('2000-02-29', 366)).toBe('2001-03-01')
  })

  test.each([
    '2025-02-30',
    '2023-02-29',
    '1900-02-29',
    '2025-13-01',
    '2025-00-10',
    '2025-01-00',
    '2025-04-31',
  ])('refuses the day %s, which does not exist, naming it', (date) => {
    expect(() => parseDate(date)).toThrow(UsageError)
    expect(() => parseDate(date)).toThrow(`'${date}' does not exist`)
  })

  test.each(['yesterday', '2025-1-3', '20250103', '2025-01-03T00:00Z', ' 2025-01-03', '03/01/2025', ''])(
    'refuses %j, which is not written YYYY-MM-DD, naming it',
    (word) => {
      expect(() => parseDate(word)).toThrow(UsageError)
      expect(() => parseDate(word)).toThrow(`'${word}' is not a date`)
    },
  )

  test('come back as they were when they are good', () => {
    expect(parseDate('2024-02-29')).toBe('2024-02-29')
  })
})

describe.each<[string, WallClock]>([
  ['America/New_York', NEW_YORK],
  ['America/Chicago', CHICAGO],
])('the wall clock of %s', (zone, clock) => {
  test('reads what the zone database says, at any instant from 1967 to 2040', () => {
    fc.assert(
      fc.property(anyInstant('1967-05-01', '2040-01-01'), (ms) => {
        const local = DateTime.fromMillis(ms, { zone })
        expect(clock.offsetMs(ms)).toBe(local.offset * 60_000)
        expect(clock.dateAt(ms)).toBe(local.toISODate())
      }),
      { numRuns: 3000 },
    )
  })

  test('changes at the very instant of the rule, every spring and autumn from 1967 to 2040', () => {
    for (let day = Date.parse('1967-05-01'); day < Date.parse('2040-01-01'); day += MS_PER_DAY) {
      for (const ms of [
        day + 6 * 3_600_000 - 1,
        day + 6 * 3_600_000,
        day + 8 * 3_600_000 - 1,
        day + 8 * 3_600_000,
      ]) {
        const month = new Date(ms).getUTCMonth()
        if (new Date(ms).getUTCDay() !== 0 || ![0, 1, 2, 3, 9, 10].includes(month)) continue
        expect(clock.offsetMs(ms)).toBe(DateTime.fromMillis(ms, { zone }).offset * 60_000)
      }
    }
  })

  test('is turned into UTC as the zone database does it, hours skipped or read twice included', () => {
    const wallMinutes = fc.integer({ min: -1440, max: 2880 })
    const days = fc.integer({ min: dateToDays('1968-01-01'), max: dateToDays('2039-12-30') })
    fc.assert(
      fc.property(days, wallMinutes, (day, minutes) => {
        const wall = DateTime.fromMillis(day * MS_PER_DAY + minutes * 60_000, { zone: 'utc' })
        const reference = wall.setZone(zone, { keepLocalTime: true }).toMillis()
        expect(clock.toUtcMs(day, minutes * 60_000)).toBe(reference)
      }),
      { numRuns: 3000 },
    )
  })

  test('takes the first of two readings in autumn and moves the skipped hour forward in spring', () => {
    const autumn = clock.toUtcMs(dateToDays('2024-11-03'), wallTime(1, 30))
    expect(DateTime.fromMillis(autumn, { zone }).toFormat('HH:mm ZZ')).toBe(
      zone === 'America/New_York' ? '01:30 -04:00' : '01:30 -05:00',
    )
    const spring = clock.toUtcMs(dateToDays('2024-03-10'), wallTime(2, 30))
    expect(DateTime.fromMillis(spring, { zone }).toFormat('HH:mm')).toBe('03:30')
  })

  test('is found by the name of its zone', () => {
    expect(wallClockOf(zone)).toBe(clock)
  })
})

test('the date differs between New York and Chicago in the hour after midnight', () => {
  const ms = Date.parse('2025-01-03T05:30:00Z')
  expect([newYorkDate(ms), chicagoDate(ms)]).toEqual(['2025-01-03', '2025-01-02'])
})
