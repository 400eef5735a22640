import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NS_NULL, rowAt, stringColumn, type Batch } from '../../src/core/batch.ts'
import { SchemaError } from '../../src/core/errors.ts'
import { collect, type Refusal } from '../../src/core/flow.ts'
import type { DatasetDefinition } from '../../src/market/dataset.ts'
import { dividends } from '../../src/market/datasets/corporate-actions.ts'
import { equityBars1d, equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { equityTrades } from '../../src/market/datasets/equity-ticks.ts'
import { validate, type ValidateOptions } from '../../src/stages/validate.ts'
import { stageContract } from '../contracts/stage-contract.ts'
import { bars, flowOf, MINUTE_US, OPEN_US, type BarChanges } from './bars.ts'

interface Verdict {
  readonly kept: readonly Batch[]
  readonly refused: readonly { readonly batch: Batch; readonly refusals: readonly Refusal[] }[]
}

async function judge(
  dataset: DatasetDefinition,
  batches: readonly Batch[],
  options: Omit<ValidateOptions, 'onRefused'> = {},
): Promise<Verdict> {
  const refused: { batch: Batch; refusals: readonly Refusal[] }[] = []
  const stage = validate(dataset, {
    ...options,
    onRefused: (batch, refusals) => refused.push({ batch, refusals }),
  })
  return { kept: await collect(stage(flowOf(...batches))), refused }
}

const refusalsOf = async (batch: Batch, options: Omit<ValidateOptions, 'onRefused'> = {}) => {
  const { refused } = await judge(equityBars1m, [batch], options)
  return refused.flatMap(({ refusals }) => refusals)
}

describe('validate', () => {
  stageContract(
    () =>
      validate(equityBars1m, {
        ticker: 'SPY',
        onRefused: () => expect.unreachable('good rows are refused'),
      }),
    { empty: () => bars(), batch: (n) => bars({ minute: 2 * n }, { minute: 2 * n + 1 }) },
  )

  const badBars: [BarChanges, string, string][] = [
    [{ open: NaN }, 'missing_value', 'open is missing'],
    [{ close: Infinity }, 'missing_value', 'close Infinity is not a finite number'],
    [{ volume: NaN }, 'missing_value', 'volume is missing'],
    [{ timestamp: NaN }, 'missing_value', 'timestamp is missing'],
    [{ low: 0, open: 9 }, 'price_not_positive', 'low 0 is not above zero'],
    [{ open: -1 }, 'price_not_positive', 'open -1 is not above zero'],
    [{ vwap: 0 }, 'price_not_positive', 'vwap 0 is not above zero'],
    [{ vwap: Infinity }, 'price_not_positive', 'vwap Infinity is not a finite number'],
    [{ vwap: -Infinity }, 'price_not_positive', 'vwap -Infinity is not a finite number'],
    [{ volume: -5 }, 'volume_negative', 'volume -5 is negative'],
    [{ trade_count: -1 }, 'volume_negative', 'trade_count -1 is negative'],
    [{ trade_count: Infinity }, 'volume_negative', 'trade_count Infinity is not a finite number'],
    [{ trade_count: 1.5 }, 'count_not_whole', 'trade_count 1.5 is not a whole number within ±2^53'],
    [{ trade_count: 2 ** 53 }, 'count_not_exact', 'trade_count 9007199254740992 is beyond ±2^53'],
    [{ trade_count: -(2 ** 60) }, 'count_not_exact', 'trade_count -1152921504606847000 is beyond ±2^53'],
    [{ high: 10.2, low: 11 }, 'high_below_low', 'high 10.2 is below low 11'],
    [{ open: 13 }, 'open_above_high', 'high 12 is below open 13'],
    [{ open: 8 }, 'open_below_low', 'open 8 is below low 9'],
    [{ close: 13 }, 'close_above_high', 'high 12 is below close 13'],
    [{ close: 8 }, 'close_below_low', 'close 8 is below low 9'],
    [
      { timestamp: OPEN_US + MINUTE_US / 2 },
      'not_aligned',
      'timestamp 2025-01-03T14:30:30.000Z does not start on a multiple of 60 s',
    ],
    [{ timestamp: OPEN_US + 0.5 }, 'not_aligned', 'does not start on a multiple of 60 s'],
    [
      { timestamp: OPEN_US + 24 * 60 * MINUTE_US },
      'outside_session',
      'timestamp 2025-01-04T14:30:00.000Z lies in no session of XNYS',
    ],
    [{ timestamp: 0 }, 'outside_session', 'timestamp 1970-01-01T00:00:00.000Z lies in no session of XNYS'],
    [{ timestamp: -6e7 }, 'outside_session', 'timestamp 1969-12-31T23:59:00.000Z lies in no session of XNYS'],
    [{ timestamp: 6e20 }, 'outside_session', 'timestamp 600000000000000000000 µs lies in no session of XNYS'],
  ]
  test.each(badBars.map(([change, rule, reason]) => [rule, reason, change] as const))(
    'refuses a bar as %s: %s',
    async (rule, reason, change) => {
      const refusals = await refusalsOf(bars({ minute: 1 }, change, { minute: 2 }))
      expect(refusals).toEqual([{ row: 1, rule, reason: expect.stringContaining(reason) as unknown }])
    },
  )

  test.each<[string, BarChanges]>([
    ['a vwap outside the range', { vwap: 20 }],
    ['the greatest count that is exact', { trade_count: 2 ** 53 - 1 }],
    ['no vwap and no count', { vwap: NaN, trade_count: NaN }],
    ['no volume at all', { volume: 0, trade_count: 0 }],
    ['one price for everything', { open: 9, high: 9, low: 9, close: 9 }],
    ['the first minute of the pre-market', { timestamp: Date.parse('2025-01-03T09:00:00Z') * 1000 }],
    ['the last minute after hours', { timestamp: Date.parse('2025-01-04T00:59:00Z') * 1000 }],
  ])('accepts a bar with %s', async (_, change) => {
    expect(await refusalsOf(bars(change))).toEqual([])
  })

  test('gives a row that breaks several rules the first of them, in the order of the dataset', async () => {
    const refusals = await refusalsOf(bars({ open: -1, high: 1, low: 2, timestamp: OPEN_US + 1 }))
    expect(refusals.map(({ rule }) => rule)).toEqual(['price_not_positive'])
  })

  test('keeps the good rows of a batch in order, and hands over the refused ones once', async () => {
    const batch = bars({}, { open: NaN }, {}, { low: 99 }, {})
    const { kept, refused } = await judge(equityBars1m, [batch])
    expect(kept.map((part) => Array.from({ length: part.length }, (_, row) => rowAt(part, row)))).toEqual([
      [rowAt(batch, 0), rowAt(batch, 2), rowAt(batch, 4)],
    ])
    expect(refused).toHaveLength(1)
    expect(refused[0]!.batch).toBe(batch)
    expect(refused[0]!.refusals.map(({ row }) => row)).toEqual([1, 3])
  })

  test('yields nothing of a batch that is bad throughout', async () => {
    const { kept, refused } = await judge(equityBars1m, [bars({ open: 0 }, { close: NaN }), bars({})])
    expect(kept).toHaveLength(1)
    expect(refused[0]!.refusals).toHaveLength(2)
  })

  test('refuses rows of another ticker than the one asked for, before anything else', async () => {
    const batch = bars({ ticker: 'SPY' }, { ticker: 'AAPL', open: -1 }, { ticker: 'SPY' })
    expect(await refusalsOf(batch, { ticker: 'SPY' })).toEqual([
      { row: 1, rule: 'wrong_ticker', reason: 'ticker AAPL is not the SPY asked for' },
    ])
    expect(await refusalsOf(bars({ ticker: 'QQQ' }, { ticker: 'AAPL' }))).toEqual([])
  })

  test('refuses rows without a ticker', async () => {
    const batch = { ...bars({}, {}, {}) }
    const columns = { ...batch.columns, ticker: stringColumn(['SPY', null, '']) }
    const refusals = await refusalsOf({ ...batch, columns })
    expect(refusals).toEqual([
      { row: 1, rule: 'missing_value', reason: 'ticker is missing' },
      { row: 2, rule: 'missing_value', reason: 'ticker is missing' },
    ])
    expect((await refusalsOf({ ...batch, columns }, { ticker: 'SPY' })).map(({ rule }) => rule)).toEqual([
      'wrong_ticker',
      'wrong_ticker',
    ])
  })

  test('leaves sessions unchecked when told so', async () => {
    const weekend = bars({ timestamp: OPEN_US + 24 * 60 * MINUTE_US })
    expect(await refusalsOf(weekend, { checkSession: false })).toEqual([])
  })

  test('accepts a day bar at midnight of a session in New York and at no other instant', async () => {
    const at = (iso: string): BarChanges => ({ timestamp: Date.parse(iso) * 1000 })
    const instants = [
      '2025-01-03T05:00:00Z',
      '2025-07-03T04:00:00Z',
      '2025-01-03T00:00:00Z',
      '2025-01-04T05:00:00Z',
    ]
    const batch = { ...bars(...instants.map(at)), dataset: equityBars1d.name }
    const { refused } = await judge(equityBars1d, [batch])
    expect(refused[0]!.refusals.map(({ row, rule }) => [row, rule])).toEqual([
      [2, 'outside_session'],
      [3, 'outside_session'],
    ])
  })

  const anyValue = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 8, max: 14 }) },
    fc.constantFrom(NaN, 0, -1, Infinity, -Infinity, 1.5),
  )
  const anyBar: fc.Arbitrary<BarChanges> = fc.record({
    minute: fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: -330, max: 628 }) },
      fc.constantFrom(0.5, 900),
    ),
    open: anyValue,
    high: anyValue,
    low: anyValue,
    close: anyValue,
    volume: anyValue,
    vwap: anyValue,
    trade_count: anyValue,
  })

  test('keeps exactly the bars that a plain reading of the rules keeps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyBar, { minLength: 1, maxLength: 40 }), async (changes) => {
        const { kept, refused } = await judge(equityBars1m, [bars(...changes)])
        const bad = changes.flatMap((bar, row) => (isGoodBar(bar) ? [] : [row]))
        expect(refused.flatMap(({ refusals }) => refusals.map(({ row }) => row))).toEqual(bad)
        expect(kept.reduce((rows, batch) => rows + batch.length, 0)).toBe(changes.length - bad.length)
      }),
      { numRuns: 300 },
    )
  })

  /** The rules once more, written row by row. Minutes -330 to 629 lie in the session of 2025-01-03. */
  function isGoodBar(bar: BarChanges): boolean {
    const { open = 0, high = 0, low = 0, close = 0, volume = 0, vwap = 0, trade_count = 0, minute = 0 } = bar
    const optional = (value: number, test: (known: number) => boolean): boolean =>
      Number.isNaN(value) || (Number.isFinite(value) && test(value))
    return (
      [open, high, low, close].every((price) => Number.isFinite(price) && price > 0) &&
      Number.isFinite(volume) &&
      volume >= 0 &&
      optional(vwap, (price) => price > 0) &&
      optional(trade_count, (count) => count >= 0 && Number.isInteger(count)) &&
      low <= Math.min(open, close, high) &&
      high >= Math.max(open, close) &&
      Number.isInteger(minute) &&
      minute < 630
    )
  }
})

