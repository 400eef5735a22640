import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { underlyingNamed } from '../../src/market/underlyings.ts'

describe('an underlying', () => {
  test.each([
    ['SPY', { symbol: 'SPY', ticker: 'SPY', isIndex: false }],
    ['BRK.B', { symbol: 'BRK.B', ticker: 'BRK.B', isIndex: false }],
    ['SPX', { symbol: 'SPX', ticker: 'I:SPX', isIndex: true }],
    ['I:SPX', { symbol: 'SPX', ticker: 'I:SPX', isIndex: true }],
    ['I:ABC', { symbol: 'ABC', ticker: 'I:ABC', isIndex: true }],
  ])('may be written %s', (text, expected) => {
    expect(underlyingNamed(text)).toEqual(expected)
  })

  test.each(['', 'spy', '../etc', 'O:SPY250103C00585000', 'I:', 'TOOLONGNAME1'])('is never %j', (text) => {
    expect(() => underlyingNamed(text)).toThrow(UsageError)
  })

  test.each([
    ['SPXW', 'SPX'],
    ['AMD1', 'AMD'],
  ])('is not %s, a root of options on %s, which is named', (root, owner) => {
    expect(() => underlyingNamed(root)).toThrow(`'${root}' is a root of options on ${owner}`)
  })
})
