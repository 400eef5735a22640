import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeTicker,
  encodeTicker,
  ledgerPath,
  nextLedgerPath,
  partitionOf,
  quarantinePath,
  segmentPath,
} from '../../src/lake/layout.ts'
import { equityBars1d, equityBars1h, equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { equityTrades } from '../../src/market/datasets/equity-ticks.ts'

const anyTicker = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })

describe('where things lie', () => {
  test('any ticker becomes one path component that leads nowhere else and comes back as it was', () => {
    fc.assert(
      fc.property(anyTicker, (ticker) => {
        const component = encodeTicker(ticker)
        expect(component).toMatch(/^(?:[A-Za-z0-9\-_.]|%[0-9A-F]{2})+$/)
        expect(component).not.toMatch(/^\./)
        expect(decodeTicker(component)).toBe(ticker)
      }),
    )
  })

  test('two tickers never share a file', () => {
    fc.assert(
      fc.property(anyTicker, anyTicker, (one, other) => {
        fc.pre(one !== other)
        const paths = [one, other].flatMap((ticker) => {
          const series = { dataset: equityBars1m, ticker }
          return [ledgerPath(series), nextLedgerPath(series), segmentPath(series, '2025-01')]
        })
        expect(new Set(paths).size).toBe(6)
      }),
    )
  })

  test('bars lie by month, ticks by session, hours by year, days in one file', () => {
    const path = (dataset: typeof equityBars1m) =>
      segmentPath({ dataset, ticker: 'I:VIX' }, partitionOf(dataset, '2025-01-03'))
    expect([equityBars1m, equityTrades, equityBars1h, equityBars1d].map(path)).toEqual([
      'lake/equity_bars_1m/ticker=I%3AVIX/month=2025-01/equity_bars_1m-I%3AVIX-2025-01.parquet',
      'lake/equity_trades/ticker=I%3AVIX/date=2025-01-03/equity_trades-I%3AVIX-2025-01-03.parquet',
      'lake/equity_bars_1h/ticker=I%3AVIX/year=2025/equity_bars_1h-I%3AVIX-2025.parquet',
      'lake/equity_bars_1d/ticker=I%3AVIX/equity_bars_1d-I%3AVIX-all.parquet',
    ])
  })

  test('ledgers and quarantine lie outside the lake', () => {
    const series = { dataset: equityTrades, ticker: 'BRK.B' }
    expect(ledgerPath(series)).toBe('ledger/equity_trades/BRK.B.json')
    expect(nextLedgerPath(series)).toBe('ledger/equity_trades/BRK.B.next')
    expect(quarantinePath(series, '2025-01-03')).toBe(
      'quarantine/equity_trades/ticker=BRK.B/2025-01-03.jsonl',
    )
  })
})
