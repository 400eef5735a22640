import { describe, expect, test } from 'vitest'
import { formatBytes, formatDuration, formatNumber, plural } from '../../src/cli/format.ts'

describe('numbers for people', () => {
  test.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [-1234567, '-1,234,567'],
    [1234.5678, '1,234.5678'],
    [1e21, '1e+21'],
    [Infinity, 'Infinity'],
  ])('formatNumber(%d) is %s', (value, text) => expect(formatNumber(value)).toBe(text))

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [150 * 1024, '150 KiB'],
    [5 * 1024 ** 3, '5.0 GiB'],
    [3 * 1024 ** 6, '3072 PiB'],
  ])('formatBytes(%d) is %s', (value, text) => expect(formatBytes(value)).toBe(text))

  test.each([
    [0, '0.0 s'],
    [850, '0.8 s'],
    [9_960, '10 s'],
    [59_400, '59 s'],
    [59_600, '1 min'],
    [65_000, '1 min 5 s'],
    [3_600_000, '1 h'],
    [7_300_000, '2 h 1 min'],
    [48 * 3_600_000, '2 d'],
    [50 * 3_600_000, '2 d 2 h'],
    [Infinity, '?'],
  ])('formatDuration(%d) is %s', (value, text) => expect(formatDuration(value)).toBe(text))

  test('plural counts', () => {
    expect(plural(1, 'session')).toBe('1 session')
    expect(plural(2000, 'session')).toBe('2,000 sessions')
    expect(plural(0, 'series', 'series')).toBe('0 series')
  })
})
