import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowAt, type Batch } from '../../src/core/batch.ts'
import { SchemaError } from '../../src/core/errors.ts'
import { collect } from '../../src/core/flow.ts'
import { equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { dedup, type DedupOptions } from '../../src/stages/dedup.ts'
import { stageContract } from '../contracts/stage-contract.ts'
import { bars, flowOf, MINUTE_US, OPEN_US, type BarChanges } from './bars.ts'

interface Outcome {
  readonly batches: readonly Batch[]
  readonly dropped: number
}

async function run(batches: readonly Batch[], options: DedupOptions = {}): Promise<Outcome> {
  let dropped = 0
  const stage = dedup(equityBars1m, { ...options, onDuplicate: (count) => (dropped += count) })
  return { batches: await collect(stage(flowOf(...batches))), dropped }
}

/** Minute and close of every row, batch by batch. */
const closes = ({ batches }: Outcome): unknown =>
  batches.map((batch) =>
    Array.from({ length: batch.length }, (_, row) => {
      const { timestamp, close } = rowAt(batch, row)
      return [(Number(timestamp) - OPEN_US) / MINUTE_US, close]
    }),
  )

const bar = (minute: number, close = 11): BarChanges => ({ minute, close })

describe('dedup', () => {
  stageContract(() => dedup(equityBars1m), {
    empty: () => bars(),
    batch: (n) => bars({ minute: 2 * n }, { minute: 2 * n + 1 }),
  })

  test('sorts a batch by the key and keeps the last given of rows with the same key', async () => {
    const outcome = await run([bars(bar(3), bar(1, 10), bar(2), bar(1, 12), bar(3))])
    expect(closes(outcome)).toEqual([
      [
        [1, 12],
        [2, 11],
        [3, 11],
      ],
    ])
    expect(outcome.dropped).toBe(2)
  })

  test('drops a row of an earlier batch that comes again unchanged', async () => {
    const outcome = await run([bars(bar(1), bar(2)), bars(bar(2), bar(3)), bars(bar(1), bar(2), bar(3))])
    expect(closes(outcome)).toEqual([
      [
        [1, 11],
        [2, 11],
      ],
      [[3, 11]],
    ])
    expect(outcome.dropped).toBe(4)
  })

  test('passes a row of an earlier batch on when its values changed, and when they change back', async () => {
    const outcome = await run([bars(bar(1, 10)), bars(bar(1, 12)), bars(bar(1, 12)), bars(bar(1, 10))])
    expect(closes(outcome)).toEqual([[[1, 10]], [[1, 12]], [[1, 10]]])
    expect(outcome.dropped).toBe(1)
  })

  test('takes null for equal to null', async () => {
    const outcome = await run([bars({ vwap: NaN }), bars({ vwap: NaN }), bars({ vwap: 10 })])
    expect(outcome.batches).toHaveLength(2)
  })

  test('tells tickers apart, whatever their dictionaries', async () => {
    const outcome = await run([
      bars({ ticker: 'SPY', minute: 1 }, { ticker: 'QQQ', minute: 1 }),
      bars({ ticker: 'SPY', minute: 1 }, { ticker: 'IWM', minute: 1 }),
      bars({ minute: 1 }),
    ])
    const tickers = outcome.batches.map((batch) =>
      [...Array(batch.length).keys()].map((row) => rowAt(batch, row)['ticker']),
    )
    expect(tickers).toEqual([['QQQ', 'SPY'], ['IWM']])
    expect(outcome.dropped).toBe(2)
  })

  test('forgets rows beyond its window, and passes them on again', async () => {
    const batches = [bars(bar(1), bar(2)), bars(bar(3), bar(4)), bars(bar(5), bar(6)), bars(bar(1), bar(6))]
    expect(closes(await run(batches, { windowRows: 2 }))).toEqual([
      [
        [1, 11],
        [2, 11],
      ],
      [
        [3, 11],
        [4, 11],
      ],
      [
        [5, 11],
        [6, 11],
      ],
      [[1, 11]],
    ])
    expect((await run(batches, { windowRows: 6 })).dropped).toBe(2)
  })

  test('remembers rows that came one by one, out of order', async () => {
    const minutes = Array.from({ length: 500 }, (_, i) => (i * 37) % 500)
    const singles = minutes.map((minute) => bars(bar(minute)))
    const outcome = await run([...singles, ...singles])
    expect(outcome.batches).toHaveLength(500)
    expect(outcome.dropped).toBe(500)
  })

  const anyBatches = fc.array(
    fc.array(
      fc.record({ minute: fc.integer({ min: 0, max: 25 }), close: fc.integer({ min: 10, max: 11 }) }),
      {
        minLength: 1,
        maxLength: 20,
      },
    ),
    { maxLength: 12 },
  )

  test('yields what a map from key to value would call new, in order, each key once per batch', async () => {
    await fc.assert(
      fc.asyncProperty(anyBatches, async (given) => {
        const known = new Map<number, number>()
        const expected: number[][][] = []
        for (const rows of given) {
          const last = new Map(rows.map(({ minute, close }) => [minute, close] as const))
          const fresh = [...last].filter(([minute, close]) => known.get(minute) !== close)
          for (const [minute, close] of fresh) known.set(minute, close)
          if (fresh.length > 0) expected.push(fresh.sort(([a], [b]) => a - b).map(([...row]) => row))
        }
        const outcome = await run(given.map((rows) => bars(...rows)))
        expect(closes(outcome)).toEqual(expected)
        const rows = given.reduce((sum, batch) => sum + batch.length, 0)
        expect(outcome.dropped).toBe(rows - expected.reduce((sum, batch) => sum + batch.length, 0))
      }),
      { numRuns: 300 },
    )
  })

  test('refuses a batch without its key column, naming it', async () => {
    const batch = bars({}, {})
    const schema = batch.schema.filter(({ name }) => name !== 'timestamp')
    await expect(run([{ ...batch, schema }])).rejects.toThrow(SchemaError)
    await expect(run([{ ...batch, schema }])).rejects.toThrow('equity_bars_1m.timestamp')
  })
})