describe('validate, on trades', () => {
  const trade = (changes: Partial<Batch['columns']>): Batch => {
    const whole = Float64Array.of(1, 2)
    const columns: Batch['columns'] = {
      ticker: stringColumn(['SPY', 'SPY']),
      timestamp: Float64Array.of(OPEN_US, OPEN_US + 1),
      sip_timestamp_ns: BigInt64Array.of(BigInt(OPEN_US) * 1000n, BigInt(OPEN_US) * 1000n + 1_001n),
      participant_timestamp_ns: BigInt64Array.of(NS_NULL, NS_NULL),
      trf_timestamp_ns: BigInt64Array.of(NS_NULL, NS_NULL),
      sequence_number: whole,
      price: Float64Array.of(580.25, 580.26),
      size: Float64Array.of(100, 0.5),
      exchange: whole,
      conditions: { offsets: Uint32Array.of(0, 0, 2), values: Int32Array.of(12, 37) },
      id: stringColumn(['a', 'b']),
      tape: whole,
      trf_id: Float64Array.of(NaN, 201),
      correction: Float64Array.of(NaN, NaN),
      ...(changes as Batch['columns']),
    }
    return { dataset: equityTrades.name, length: 2, schema: equityTrades.columns, columns }
  }

  test('accepts good ones, exact nanoseconds and absent lists included', async () => {
    const batch = trade({})
    const { kept, refused } = await judge(equityTrades, [batch])
    expect(refused).toEqual([])
    expect(kept[0]).toBe(batch)
  })

  test('names the number that is beyond 2^53, in a column that may be null too', async () => {
    const sequence = trade({ sequence_number: Float64Array.of(2 ** 53 - 1, 2 ** 53) })
    const correction = trade({ correction: Float64Array.of(-(2 ** 53), NaN) })
    const { refused } = await judge(equityTrades, [sequence, correction])
    const reason = (value: string) => `${value} is beyond ±2^53 and not kept exactly`
    expect(refused.map(({ refusals }) => refusals)).toEqual([
      [{ row: 1, rule: 'count_not_exact', reason: reason('sequence_number 9007199254740992') }],
      [{ row: 0, rule: 'count_not_exact', reason: reason('correction -9007199254740992') }],
    ])
  })

  test('refuses one without the exact time of the feed, without an id, or between two sessions', async () => {
    const noTime = trade({ sip_timestamp_ns: BigInt64Array.of(NS_NULL, 1n) })
    const noId = trade({ id: stringColumn(['a', '']) })
    const night = trade({ timestamp: Float64Array.of(OPEN_US, Date.parse('2025-01-04T01:00:00Z') * 1000) })
    const { refused } = await judge(equityTrades, [noTime, noId, night])
    expect(refused.map(({ refusals }) => refusals)).toEqual([
      [{ row: 0, rule: 'missing_value', reason: 'sip_timestamp_ns is missing' }],
      [{ row: 1, rule: 'missing_value', reason: 'id is missing' }],
      [
        {
          row: 1,
          rule: 'outside_session',
          reason: 'timestamp 2025-01-04T01:00:00.000Z lies in no session of XNYS',
        },
      ],
    ])
  })
})

