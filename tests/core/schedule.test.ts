import { describe, expect, test } from 'vitest'
import { nextAt, parseSchedule } from '../../src/core/schedule.ts'

/** The first three instants after `after` at which `text` is due. */
function due(text: string, after: string): string[] {
  const schedule = parseSchedule(text)!
  const found: string[] = []
  for (let ms = Date.parse(after); found.length < 3;) {
    ms = nextAt(schedule, ms)!
    found.push(new Date(ms).toISOString().slice(0, 16))
  }
  return found
}

describe('a schedule', () => {
  test.each([
    ['02:00', '2025-06-10T02:00:00Z', ['2025-06-11T02:00', '2025-06-12T02:00', '2025-06-13T02:00']],
    ['0 2 * * 2-6', '2025-06-13T12:00:00Z', ['2025-06-14T02:00', '2025-06-17T02:00', '2025-06-18T02:00']],
    ['*/20 9 * * *', '2025-06-13T09:10:00Z', ['2025-06-13T09:20', '2025-06-13T09:40', '2025-06-14T09:00']],
    ['30 1 1 * *', '2024-12-31T23:59:59Z', ['2025-01-01T01:30', '2025-02-01T01:30', '2025-03-01T01:30']],
    ['0 0 13 * 5', '2025-06-01T00:00:00Z', ['2025-06-06T00:00', '2025-06-13T00:00', '2025-06-20T00:00']],
    ['0 0 29 2 *', '2025-01-01T00:00:00Z', ['2028-02-29T00:00', '2032-02-29T00:00', '2036-02-29T00:00']],
    ['5 4 * * 0,7', '2025-06-10T00:00:00Z', ['2025-06-15T04:05', '2025-06-22T04:05', '2025-06-29T04:05']],
  ])('%s is due at the instants that a crontab would give', (text, after, expected) => {
    expect(due(text, after)).toEqual(expected)
  })

  test('is never due on a day that no year has', () => {
    expect(nextAt(parseSchedule('0 0 31 2 *')!, 0)).toBeUndefined()
  })

  test.each([
    '',
    '25:00',
    '2',
    '0 2 * *',
    '60 2 * * *',
    '0 2 0 * *',
    'a b c d e',
    '0 5-2 * * *',
    '*/0 * * * *',
  ])('%o is none', (text) => expect(parseSchedule(text)).toBeUndefined())
})
