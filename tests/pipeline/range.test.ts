import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { resolveRange, type RangeContext, type RangeRequest } from '../../src/pipeline/range.ts'

/** Wednesday 2025-06-04, noon in New York. */
const NOON = '2025-06-04T16:00:00Z'

const resolve = (request: RangeRequest, now = NOON, more: Partial<RangeContext> = {}) => {
  const { from, to } = resolveRange(request, {
    calendar: 'XNYS',
    nowMs: Date.parse(now),
    defaultSessions: 3,
    ...more,
  })
  return `${from}..${to}`
}
const refusal = (request: RangeRequest, now = NOON): string => {
  try {
    return `resolved to ${resolve(request, now)}`
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return `${error.message} | ${error.hint}`
  }
}

describe('the range that the flags mean', () => {
  test.each<[string, RangeRequest, string]>([
    ['nothing: the last sessions of the default', {}, '2025-05-30..2025-06-03'],
    ['both ends', { from: '2025-01-02', to: '2025-01-31' }, '2025-01-02..2025-01-31'],
    ['only from: up to the last finished session', { from: '2025-05-28' }, '2025-05-28..2025-06-03'],
    ['only to', { to: '2025-05-02' }, '2025-04-30..2025-05-02'],
    ['days', { days: 2 }, '2025-06-02..2025-06-03'],
    ['days up to a date', { days: 2, to: '2025-01-03' }, '2025-01-02..2025-01-03'],
    ['days up to a Sunday', { days: 1, to: '2025-06-01' }, '2025-05-30..2025-05-30'],
    ['the last session', { lastSession: true }, '2025-06-03..2025-06-03'],
    ['ends that are no sessions', { from: '2025-05-24', to: '2025-06-01' }, '2025-05-27..2025-05-30'],
    ['a range around a holiday', { from: '2025-01-08', to: '2025-01-10' }, '2025-01-08..2025-01-10'],
    ['one day', { from: '2025-05-30', to: '2025-05-30' }, '2025-05-30..2025-05-30'],
    [
      'up to today, whose session has not ended',
      { from: '2025-06-03', to: '2025-06-04' },
      '2025-06-03..2025-06-04',
    ],
    ['more days than there ever were', { days: 20_000, to: '1990-01-05' }, '1990-01-02..1990-01-05'],
  ])('%s', (_, request, expected) => {
    expect(resolve(request)).toBe(expected)
  })

  test('without dates a series goes on from its first session, so that holes are found again', () => {
    expect(resolve({}, NOON, { heldFrom: '2024-12-02' })).toBe('2024-12-02..2025-06-03')
    expect(resolve({ days: 1 }, NOON, { heldFrom: '2024-12-02' })).toBe('2025-06-03..2025-06-03')
  })

  test('an end before everything held means that end alone', () => {
    expect(resolve({ to: '2020-01-03' }, NOON, { heldFrom: '2024-12-02' })).toBe('2020-01-03..2020-01-03')
  })

  test.each([
    [
      'a second before 20 minutes have passed since extended hours, in summer',
      '2025-06-04T00:19:59Z',
      '2025-06-02',
    ],
    ['20 minutes after extended hours, in summer', '2025-06-04T00:20:00Z', '2025-06-03'],
    [
      'a second before 20 minutes have passed since extended hours, in winter',
      '2025-01-16T01:19:59Z',
      '2025-01-14',
    ],
    ['20 minutes after extended hours, in winter', '2025-01-16T01:20:00Z', '2025-01-15'],
    ['the Friday evening before the clocks go forward', '2025-03-08T01:20:00Z', '2025-03-07'],
    ['the Monday evening after the clocks went forward', '2025-03-11T00:20:00Z', '2025-03-10'],
    ['an hour too early after the clocks went back', '2025-11-04T00:20:00Z', '2025-10-31'],
    ['the Monday evening after the clocks went back', '2025-11-04T01:20:00Z', '2025-11-03'],
    ['on a Sunday', '2025-06-01T15:20:00Z', '2025-05-30'],
    ['on Independence Day', '2025-07-04T15:20:00Z', '2025-07-03'],
    [
      '20 minutes after the extended hours of an early close, which end at 17:00',
      '2025-07-03T21:20:00Z',
      '2025-07-03',
    ],
    ['a second before that', '2025-07-03T21:19:59Z', '2025-07-02'],
    ['in the first hours of a session', '2025-06-04T09:20:00Z', '2025-06-03'],
  ])('the last finished session %s', (_, now, expected) => {
    expect(resolve({ lastSession: true }, now)).toBe(`${expected}..${expected}`)
  })
})

