import { describe, expect, test } from 'vitest'
import {
  ConfigError,
  DATASETS,
  datasetNamed,
  isOpen,
  nextSession,
  previousSession,
  sessions,
  UsageError,
} from '../../src/index.ts'

describe('sessions', () => {
  test('are given with their UTC instants, both ends included', () => {
    expect(sessions('XNYS', '2024-11-27', '2024-11-29')).toEqual([
      {
        date: '2024-11-27',
        open: new Date('2024-11-27T14:30:00Z'),
        close: new Date('2024-11-27T21:00:00Z'),
        extendedOpen: new Date('2024-11-27T09:00:00Z'),
        extendedClose: new Date('2024-11-28T01:00:00Z'),
        earlyClose: false,
      },
      {
        date: '2024-11-29',
        open: new Date('2024-11-29T14:30:00Z'),
        close: new Date('2024-11-29T18:00:00Z'),
        extendedOpen: new Date('2024-11-29T09:00:00Z'),
        extendedClose: new Date('2024-11-29T22:00:00Z'),
        earlyClose: true,
      },
    ])
  })

  test('take instants for dates, read on the clock of the exchange', () => {
    const lateEvening = new Date('2025-01-04T02:00:00Z')
    expect(sessions('NYSE', lateEvening, lateEvening).map(({ date }) => date)).toEqual(['2025-01-03'])
  })

  test('refuse a range that runs backwards, an unknown exchange and a day that does not exist', () => {
    expect(() => sessions('XNYS', '2025-01-06', '2025-01-03')).toThrow(
      'from 2025-01-06 is after to 2025-01-03',
    )
    expect(() => sessions('XXXX', '2025-01-03', '2025-01-06')).toThrow(ConfigError)
    expect(() => sessions('XNYS', '2025-02-30', '2025-03-03')).toThrow(UsageError)
    expect(() => sessions('XNYS', new Date(NaN), '2025-03-03')).toThrow(UsageError)
  })
})

describe('isOpen', () => {
  test.each([
    ['2025-01-03T14:29:59.999Z', false, true],
    ['2025-01-03T14:30:00Z', true, true],
    ['2025-01-03T15:59:59-05:00', true, true],
    ['2025-01-03T21:00:00Z', false, true],
    ['2025-01-04T00:59:59Z', false, true],
    ['2025-01-04T01:00:00Z', false, false],
    ['2025-01-09T15:00:00Z', false, false],
    ['2024-12-24T18:00:00Z', false, true],
    ['2024-12-24T22:00:00Z', false, false],
  ])('says of %s: regular %s, extended %s', (instant, regular, extended) => {
    expect(isOpen('XNYS', instant)).toBe(regular)
    expect(isOpen('XNYS', new Date(instant))).toBe(regular)
    expect(isOpen('XNYS', Date.parse(instant), { extended: true })).toBe(extended)
  })

  test.each(['2025-01-03T14:30:00', '2025-01-03', 'now', ''])(
    'refuses %j: without a zone it would mean another instant on another machine',
    (instant) => {
      expect(() => isOpen('XNYS', instant)).toThrow(UsageError)
      expect(() => isOpen('XNYS', instant)).toThrow('is not an instant')
    },
  )
})

test('the next and the previous session step over weekends and holidays', () => {
  expect(nextSession('XNYS', '2025-01-08').date).toBe('2025-01-10')
  expect(previousSession('XNYS', '2025-01-06').date).toBe('2025-01-03')
  expect(nextSession('XNYS', new Date('2025-01-03T12:00:00Z')).date).toBe('2025-01-06')
})

test('the datasets can be looked up by name', () => {
  expect(DATASETS.map(({ name }) => datasetNamed(name).name)).toContain('equity_bars_1m')
  expect(() => datasetNamed('equity_bars_1y')).toThrow(ConfigError)
})
