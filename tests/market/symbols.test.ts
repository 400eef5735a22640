import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { formatOptionSymbol, parseOptionSymbol, type OptionType } from '../../src/market/symbols.ts'
import { daysToDate } from '../../src/market/time.ts'

const anyTerms = fc.record({
  root: fc.stringMatching(/^[A-Z0-9]{1,6}$/),
  expiration: fc.integer({ min: 10_957, max: 47_481 }).map((days) => daysToDate(days)),
  type: fc.constantFrom<OptionType>('call', 'put'),
  strike: fc.integer({ min: 1, max: 99_999_999 }).map((thousandths) => thousandths / 1000),
})

describe('parseOptionSymbol', () => {
  test.each([
    ['O:SPY251219C00650000', 'SPY', 'SPY', '2025-12-19', 'call', 650],
    ['SPY251219P00650500', 'SPY', 'SPY', '2025-12-19', 'put', 650.5],
    ['O:SPXW251226C05900000', 'SPXW', 'SPX', '2025-12-26', 'call', 5900],
    ['O:NDXP250117P21000000', 'NDXP', 'NDX', '2025-01-17', 'put', 21_000],
    ['O:RUTW250117P02200000', 'RUTW', 'RUT', '2025-01-17', 'put', 2200],
    ['O:VIXW250122C00018500', 'VIXW', 'VIX', '2025-01-22', 'call', 18.5],
    ['O:AMD1250117C00100000', 'AMD1', 'AMD', '2025-01-17', 'call', 100],
    ['O:A220520C00065000', 'A', 'A', '2022-05-20', 'call', 65],
    ['O:2SPXW250117C05900000', '2SPXW', 'SPX', '2025-01-17', 'call', 5900],
    ['O:BRKB240229P00000500', 'BRKB', 'BRKB', '2024-02-29', 'put', 0.5],
    ['O:C250117C00012345', 'C', 'C', '2025-01-17', 'call', 12.345],
    ['O:P250117P99999999', 'P', 'P', '2025-01-17', 'put', 99_999.999],
  ])('reads %s', (symbol, root, underlying, expiration, type, strike) => {
    expect(parseOptionSymbol(symbol)).toEqual({ root, underlying, expiration, type, strike })
  })

  test.each([
    ['O:SPY250230C00650000', 'does not exist (2025-02-30)'],
    ['O:SPY251319C00650000', 'does not exist (2025-13-19)'],
    ['O:SPY230229C00650000', 'does not exist (2023-02-29)'],
    ['O:251219C00650000', 'has no root'],
    ['O:SPY25121XC00650000', 'does not end in'],
    ['O:SPY251219X00650000', 'does not end in'],
    ['O:SPY251219C0065000O', 'does not end in'],
    ['O:SPY251219c00650000', 'does not end in'],
    ['O:TOOLONG251219C00650000', 'has no root of 1 to 6'],
    ['O:spy251219C00650000', 'has no root of 1 to 6'],
    ['O:O:SPY251219C00650000', 'has no root of 1 to 6'],
    ['O:SPY251219C00000000', 'strike of zero'],
    ['SPY', 'does not end in'],
    ['', 'does not end in'],
  ])('refuses %j: %s', (symbol, why) => {
    expect(() => parseOptionSymbol(symbol)).toThrow(UsageError)
    expect(() => parseOptionSymbol(symbol)).toThrow(`option symbol '${symbol}' `)
    expect(() => parseOptionSymbol(symbol)).toThrow(why)
  })
})

describe('formatOptionSymbol', () => {
  test('writes what parseOptionSymbol reads, for every contract the form can hold', () => {
    fc.assert(
      fc.property(anyTerms, (terms) => {
        const symbol = formatOptionSymbol(terms)
        expect(symbol).toHaveLength(2 + terms.root.length + 15)
        expect(parseOptionSymbol(symbol)).toMatchObject(terms)
        expect(parseOptionSymbol(symbol.slice(2))).toMatchObject(terms)
      }),
      { numRuns: 1000 },
    )
  })

  test('takes the underlying for the root where no root is given', () => {
    const terms = { expiration: '2025-12-19', type: 'put', strike: 2.5 } as const
    expect(formatOptionSymbol({ ...terms, underlying: 'SPX' })).toBe('O:SPX251219P00002500')
    expect(formatOptionSymbol({ ...terms, root: 'SPXW', underlying: 'SPX' })).toBe('O:SPXW251219P00002500')
  })

  test.each([0, -1, 100_000, 1.2345, 0.0001, NaN, Infinity, 99_999.9999])(
    'refuses the strike %s',
    (strike) => {
      const terms = { root: 'SPY', expiration: '2025-12-19', type: 'call', strike } as const
      expect(() => formatOptionSymbol(terms)).toThrow(UsageError)
      expect(() => formatOptionSymbol(terms)).toThrow(`strike ${strike}`)
    },
  )

  test.each(['2025-02-30', '1999-12-17', '2100-01-15', '251219'])(
    'refuses the expiration %s',
    (expiration) => {
      const terms = { root: 'SPY', expiration, type: 'call', strike: 1 } as const
      expect(() => formatOptionSymbol(terms)).toThrow(UsageError)
      expect(() => formatOptionSymbol(terms)).toThrow(expiration)
    },
  )

  test.each(['', 'spy', 'TOOLONG', 'BRK.B'])('refuses the root %j', (root) => {
    const terms = { root, expiration: '2025-12-19', type: 'call', strike: 1 } as const
    expect(() => formatOptionSymbol(terms)).toThrow(`option root '${root}'`)
  })

  test.each([null, undefined, 250, {}])('refuses %j, which is no text', (symbol) => {
    expect(() => parseOptionSymbol(symbol as string)).toThrow(/is not a text/)
  })

  test('refuses a type that is neither call nor put', () => {
    const terms = { root: 'SPY', expiration: '2025-12-19', type: 'C' as 'call', strike: 1 }
    expect(() => formatOptionSymbol(terms)).toThrow("option type 'C' is not call or put")
  })
})
