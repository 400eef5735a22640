import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodePlaces, encodePlaces, Presence, runsOf } from '../../src/lake/presence.ts'
import { equityBars1d, equityBars1h, equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { optionBars1m } from '../../src/market/datasets/options.ts'
import { barRows, batchFor, BARS } from '../support/lake.ts'

const places = fc.uniqueArray(fc.nat(389), { maxLength: 390 }).map((all) => all.sort((a, b) => a - b))

describe('places without a row', () => {
  test('come back from their text as they were', () => {
    fc.assert(fc.property(places, (all) => void expect(decodePlaces(encodePlaces(all))).toEqual(all)))
  })

  test('take few characters: none for a whole session, a bitmap where there are many', () => {
    fc.assert(fc.property(places, (all) => encodePlaces(all).length <= 69))
    expect(encodePlaces([])).toBe('')
    expect(encodePlaces([3, 17, 18, 19])).toBe('3,17-19')
  })

  test('that make no sense are left out, so that an edited ledger breaks nothing', () => {
    expect(decodePlaces('x,5-3,-1,7,1-99999999,')).toEqual([7])
  })

  test('become runs of neighbours', () => {
    expect(runsOf([0, 1, 2, 5, 7, 8])).toEqual([
      [0, 2],
      [5, 5],
      [7, 8],
    ])
  })
})

describe('the presence of a session', () => {
  test('counts rows by minute of the regular hours, of an early close too', () => {
    const whole = Presence.of(equityBars1m, '2025-01-03')!
    whole.add(batchFor(BARS, barRows('2025-01-03', 470, 3)))
    expect(whole.rows.length).toBe(390)
    expect(whole.absent()[0]).toBe(3)
    expect(Presence.of(equityBars1m, '2024-12-24')!.rows.length).toBe(210)
  })

  test('has the bars of an hour that overlap the regular hours', () => {
    const { buckets } = Presence.of(equityBars1h, '2025-01-03')!
    expect(buckets.count).toBe(7)
    expect(new Date(buckets.startMs).toISOString()).toBe('2025-01-03T14:00:00.000Z')
  })

  test('is unknown for days, for options and where the exchange was closed', () => {
    expect(Presence.of(equityBars1d, '2025-01-03')).toBeUndefined()
    expect(Presence.of(optionBars1m, '2025-01-03')).toBeUndefined()
    expect(Presence.of(equityBars1m, '2025-01-04')).toBeUndefined()
  })
})
