import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConfigError, UsageError } from '../../src/core/errors.ts'
import { CALENDARS, calendarOf } from '../../src/market/calendar/index.ts'
import { addDays, dateToDays, daysToDate } from '../../src/market/time.ts'

describe('calendarOf', () => {
  test.each([
    ['XNYS', 'XNYS'],
    ['NYSE', 'XNYS'],
    ['nasdaq', 'XNYS'],
    ['XNAS', 'XNYS'],
    ['CBOE', 'XCBO'],
    ['xcbo', 'XCBO'],
    ['CME', 'XCME'],
  ])('knows %s as %s', (name, code) => {
    expect(calendarOf(name).code).toBe(code)
  })

  test.each(['XLON', '', 'constructor', '__proto__'])('refuses %j, naming the exchanges it knows', (name) => {
    const attempt = () => calendarOf(name)
    expect(attempt).toThrow(ConfigError)
    expect(attempt).toThrow(`unknown exchange '${name}'`)
    try {
      attempt()
    } catch (error) {
      expect((error as ConfigError).hint).toMatch(/XNYS.*XCBO.*XCME.*NYSE/)
    }
  })
})

describe.each(CALENDARS.map((calendar) => [calendar.code, calendar] as const))(
  'the calendar %s',
  (_, calendar) => {
    const { firstDate, lastDate } = calendar
    const all = calendar.between(firstDate, lastDate)
    const anyDate = fc
      .integer({ min: dateToDays(firstDate), max: dateToDays(lastDate) })
      .map((days) => daysToDate(days))
    const anyInstant = fc.integer({
      min: all[0]!.extendedOpenMs,
      max: all.at(-1)!.extendedCloseMs - 1,
    })

    test('holds sessions in order whose hours do not overlap and lie within one another', () => {
      all.forEach((session, i) => {
        const { date, extendedOpenMs, openMs, closeMs, extendedCloseMs } = session
        expect(extendedOpenMs).toBeLessThanOrEqual(openMs)
        expect(openMs).toBeLessThan(closeMs)
        expect(closeMs).toBeLessThanOrEqual(extendedCloseMs)
        const before = all[i - 1]
        if (!before) return
        expect(before.date < date).toBe(true)
        expect(before.extendedCloseMs).toBeLessThanOrEqual(extendedOpenMs)
      })
    })

    test('gives for any range the sessions between its dates, both inclusive', () => {
      fc.assert(
        fc.property(anyDate, anyDate, (from, to) => {
          const expected = all.filter(({ date }) => date >= from && date <= to)
          expect(calendar.between(from, to)).toEqual(expected)
        }),
        { numRuns: 60 },
      )
    })

    test('finds the session of a date, the next and the previous as a search through the list would', () => {
      fc.assert(
        fc.property(anyDate, (date) => {
          expect(calendar.on(date)).toBe(all.find((session) => session.date === date))
          expect(calendar.closedReason(date) === undefined).toBe(calendar.on(date) !== undefined)
          const next = all.find((session) => session.date > date)
          const previous = all.findLast((session) => session.date < date)
          if (next) expect(calendar.next(date)).toBe(next)
          else expect(() => calendar.next(date)).toThrow(UsageError)
          if (previous) expect(calendar.previous(date)).toBe(previous)
          else expect(() => calendar.previous(date)).toThrow(UsageError)
        }),
        { numRuns: 300 },
      )
    })

    test('finds the session at an instant, and the last one finished, as a search through the list would', () => {
      fc.assert(
        fc.property(anyInstant, (ms) => {
          const at = all.find(
            ({ extendedOpenMs, extendedCloseMs }) => extendedOpenMs <= ms && ms < extendedCloseMs,
          )
          expect(calendar.at(ms)).toBe(at)
          const finished = all.findLast(({ extendedCloseMs }) => extendedCloseMs <= ms)
          if (finished) expect(calendar.lastFinished(ms)).toBe(finished)
          else expect(() => calendar.lastFinished(ms)).toThrow(UsageError)
        }),
        { numRuns: 300 },
      )
    })

    test('counts the open as inside the session and the close as after it', () => {
      for (const session of [all[0]!, all[1]!, all[700]!, all.at(-1)!]) {
        const { extendedOpenMs, extendedCloseMs } = session
        expect(calendar.at(extendedOpenMs)).toBe(session)
        expect(calendar.at(extendedCloseMs - 1)).toBe(session)
        expect(calendar.at(extendedCloseMs)).not.toBe(session)
        expect(calendar.lastFinished(extendedCloseMs)).toBe(session)
      }
    })

    test('has nothing between a date and the day before it', () => {
      expect(calendar.between('2025-01-06', '2025-01-03')).toEqual([])
    })

    test('refuses dates and instants outside its range, naming the range', () => {
      const early = addDays(firstDate, -1)
      const late = addDays(lastDate, 1)
      for (const attempt of [
        () => calendar.between(early, lastDate),
        () => calendar.between(firstDate, late),
        () => calendar.on(late),
        () => calendar.next(late),
        () => calendar.previous(early),
        () => calendar.closedReason(early),
        () => calendar.at(Date.parse(`${early}T12:00:00Z`)),
        () => calendar.lastFinished(Date.parse('2040-01-01T00:00:00Z')),
      ]) {
        expect(attempt).toThrow(UsageError)
        expect(attempt).toThrow(/outside the calendar/)
      }
      expect(() => calendar.at(NaN)).toThrow(UsageError)
      expect(() => calendar.at(8.64e15 + 1)).toThrow(UsageError)
    })

    test('refuses days that do not exist', () => {
      expect(() => calendar.on('2025-02-30')).toThrow(`'2025-02-30' does not exist`)
      expect(() => calendar.between('2025-01-01', 'soon')).toThrow(`'soon' is not a date`)
    })
  },
)
