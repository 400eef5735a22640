import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { strikeWindow } from '../../src/market/strike-window.ts'

describe('the strikes around a price', () => {
  test.each([
    [100, 0.1, 90, 110],
    [586.35, 0.01, 580.487, 592.213],
    [500, 0.01, 495, 505],
    [110, 0.1, 99, 121],
    [0.3, 0.1, 0.27, 0.33],
    [12001.69552583921, 0.01, 11881.679, 12121.712],
    [7, 0, 7, 7],
    [50, 1, 0, 100],
    [50, 2, 0, 150],
    [0.0000005, 0.5, 0.001, 0],
  ])('%d within a ratio of %d lie from %d to %d, edges included', (price, ratio, low, high) => {
    expect(strikeWindow(price, ratio)).toEqual({ low, high })
  })

  test('are exactly those that whole-number arithmetic finds', () => {
    const cents = fc.integer({ min: 1, max: 2_000_000 })
    const basisPoints = fc.integer({ min: 0, max: 9_999 })
    fc.assert(
      fc.property(cents, basisPoints, (price, ratio) => {
        const { low, high } = strikeWindow(price / 100, ratio / 10_000)
        // price · (1 ± ratio) in units of 0.000001 USD; strikes in units of 0.001
        const [from, to] = [price * (10_000 - ratio), price * (10_000 + ratio)]
        expect(Math.round(low * 1000)).toBe(Math.ceil(from / 1000))
        expect(Math.round(high * 1000)).toBe(Math.floor(to / 1000))
      }),
    )
  })

  test.each([
    [0, 0.01],
    [-1, 0.01],
    [NaN, 0.01],
    [Infinity, 0.01],
    [100, -0.01],
    [100, NaN],
  ])('cannot be told for a price of %d and a ratio of %d', (price, ratio) => {
    expect(() => strikeWindow(price, ratio)).toThrow(UsageError)
  })
})
