import fc from 'fast-check'
import { DateTime } from 'luxon'
import { describe, expect, test } from 'vitest'
import type { Batch } from '../../src/core/batch.ts'
import { SchemaError } from '../../src/core/errors.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import type { DatasetDefinition } from '../../src/market/dataset.ts'
import { splits } from '../../src/market/datasets/corporate-actions.ts'
import { equityBars1d, equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { sessionBounds, sessionDates } from '../../src/market/session-rows.ts'
import { dateToDays } from '../../src/market/time.ts'

const all = calendarOf('XNYS').between('1990-01-01', '2030-12-31')

function sessionsOf(dataset: DatasetDefinition, values: readonly number[]): (string | null)[] {
  const batch: Batch = {
    dataset: dataset.name,
    length: values.length,
    schema: dataset.columns,
    columns: { [dataset.eventColumn]: Float64Array.from(values) },
  }
  const { dates, codes } = sessionDates(dataset, batch)
  expect(new Set(dates).size).toBe(dates.length)
  return Array.from(codes, (code) => dates[code] ?? null)
}

const us = (iso: string): number => Date.parse(iso) * 1000

describe('rows are assigned to sessions', () => {
  test('by their instant, extended hours included', () => {
    const values = [
      '2025-01-03T08:59:59.999Z',
      '2025-01-03T09:00:00Z',
      '2025-01-03T20:59:00Z',
      '2025-01-04T00:59:59.999Z',
      '2025-01-04T01:00:00Z',
      '2025-01-06T14:30:00Z',
      '2025-01-03T14:30:00Z',
    ].map(us)
    expect(sessionsOf(equityBars1m, values)).toEqual([
      null,
      '2025-01-03',
      '2025-01-03',
      '2025-01-03',
      null,
      '2025-01-06',
      '2025-01-03',
    ])
  })

  test('to the microsecond at the edges', () => {
    const { date, extendedOpenMs, extendedCloseMs } = all[5000]!
    const [open, close] = [extendedOpenMs * 1000, extendedCloseMs * 1000]
    expect(sessionsOf(equityBars1m, [open - 1, open, close - 1, close])).toEqual([null, date, date, null])
  })

  test('as a search through all sessions would, in whatever order they come', () => {
    const anyUs = fc.integer({ min: us('1989-12-01T00:00:00Z'), max: us('2031-02-01T00:00:00Z') })
    fc.assert(
      fc.property(fc.array(anyUs, { maxLength: 30 }), (values) => {
        const expected = values.map((value) => {
          const session = all.find(
            (one) => one.extendedOpenMs * 1000 <= value && value < one.extendedCloseMs * 1000,
          )
          return session?.date ?? null
        })
        expect(sessionsOf(equityBars1m, values)).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })

  test('by midnight in New York, summer and winter, exactly', () => {
    const midnight = (date: string): number =>
      DateTime.fromISO(date, { zone: 'America/New_York' }).toMillis() * 1000
    const dates = ['2025-01-03', '2025-03-10', '2025-07-03', '2025-11-03']
    expect(sessionsOf(equityBars1d, dates.map(midnight))).toEqual(dates)
    expect(sessionsOf(equityBars1d, [midnight('2025-01-04'), midnight('2025-01-03') + 1])).toEqual([
      null,
      null,
    ])
    expect(sessionsOf(equityBars1d, [us('2025-07-03T05:00:00Z')])).toEqual([null])
  })

  test('by their date, dates without a session to the next one', () => {
    const values = ['2025-01-03', '2025-01-04', '2025-01-05', '2025-01-06', '2025-01-09', '2030-12-31'].map(
      dateToDays,
    )
    expect(sessionsOf(splits, values)).toEqual([
      '2025-01-03',
      '2025-01-06',
      '2025-01-06',
      '2025-01-06',
      '2025-01-10',
      '2030-12-31',
    ])
  })

  test.each([
    ['instant', equityBars1m],
    ['day', equityBars1d],
    ['date', splits],
  ])('nowhere, when null or beyond the calendar (%s)', (_, dataset) => {
    const values = [NaN, Infinity, -Infinity, 0, -1e18, 1e18, 1e300, -1e300, us('2031-06-02T14:30:00Z'), 0.5]
    expect(sessionsOf(dataset, values)).toEqual(values.map(() => null))
  })

  test('only if the batch has the column that says when', () => {
    const batch: Batch = { dataset: 'x', length: 0, schema: [], columns: {} }
    expect(() => sessionDates(equityBars1m, batch)).toThrow(SchemaError)
  })
})

test.each([equityBars1m, equityBars1d, splits])(
  'bounds of a session of $name are where its rows begin and end',
  (dataset) => {
    const step = dataset.eventKind === 'date' ? 1 : 1e6
    fc.assert(
      fc.property(fc.constantFrom(...all), ({ date }) => {
        const { from, to } = sessionBounds(dataset, date)
        const last = dataset.eventKind === 'day' ? from : to - step
        expect(sessionsOf(dataset, [from, last])).toEqual([date, date])
        const outside = [from - step, to].filter(
          (value) => dataset.eventKind !== 'date' || date > all[0]!.date || value >= to,
        )
        expect(sessionsOf(dataset, outside)).not.toContain(date)
      }),
      { numRuns: 300, examples: [[all[0]!]] },
    )
  },
)
