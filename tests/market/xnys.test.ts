import { existsSync, readFileSync } from 'node:fs'
import { DateTime } from 'luxon'
import { describe, expect, test } from 'vitest'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { CLOSURES_2022_TO_2028, EARLY_CLOSES_AT_13, SESSIONS_PER_YEAR } from './published-holidays.ts'

const nyse = calendarOf('XNYS')
const all = nyse.between('1990-01-01', '2030-12-31')
const ny = (ms: number): string => DateTime.fromMillis(ms, { zone: 'America/New_York' }).toFormat('HH:mm')

describe('the New York calendar', () => {
  test.each(SESSIONS_PER_YEAR)('has in %i the %i sessions expected of it', (year, count) => {
    expect(nyse.between(`${year}-01-01`, `${year}-12-31`)).toHaveLength(count)
  })

  test.each(Object.entries(CLOSURES_2022_TO_2028))(
    'is closed in %s on exactly the weekdays that the exchange announced',
    (year, announced) => {
      const closed: string[] = []
      for (
        let day = DateTime.utc(Number(year), 1, 1);
        day.year === Number(year);
        day = day.plus({ days: 1 })
      ) {
        if (day.weekday <= 5 && !nyse.on(day.toFormat('yyyy-MM-dd'))) closed.push(day.toFormat('MM-dd'))
      }
      expect(closed).toEqual(announced)
    },
  )

  test.each([
    ['1994-04-27', 'Funeral of President Nixon'],
    ['2001-09-11', 'September 11 attacks'],
    ['2001-09-12', 'September 11 attacks'],
    ['2001-09-13', 'September 11 attacks'],
    ['2001-09-14', 'September 11 attacks'],
    ['2004-06-11', 'National day of mourning for President Reagan'],
    ['2007-01-02', 'National day of mourning for President Ford'],
    ['2012-10-29', 'Hurricane Sandy'],
    ['2012-10-30', 'Hurricane Sandy'],
    ['2018-12-05', 'National day of mourning for President George H. W. Bush'],
    ['2025-01-09', 'National day of mourning for President Carter'],
  ])('was closed on %s: %s', (date, reason) => {
    expect(nyse.on(date)).toBeUndefined()
    expect(nyse.closedReason(date)).toBe(reason)
  })

  test.each([
    ['2025-01-04', 'weekend'],
    ['2025-11-27', 'Thanksgiving Day'],
    ['2025-04-18', 'Good Friday'],
    ['1997-01-20', undefined],
    ['1998-01-19', 'Martin Luther King Jr. Day'],
    ['2021-06-18', undefined],
    ['2022-06-20', 'Juneteenth'],
    ['2010-12-31', undefined],
    ['2023-01-02', "New Year's Day"],
    ['2021-12-24', 'Christmas Day'],
    ['2020-07-03', 'Independence Day'],
    ['2025-01-03', undefined],
  ])('says of %s why it is closed: %s', (date, reason) => {
    expect(nyse.closedReason(date)).toBe(reason)
    expect(nyse.on(date) === undefined).toBe(reason !== undefined)
  })

  test('closed at 13:00 on exactly the shortened days since 1993', () => {
    const shortened = all.filter(({ date, closeMs }) => date < '2029' && ny(closeMs) === '13:00')
    expect(shortened.map(({ date }) => date)).toEqual(EARLY_CLOSES_AT_13)
    expect(new Set(shortened.map(({ extendedCloseMs }) => ny(extendedCloseMs)))).toEqual(new Set(['17:00']))
    expect(shortened.every(({ earlyClose }) => earlyClose)).toBe(true)
  })

  test.each([
    ['1990-12-24', '09:30', '14:00'],
    ['1991-12-24', '09:30', '14:00'],
    ['1992-11-27', '09:30', '14:00'],
    ['1992-12-24', '09:30', '14:00'],
    ['1990-12-27', '11:00', '16:00'],
    ['1994-02-11', '09:30', '14:30'],
    ['1995-12-18', '10:30', '16:00'],
    ['1996-01-08', '11:00', '14:00'],
    ['1997-10-27', '09:30', '15:30'],
    ['2001-09-17', '09:33', '16:00'],
    ['2002-09-11', '12:00', '16:00'],
    ['2004-06-07', '09:32', '16:00'],
    ['2005-06-01', '09:30', '15:56'],
    ['2012-10-31', '09:30', '16:00'],
  ])('traded on %s from %s to %s', (date, open, close) => {
    const session = nyse.on(date)!
    expect([ny(session.openMs), ny(session.closeMs)]).toEqual([open, close])
    expect(session.earlyClose).toBe(close !== '16:00')
  })

  test('trades 09:30–16:00 and 04:00–20:00 by the clock of New York on every other session', () => {
    const hours = new Map<string, number>()
    for (const { openMs, closeMs, extendedOpenMs, extendedCloseMs } of all) {
      const key = [extendedOpenMs, openMs, closeMs, extendedCloseMs].map(ny).join(' ')
      hours.set(key, (hours.get(key) ?? 0) + 1)
    }
    expect(hours.get('04:00 09:30 16:00 20:00')).toBeGreaterThan(all.length - 130)
    expect([...hours.keys()].every((key) => key.startsWith('04:00 '))).toBe(true)
  })

  test('opens at 14:30 UTC in winter and 13:30 UTC in summer, changing with the clocks', () => {
    const opens = [
      '2024-03-08',
      '2024-03-11',
      '2024-11-01',
      '2024-11-04',
      '2006-03-31',
      '2006-04-03',
      '2006-10-30',
    ]
    expect(opens.map((date) => new Date(nyse.on(date)!.openMs).toISOString().slice(11, 16))).toEqual([
      '14:30',
      '13:30',
      '13:30',
      '14:30',
      '14:30',
      '13:30',
      '14:30',
    ])
  })

  test('agrees with Intl about the date of every open and close', () => {
    const format = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/New_York', dateStyle: 'short' })
    for (const { date, openMs, extendedCloseMs } of all) {
      expect(format.format(openMs)).toBe(date)
      expect(format.format(extendedCloseMs)).toBe(date)
    }
  })
})

const RECORDED = new URL(
  '../../../shared/recorded/client-python/test_rest/mocks/v1/marketstatus/upcoming.json',
  import.meta.url,
)

describe.skipIf(!existsSync(RECORDED))('the holidays that the vendor announced', () => {
  interface Announced {
    readonly date: string
    readonly exchange: string
    readonly status: string
    readonly close?: string
  }

  test('are closures and early closes of the calendar', () => {
    const rows = JSON.parse(readFileSync(RECORDED, 'utf8')) as Announced[]
    const ours = rows.filter(({ exchange }) => exchange === 'NYSE' || exchange === 'NASDAQ')
    expect(ours.length).toBeGreaterThan(5)
    for (const { date, status, close } of ours) {
      const session = nyse.on(date)
      if (status === 'closed') expect([date, session]).toEqual([date, undefined])
      else expect([date, new Date(session!.closeMs).toISOString()]).toEqual([date, close])
    }
  })
})