describe('validate, on rules that no dataset has today', () => {
  const dataset: DatasetDefinition = {
    ...dividends,
    rules: [
      { kind: 'one_of', name: 'unknown_type', column: 'dividend_type', values: ['CD', 'SC'] },
      { kind: 'ordered', name: 'paid_before_ex', low: 'ex_dividend_date', high: 'pay_date' },
    ],
  }
  const dividend = (type: string | null, exDays: number, payDays: number): Batch => ({
    dataset: dataset.name,
    length: 1,
    schema: dataset.columns,
    columns: {
      ticker: stringColumn(['SPY']),
      ex_dividend_date: Float64Array.of(exDays),
      cash_amount: Float64Array.of(1.5),
      currency: stringColumn([null]),
      declaration_date: Float64Array.of(NaN),
      record_date: Float64Array.of(NaN),
      pay_date: Float64Array.of(payDays),
      frequency: Float64Array.of(4),
      dividend_type: stringColumn([type]),
      id: stringColumn([null]),
    },
  })

  test.each([
    [dividend('XX', 20_000, 20_010), 'unknown_type', 'dividend_type XX is none of CD, SC'],
    [dividend(null, 20_000, 20_010), 'missing_value', 'dividend_type is missing'],
    [
      dividend('CD', 20_000, 19_999),
      'paid_before_ex',
      'pay_date 2024-10-03 is below ex_dividend_date 2024-10-04',
    ],
    [dividend('CD', 20_000, -1e9), 'paid_before_ex', 'pay_date day -1000000000 is below'],
  ])('refuses what breaks them (%#)', async (batch, rule, reason) => {
    const { refused } = await judge(dataset, [batch])
    expect(refused[0]!.refusals).toEqual([
      { row: 0, rule, reason: expect.stringContaining(reason) as unknown },
    ])
  })

  test('lets null pass where the column may be null', async () => {
    expect((await judge(dataset, [dividend('SC', 20_000, NaN)])).refused).toEqual([])
  })

  test.each<[string, DatasetDefinition['rules'][number]]>([
    ['an unknown column', { kind: 'positive', name: 'x', columns: ['price'] }],
    ['text taken for a number', { kind: 'whole', name: 'x', columns: ['currency'] }],
    ['a number taken for text', { kind: 'one_of', name: 'x', column: 'frequency', values: ['1'] }],
    ['a date taken for an instant', { kind: 'aligned', name: 'x', seconds: 60 }],
  ])('refuses a dataset with a rule on %s at once', (_, rule) => {
    expect(() => validate({ ...dataset, rules: [rule] }, { onRefused: () => undefined })).toThrow(SchemaError)
  })

  test('reads nanoseconds as numbers, null among them', async () => {
    const columns = [
      { name: 'ticker', type: 'string', nullable: false, description: '' },
      { name: 'seen_ns', type: 'ns', nullable: true, description: '' },
      { name: 'codes', type: 'int_list', nullable: false, description: '' },
    ] as const
    const rules = [{ kind: 'not_negative', name: 'negative', columns: ['seen_ns'] }] as const
    const batch: Batch = {
      dataset: 'seen',
      length: 4,
      schema: columns,
      columns: {
        ticker: stringColumn(['A', 'A', 'A', 'A']),
        seen_ns: BigInt64Array.of(NS_NULL, 0n, -1n, 1_735_914_600_000_000_001n),
        codes: { offsets: Uint32Array.of(0, 1, 2, 3, 3), values: Int32Array.of(1, 2, 3) },
      },
    }
    const { refused } = await judge({ ...dataset, name: 'seen', columns, rules }, [batch])
    expect(refused[0]!.refusals).toEqual([
      { row: 2, rule: 'negative', reason: 'seen_ns -1 is negative' },
      { row: 3, rule: 'missing_value', reason: 'codes is missing' },
    ])
  })
})

describe('validate, on batches that are not of their dataset', () => {
  const run = (batch: Batch) => judge(equityBars1m, [batch])

  test('refuses one without a column, naming it', async () => {
    const batch = bars({})
    const schema = batch.schema.filter(({ name }) => name !== 'vwap')
    await expect(run({ ...batch, schema })).rejects.toThrow(
      new SchemaError('equity_bars_1m.vwap: column is missing'),
    )
  })

  test('refuses one whose columns differ in length, naming the column', async () => {
    const batch = bars({}, {})
    const columns = { ...batch.columns, volume: Float64Array.of(1) }
    await expect(run({ ...batch, columns })).rejects.toThrow(
      new SchemaError('equity_bars_1m.volume: 1 values in a batch of 2 rows'),
    )
  })
})
