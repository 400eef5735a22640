import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keysRead, openReader, type LakeReader } from '../../../src/lake/reader/index.ts'

let reader: LakeReader
beforeAll(async () => {
  reader = await openReader({ views: [], tempDirectory: '/tmp/tapelake-scratch', threads: 1 })
})
afterAll(() => reader.close())

/** What a statement can read of the view `bars`, whose key is `ticker`. */
async function read(sql: string): Promise<readonly string[] | 'all'> {
  const keys = keysRead(await reader.syntaxTree(sql), 'bars', 'ticker')
  return keys === 'all' ? keys : [...keys].sort()
}

describe('the series that a statement can read', () => {
  test.each([
    ["FROM bars WHERE ticker = 'SPY'", ['SPY']],
    ["SELECT close FROM bars WHERE 'SPY' = Ticker AND close > 1;", ['SPY']],
    ["FROM bars WHERE ticker IN ('SPY', 'QQQ') AND (close > 1 OR volume > 2)", ['QQQ', 'SPY']],
    ["FROM bars WHERE ticker = 'A' OR (ticker = 'B' AND close > 1)", ['A', 'B']],
    ["FROM bars WHERE ticker IN ('A', 'B') AND ticker IN ('B', 'C')", ['B']],
    ["SELECT * FROM bars b JOIN days d USING (ticker) WHERE b.ticker = 'SPY'", ['SPY']],
    ["SELECT * FROM days d JOIN bars b USING (ticker) WHERE ticker = 'SPY'", ['SPY']],
    ["SELECT * FROM days d LEFT JOIN bars ON d.t = bars.t WHERE bars.ticker = 'SPY'", ['SPY']],
    ["WITH x AS (FROM bars WHERE ticker = 'A') FROM x UNION ALL FROM bars WHERE ticker = 'B'", ['A', 'B']],
    ["SUMMARIZE FROM bars WHERE ticker = 'SPY'", ['SPY']],
    ["SELECT 'x' FROM bars WHERE ticker = 'it''s'", ["it's"]],
  ])('%s', async (sql, keys) => {
    expect(await read(sql)).toEqual(keys)
  })

  test.each([
    ["FROM bars WHERE ticker <> 'ODD'"],
    ["FROM bars WHERE ticker NOT IN ('ODD')"],
    ["FROM bars WHERE NOT ticker = 'ODD'"],
    ["FROM bars WHERE ticker >= 'ODD'"],
    ["FROM bars WHERE ticker = 'ODD' OR ticker LIKE 'ST%'"],
    ["FROM bars WHERE ticker = 'ODD' OR close > 1"],
    ["SELECT ticker = 'ODD' FROM bars"],
    ["FROM bars WHERE ticker = lower('ODD')"],
    ["FROM bars -- WHERE ticker = 'ODD'"],
    ["FROM bars WHERE close IN (SELECT close FROM bars WHERE ticker = 'ODD')"],
    ["SELECT * FROM days d LEFT JOIN bars b USING (ticker) WHERE d.ticker = 'ODD'"],
    ["SELECT * FROM days d JOIN bars b ON d.t = b.t WHERE d.ticker = 'ODD'"],
    ["SELECT (SELECT sum(b.volume) FROM bars b WHERE a.ticker = 'SPY') FROM bars a WHERE a.ticker = 'SPY'"],
    ["SELECT * FROM days a, LATERAL (SELECT * FROM bars WHERE a.ticker = 'SPY') x"],
    ["SELECT * FROM bars b JOIN bars ON b.t = bars.t WHERE bars.ticker = 'SPY'"],
    ["FROM bars AS b(x, ticker) WHERE ticker = 'SPY'"],
    ["SELECT * FROM (SELECT {'ticker': 'SPY'} AS r) CROSS JOIN bars WHERE r.ticker = 'SPY'"],
    ["FROM query_table('bars') WHERE ticker = 'ODD'"],
    ["DESCRIBE SELECT * FROM bars WHERE ticker = 'ODD' OR true"],
    ['no SQL at all'],
  ])('are all where its conditions leave it open: %s', async (sql) => {
    expect(await read(sql)).toBe('all')
  })
})
