import { describe, expect, test } from 'vitest'
import { createRedactor } from '../../src/core/redact.ts'
import { settingsSchema } from '../../src/core/config/schema.ts'
import { optionChain } from '../../src/market/datasets/option-chain.ts'
import { optionContracts } from '../../src/market/datasets/options.ts'
import { equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import type { DatasetDefinition } from '../../src/market/dataset.ts'
import type { Baseline } from '../../src/pipeline/drift/observation.ts'
import { observeLive, observePage } from '../../src/pipeline/drift/observe.ts'
import { DriftWatch } from '../../src/pipeline/drift/watch.ts'
import { readDrift } from '../../src/pipeline/drift/store.ts'
import { createFrameParser } from '../../src/sources/polygon/socket/frame-parser.ts'
import { mappingOf, type RowMapping } from '../../src/sources/polygon/wire/fields.ts'
import { chainMapping, contractMapping } from '../../src/sources/polygon/wire/option-fields.ts'
import { readPage } from '../../src/sources/polygon/wire/rows.ts'
import { testRoot } from '../support/lake.ts'

type Json = Record<string, unknown>

/** What is told of `pages`, one after the other, each as `[field, change, to]`. */
function toldOf(dataset: DatasetDefinition, mapping: RowMapping, pages: readonly (readonly Json[])[]) {
  const usual = new Map<string, Baseline>()
  return pages.map((results) => {
    const body = Buffer.from(JSON.stringify({ status: 'OK', results }))
    const { table } = readPage(body, mapping)
    const page = { dataset, ticker: 'SPY', path: '/test', requestId: undefined, body, table, mapping }
    const { observations, baselines } = observePage(page, usual, 100)
    for (const [field, baseline] of baselines) usual.set(field, baseline)
    return observations.map(({ field, change, to }) => [field, change, ...(to === undefined ? [] : [to])])
  })
}

const bars = mappingOf(equityBars1m)!
const bar = (minute: number): Json => ({
  ...{ t: 1_741_608_000_000 + minute * 60_000, o: 101, h: 102, l: 100, c: 101.5, v: 5000, vw: 101.2, n: 40 },
})
const page = (change: (row: Json) => Json = (row) => row): Json[] =>
  Array.from({ length: 60 }, (_, minute) => change(bar(minute)))

describe('a field that is missing while another is new', () => {
  test('has been renamed where the values are alike', () => {
    const renamed = page(({ vw, n, ...row }) => ({ ...row, vwap: vw, trades: n }))
    expect(toldOf(equityBars1m, bars, [page(), renamed])).toEqual([
      [],
      [
        ['vw', 'renamed', 'vwap'],
        ['n', 'renamed', 'trades'],
        ['vwap', 'new'],
        ['trades', 'new'],
      ],
    ])
    const time = page(({ t, ...row }) => ({ ...row, start: t }))
    expect(toldOf(equityBars1m, bars, [time])[0]).toContainEqual(['t', 'renamed', 'start'])
  })

  test('has not where type or size are others', () => {
    for (const stranger of [7, '101.2', true, 1_741_608_000_000]) {
      const [, told] = toldOf(equityBars1m, bars, [
        page(),
        page(({ vw: _, ...row }) => ({ ...row, zz: stranger })),
      ])
      expect(told).toEqual([
        ['vw', 'missing'],
        ['zz', 'new'],
      ])
    }
  })

  test('and what the vendor documents is nothing new', () => {
    expect(toldOf(equityBars1m, bars, [page((row) => ({ ...row, otc: true }))])).toEqual([[]])
  })
})

/** Six days of 390 minutes; `change` is made to the rows of the last day. */
const week = (change: (row: Json) => Json): Json[] =>
  Array.from({ length: 6 * 390 }, (_, i) => {
    const [day, minute] = [Math.floor(i / 390), i % 390]
    const row = { ...bar(day * 1440 + minute + 330), v: minute < 20 ? 90_000 : 900 + minute }
    return day === 5 ? change(row) : row
  })

describe('a change that begins within a page', () => {
  test.each([
    ['a field that is gone', ({ n: _, ...row }: Json) => row, [['n', 'missing']]],
    [
      'nulls',
      (row: Json) => ({ ...row, n: null, vw: null }),
      [
        ['vw', 'null'],
        ['n', 'null'],
      ],
    ],
    ['a required field that is gone', ({ c: _, ...row }: Json) => row, [['c', 'missing']]],
    [
      'other names',
      ({ v, vw, n, ...row }: Json) => ({ ...row, volume: v, trades: n, vwap: vw }),
      [
        ['v', 'renamed', 'volume'],
        ['vw', 'renamed', 'vwap'],
        ['n', 'renamed', 'trades'],
        ['volume', 'new'],
        ['trades', 'new'],
        ['vwap', 'new'],
      ],
    ],
    ['another unit of volume', ({ v, ...row }: Json) => ({ ...row, v: Number(v) * 1000 }), [['v', 'range']]],
    [
      'another unit of prices',
      (row: Json) => ({ ...row, o: 10_100, h: 10_200, l: 10_000, c: 10_150 }),
      [
        ['o', 'range'],
        ['h', 'range'],
        ['l', 'range'],
        ['c', 'range'],
      ],
    ],
    ['nothing', (row: Json) => row, []],
    [
      'a day on which fifty times as much is traded',
      (row: Json) => ({ ...row, v: 50 * Number(row['v']) }),
      [],
    ],
    ['a thin last day', (row: Json) => (Number(row['v']) % 9 === 0 ? row : { ...row, n: null }), []],
  ] as const)('is told of: %s', (_, change, expected) => {
    const [told] = toldOf(equityBars1m, bars, [week(change)])
    expect(told!.toSorted()).toEqual(expected.toSorted())
  })

  test('counts the rows of the days concerned', () => {
    const body = Buffer.from(JSON.stringify({ results: week(({ n: _, ...row }) => row) }))
    const { table } = readPage(body, bars)
    const shared = { dataset: equityBars1m, ticker: 'SPY', path: '/test', requestId: undefined }
    const { observations } = observePage({ ...shared, body, table, mapping: bars }, new Map(), 100)
    expect(observations).toEqual([{ field: 'n', change: 'missing', count: 390 }])
  })
})

const contract = (strike: number): Json => ({
  ...{
    details: {
      ticker: `O:SPY250606C00${strike}000`,
      strike_price: strike,
      expiration_date: '2025-06-06',
      contract_type: 'call',
    },
  },
  ...{
    greeks: { delta: 0.5, gamma: 0.01, theta: -0.2, vega: 0.1 },
    implied_volatility: 0.2,
    open_interest: 9,
  },
})
const chain = (change: (row: Json) => Json = (row) => row): Json[] =>
  Array.from({ length: 60 }, (_, i) => change(contract(500 + i)))

describe('listings', () => {
  test('of a chain are looked at to the inside of their objects; what a page lacks by chance is not told', () => {
    const inside = chain((row) => ({ ...row, greeks: { dlt: 0.5, gamma: 0.01, theta: -0.2, vega: 0.1 } }))
    const bare = chain(({ greeks: _, ...row }) => row)
    const retyped = chain((row) => ({ ...row, open_interest: 'many' }))
    expect(toldOf(optionChain, chainMapping, [chain(), inside, bare, retyped])).toEqual([
      [],
      [
        ['greeks.delta', 'renamed', 'greeks.dlt'],
        ['greeks.dlt', 'new'],
      ],
      [],
      [['open_interest', 'retyped']],
    ])
  })

  test('of contracts tell of a required field that is gone', () => {
    const row = { ticker: 'O:SPY250606C00500000', underlying_ticker: 'SPY', expiration_date: '2025-06-06' }
    const whole = { ...row, strike_price: 500, contract_type: 'call', shares_per_contract: 100 }
    const { strike_price: _, ...gone } = whole
    const told = toldOf(optionContracts, contractMapping, [[whole], [{ ...gone, strike: 500 }]])
    expect(told[0]).toEqual([])
    expect(told[1]).toContainEqual(['strike_price', 'renamed', 'strike'])
  })
})

const live = (event: Json) => {
  const parser = createFrameParser({ source: 'polygon', request: 'live stocks' })
  parser.add(Buffer.from(JSON.stringify([event, event])), 0)
  return parser.take().rows[0]!
}
/** As the vendor documents it. */
const AM: Json = {
  ...{ ev: 'AM', sym: 'SPY', v: 4110, dv: '4110.5', av: 9470157, dav: '9470157', op: 0.4372, vw: 0.4488 },
  ...{ o: 0.4488, c: 0.4486, h: 0.4489, l: 0.4486, a: 0.4352, z: 685, s: 1610144640000, e: 1610144700000 },
}

describe('live events', () => {
  test('are silent as documented, and tell of what is new, gone, renamed or of another type', () => {
    const told = (event: Json) =>
      observeLive(live(event)).map(({ field, change, to, count }) => [field, change, to, count])
    expect(told(AM)).toEqual([])
    expect(told({ ...AM, otc: true })).toEqual([])
    expect(told({ ...AM, zz: 1 })).toEqual([['zz', 'new', undefined, 2]])
    expect(told({ ...AM, o: 'x' })).toEqual([['o', 'retyped', undefined, 2]])
    const { o, ...rest } = AM
    expect(told({ ...rest, open: o })).toEqual([
      ['open', 'new', undefined, 2],
      ['o', 'renamed', 'open', 2],
    ])
    expect(told(rest)).toEqual([['o', 'missing', undefined, 2]])
  })

  test('are noted with a sample, and refused where the contract says so', async () => {
    const root = testRoot()
    const { drift } = settingsSchema.parse({ drift: { quarantine: ['equity_bars_1m.zz'] } })
    const how = {
      root,
      runId: 'test-run',
      settings: drift,
      source: 'polygon',
      now: () => 0,
      redactor: createRedactor([]),
    }
    const watch = await DriftWatch.open(how)
    expect(watch.onLive(live(AM))).toBeUndefined()
    expect(watch.onLive(live({ ...AM, zz: 1 }))).toBe('schema drift: equity_bars_1m.zz is new')
    expect(watch.onLive(live({ ...AM, yy: 1 }))).toBeUndefined()
    await watch.close()
    const { entries } = await readDrift(root)
    expect(entries).toMatchObject([
      { field: 'zz', change: 'new', count: 2, contract: 'quarantine' },
      { field: 'yy', contract: 'evolve' },
    ])
    expect(JSON.parse(entries[0]!.sample)).toEqual({ ...AM, zz: 1 })
  })
})
