import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { calendarOf } from '../../../src/market/calendar/index.ts'
import { parseFault } from '../../../src/simulator/index.ts'
import { isWithin, momentsOf } from '../../../src/simulator/socket/moments.ts'
import { at } from './support.ts'

const calendar = calendarOf('XNYS')

describe('the moments of a fault', () => {
  test('are at the New York time that was asked, on either side of a change of the clocks', () => {
    const fault = parseFault('cut:at=10:30:15,for=7')
    for (const [date, offset] of [
      ['2025-03-07', '-05:00'],
      ['2025-03-10', '-04:00'],
    ] as const) {
      const fromMs = at(date, '10:30:15', offset)
      expect(momentsOf(fault, 0, 1, calendar.on(date)!)).toEqual([{ fromMs, toMs: fromMs + 7000 }])
    }
  })

  test('lie within the regular hours, ascending, and last as long as was asked, whatever the seed', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 500 }),
        (seed, times, least) => {
          const session = calendar.on('2025-07-03')!
          const fault = parseFault(`silence:times=${times},for=${least}-${least + 90}`)
          const moments = momentsOf(fault, 3, seed, session)
          expect(moments).toHaveLength(times)
          expect(moments).toEqual(momentsOf(fault, 3, seed, session))
          for (const [i, { fromMs, toMs }] of moments.entries()) {
            expect(fromMs).toBeGreaterThanOrEqual(moments[i - 1]?.fromMs ?? session.openMs)
            expect(fromMs).toBeLessThan(session.closeMs)
            expect(toMs - fromMs).toBeGreaterThanOrEqual(least * 1000)
            expect(toMs - fromMs).toBeLessThanOrEqual((least + 90) * 1000)
          }
        },
      ),
    )
  })

  test('come once a session where nothing was said, and on their day only', () => {
    const session = calendar.on('2025-06-03')!
    expect(momentsOf(parseFault('cut'), 0, 1, session)).toHaveLength(1)
    expect(momentsOf(parseFault('cut:day=2025-06-04,at=10:00'), 0, 1, session)).toEqual([])
  })

  test('of frames end when they should', () => {
    const session = calendar.on('2025-06-03')
    const fault = parseFault('corrupt-frames:at=10:00,for=60')
    const within = (time: string): boolean => isWithin(fault, session, at('2025-06-03', time))
    expect(['09:59:59', '10:00', '10:00:59', '10:01'].map(within)).toEqual([false, true, true, false])
    expect(isWithin(fault, undefined, at('2025-06-03', '10:00'))).toBe(false)
  })
})