describe('a range that makes no sense is refused', () => {
  test.each<[string, RangeRequest, RegExp]>([
    [
      'reversed',
      { from: '2025-02-03', to: '2025-01-03' },
      /--from 2025-02-03 is after --to 2025-01-03.*Swap/,
    ],
    ['from tomorrow', { from: '2025-06-05' }, /--from 2025-06-05 is in the future.*2025-06-03/],
    ['to tomorrow', { to: '2025-06-05' }, /--to 2025-06-05 is in the future/],
    ['from a year to come', { from: '2027-01-04', to: '2027-01-05' }, /in the future/],
    ['impossible', { from: '2025-02-30' }, /2025-02-30/],
    ['misspelt', { to: '03/01/2025' }, /03\/01\/2025/],
    [
      'a Saturday',
      { from: '2025-05-31', to: '2025-05-31' },
      /not a session.*weekend.*2025-05-30 and 2025-06-02/,
    ],
    ['a holiday', { from: '2025-04-18', to: '2025-04-18' }, /not a session.*Good Friday/],
    [
      'a weekend',
      { from: '2025-05-31', to: '2025-06-01' },
      /no session .* between 2025-05-31 and 2025-06-01/,
    ],
    ['before the calendar', { from: '1850-01-02', to: '1850-02-01' }, /calendar/],
    ['only the session that has not ended', { from: '2025-06-04' }, /no session has finished.*2025-06-03/],
  ])('%s', (_, request, expected) => {
    expect(refusal(request)).toMatch(expected)
  })

  test('today is judged by the clock of New York, not by that of the machine or of London', () => {
    const lateInNewYork = '2025-06-05T03:30:00Z' // Wednesday 23:30 in New York
    expect(refusal({ from: '2025-06-05' }, lateInNewYork)).toMatch(/in the future/)
    expect(resolve({ from: '2025-06-04' }, lateInNewYork)).toBe('2025-06-04..2025-06-04')
  })
})

test('whatever the flags, a range begins and ends with sessions that have begun', () => {
  const date = fc
    .integer({ min: 0, max: 500 })
    .map((days) => new Date(Date.UTC(2024, 2, 1) + days * 86_400_000).toISOString().slice(0, 10))
  const request = fc.record(
    { from: date, to: date, days: fc.integer({ min: 1, max: 30 }), lastSession: fc.boolean() },
    { requiredKeys: [] },
  )
  const now = fc.integer({ min: Date.UTC(2024, 5, 1), max: Date.UTC(2025, 5, 1) })
  const calendar = calendarOf('XNYS')
  const session = date.filter((day) => calendar.on(day) !== undefined)
  fc.assert(
    fc.property(request, now, fc.option(session, { nil: undefined }), (flags, nowMs, heldFrom) => {
      let range
      try {
        range = resolveRange(flags, { calendar: 'XNYS', nowMs, defaultSessions: 4, heldFrom })
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
        return
      }
      const sessions = calendar.between(range.from, range.to)
      expect(sessions[0]?.date).toBe(range.from)
      expect(sessions.at(-1)?.date).toBe(range.to)
      expect(sessions.at(-1)!.extendedOpenMs).toBeLessThan(nowMs + 86_400_000)
      if (flags.days !== undefined && flags.from === undefined && !flags.lastSession) {
        expect(sessions).toHaveLength(flags.days)
      }
    }),
    { numRuns: 500 },
  )
})
