import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowAt } from '../../../../src/core/batch.ts'
import { createFrameParser, type ParsedFrames } from '../../../../src/sources/polygon/socket/frame-parser.ts'

const ORIGIN = { source: 'polygon', request: 'wss stocks' }

function parse(...frames: (string | Buffer | object)[]): ParsedFrames {
  const parser = createFrameParser(ORIGIN)
  frames.forEach((frame, i) => {
    const isText = typeof frame === 'string' || Buffer.isBuffer(frame)
    parser.add(Buffer.from(isText ? frame.toString() : JSON.stringify(frame)), 1000 + i)
  })
  return parser.take()
}

type Row = { readonly dataset: string } & Readonly<Record<string, unknown>>

/** Rows as `dataset` and plain objects, in the order of the batches. */
const rowsOf = ({ rows }: ParsedFrames): Row[] =>
  rows.flatMap(({ dataset, batch }) =>
    Array.from({ length: batch.length }, (_, row) => ({ dataset: dataset.name, ...rowAt(batch, row) })),
  )

const s = Date.UTC(2025, 0, 3, 15)
const bar = { ev: 'AM', sym: 'SPY', v: 10, vw: 580.5, o: 580, c: 581, h: 582, l: 579, s, e: s + 60_000 }
const barRow = {
  ...{ ticker: 'SPY', timestamp: s * 1000, open: 580, high: 582, low: 579, close: 581, volume: 10 },
  ...{ vwap: 580.5, trade_count: null },
}

describe('frames', () => {
  test('of mixed events become columns of the dataset that each belongs to', () => {
    const option = { ...bar, sym: 'O:SPY250103C00580000' }
    const parsed = parse([bar, { ...bar, ev: 'A', sym: 'BRK.B' }, option, { ...bar, sym: 'BACpL' }])
    expect(rowsOf(parsed)).toEqual([
      { dataset: 'equity_bars_1m', ...barRow },
      { dataset: 'equity_bars_1m', ...barRow, ticker: 'BACpL' },
      { dataset: 'equity_bars_1s', ...barRow, ticker: 'BRK.B' },
      { dataset: 'option_bars_1m', ...barRow, ticker: 'O:SPY250103C00580000' },
    ])
    expect(parsed.events).toBe(4)
    expect(parsed.rows[0]!.batch.origin).toEqual(ORIGIN)
  })

  test('gather until they are taken, each row with the time at which its frame came', () => {
    const parser = createFrameParser(ORIGIN)
    for (let i = 0; i < 300; i++) parser.add(Buffer.from(JSON.stringify([{ ...bar, v: i }])), i)
    expect(parser.rows).toBe(300)
    const [first] = parser.take().rows
    expect([...first!.receivedMs]).toEqual(Array.from({ length: 300 }, (_, i) => i))
    expect([...(first!.batch.columns.volume as Float64Array)]).toEqual([...first!.receivedMs])
    expect(parser.rows).toBe(0)
    expect(parser.take()).toMatchObject({ rows: [], events: 0 })
  })

  test('keep a fraction of volume exactly, and missing values as null', () => {
    const fractional = { ...bar, v: 10, dv: '10.123456' }
    const thin = { ev: 'AM', sym: 'SPY', o: 1, c: null, s }
    expect(rowsOf(parse([fractional, thin])).map(({ volume, close, vwap }) => [volume, close, vwap])).toEqual(
      [
        [10.123456, 581, 580.5],
        [null, null, null],
      ],
    )
  })

  test('hold ticks with their milliseconds, not with nanoseconds that nobody sent', () => {
    const t = {
      ev: 'T',
      sym: 'SPY',
      x: 4,
      i: '52983525029461',
      z: 3,
      p: 580.125,
      s: 100,
      c: [14, 41],
      t: s + 7,
      q: 42,
    }
    const q = {
      ev: 'Q',
      sym: 'SPY',
      bx: 4,
      bp: 580.1,
      bs: 3,
      ax: 7,
      ap: 580.2,
      as: 5,
      c: 1,
      i: [604],
      t: s + 8,
      q: 43,
      z: 3,
    }
    const [trade, quote] = rowsOf(parse([{ ...t, ds: '100.5', pt: s + 6, trfi: 2, trft: s + 7 }, q]))
    expect(trade).toMatchObject({
      ...{
        dataset: 'equity_trades',
        timestamp: (s + 7) * 1000,
        sip_timestamp_ns: BigInt(s + 7) * 1_000_000n,
      },
      ...{
        participant_timestamp_ns: BigInt(s + 6) * 1_000_000n,
        sequence_number: 42,
        price: 580.125,
        size: 100.5,
      },
      ...{ exchange: 4, id: '52983525029461', conditions: [14, 41], tape: 3, trf_id: 2, correction: null },
    })
    expect(quote).toMatchObject({
      ...{
        dataset: 'equity_quotes',
        sip_timestamp_ns: BigInt(s + 8) * 1_000_000n,
        conditions: [1],
        indicators: [604],
      },
      ...{ bid_price: 580.1, bid_size: 3, bid_exchange: 4, ask_price: 580.2, ask_size: 5, ask_exchange: 7 },
    })
  })

  test('with a time that cannot be milliseconds hold null instead of a wrong instant', () => {
    const t = { ev: 'T', sym: 'SPY', x: 4, i: '1', p: 1, s: 1, q: 1 }
    const rows = rowsOf(
      parse(
        [{ ...t, t: 1_735_916_400_000_000 }, `x`],
        [
          { ...t, t: 1_735_916_400_000_000 },
          { ...t, t: -5 },
        ],
      ),
    )
    expect(rows.map((row) => row.sip_timestamp_ns)).toEqual([null, null, null])
    expect(rows.map(({ timestamp }) => timestamp)).toEqual([null, null, null])
  })

  test('are read alike whatever the order of fields, spaces and escapes', () => {
    const { ev, sym, ...rest } = bar
    const forms = [
      { ...rest, sym, ev },
      { sym, ev, ...rest },
      { ev, note: { a: [1, '}'] }, sym, ...rest },
    ]
    const spaced = JSON.stringify([bar], null, 2)
    const escaped = JSON.stringify([bar]).replace('SPY', '\\u0053PY').replace('"AM"', '"\\u0041M"')
    const rows = rowsOf(parse(forms, spaced, escaped, bar))
    expect(rows).toEqual(Array.from({ length: 6 }, () => ({ dataset: 'equity_bars_1m', ...barRow })))
  })

  test('count fields that nobody knows and values of the wrong type', () => {
    const [rows] = parse([{ ...bar, news: 1, o: 'high' }]).rows
    expect([...rows!.unknownFields]).toContainEqual(['news', 1])
    expect([...rows!.wrongTypes]).toEqual([['o', 1]])
    expect(rowAt(rows!.batch, 0)).toMatchObject({ open: null, close: 581 })
  })
})

describe('what is no row', () => {
  test('is told as status, or kept word for word with the reason', () => {
    const status = { ev: 'status', status: 'success', message: 'subscribed to: AM.SPY' }
    const luld = { ev: 'LULD', T: 'MSFT', h: 218.96, t: 1601316752683746 }
    const index = { ev: 'AM', sym: 'I:SPX', o: 1, c: 1, h: 1, l: 1, s, e: s }
    const optionTrade = { ev: 'T', sym: 'O:SPY250103C00580000', x: 1, p: 1, s: 1, t: s, q: 1 }
    const parsed = parse([
      status,
      luld,
      bar,
      index,
      optionTrade,
      { ev: 'AM', o: 1 },
      { o: 1 },
      7,
      'ev',
      null,
      { ev: 5 },
    ])
    expect(parsed.statuses).toEqual([{ status: 'success', message: 'subscribed to: AM.SPY' }])
    expect(parsed.unknown.map(({ ev, raw }) => [ev, JSON.parse(raw) as unknown])).toEqual([
      ['LULD', luld],
      ['AM', index],
      ['T', optionTrade],
    ])
    expect(parsed.malformed.map(({ raw }) => raw)).toEqual([
      '{"ev":"AM","o":1}',
      '{"o":1}',
      '7',
      '"ev"',
      'null',
      '{"ev":5}',
    ])
    expect(parsed.malformed[0]).toMatchObject({ reason: 'the AM event has no sym', receivedMs: 1000 })
    expect(rowsOf(parsed)).toHaveLength(1)
    expect(parsed.events).toBe(11)
  })

  test('is a frame broken anywhere, as a whole; the frames around it are not touched', () => {
    const whole = JSON.stringify([
      { ...bar, c: 1 },
      { ev: 'V', T: 'I:SPX' },
      { ev: 'status', status: 'x' },
      5,
      bar,
    ])
    const good = (v: number) => [{ ...bar, v }]
    for (const length of [0, 1, 2, 30, 150, 250, whole.length - 1]) {
      const parsed = parse(good(1), whole.slice(0, length), good(2), `${whole}]`, good(3))
      expect(rowsOf(parsed).map(({ volume }) => volume)).toEqual([1, 2, 3])
      expect(parsed.malformed.map(({ raw }) => raw)).toEqual([whole.slice(0, length), `${whole}]`])
      expect(parsed.malformed[0]!.reason).toMatch(/^broken frame: .* at byte \d+$/)
      expect([parsed.unknown, parsed.statuses, parsed.events]).toEqual([[], [], 5])
      const times = parsed.rows.flatMap(({ receivedMs }) => [...receivedMs])
      expect(times).toEqual([1000, 1002, 1004])
    }
  })

  test('never makes the parser throw, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .tuple(fc.nat(200), fc.nat(255))
        .map(([at, byte]) => Buffer.from(JSON.stringify([bar, bar])).fill(byte, at, at + 1)),
    )
    fc.assert(
      fc.property(bytes, (frame) => {
        const parser = createFrameParser(ORIGIN)
        parser.add(Buffer.from(frame), 1)
        parser.add(Buffer.from(JSON.stringify([bar])), 2)
        const parsed = parser.take()
        expect(rowsOf(parsed).at(-1)).toMatchObject({ dataset: 'equity_bars_1m', volume: 10 })
        expect(parsed.rows.every(({ batch, receivedMs }) => batch.length === receivedMs.length)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

describe('any bar of the vendor', () => {
  test('is read as JSON.parse reads it', () => {
    const price = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 })
    const bars = fc.array(fc.record({ v: price, vw: price, o: price, c: price, h: price, l: price }), {
      minLength: 1,
    })
    fc.assert(
      fc.property(bars, (given) => {
        const parsed = rowsOf(parse(given.map((values) => ({ ...bar, ...values }))))
        const plain = JSON.parse(JSON.stringify(given)) as typeof given
        expect(parsed).toEqual(
          plain.map(({ v, vw, o, c, h, l }) => ({
            ...{ dataset: 'equity_bars_1m', ...barRow },
            ...{ volume: v, vwap: vw, open: o, close: c, high: h, low: l },
          })),
        )
      }),
    )
  })
})

const RECORDED = fileURLToPath(new URL('../../../../../shared/recorded/websocket-examples/', import.meta.url))

describe.skipIf(!existsSync(RECORDED))("the vendor's own examples", () => {
  const example = (name: string) =>
    JSON.parse(readFileSync(`${RECORDED}${name}.json`, 'utf8')) as Record<string, unknown>

  test('of stocks and options that are recorded become rows without a value lost', () => {
    const am = example('stocks__AM')
    const [minute] = rowsOf(parse([am]))
    expect(minute).toMatchObject({
      ...{
        ticker: am.sym,
        timestamp: (am.s as number) * 1000,
        open: am.o,
        high: am.h,
        low: am.l,
        close: am.c,
      },
      ...{ volume: am.v, vwap: am.vw },
    })
    const [t, q] = [example('stocks__T'), example('stocks__Q')]
    expect(rowsOf(parse([t, q]))).toMatchObject([
      { price: t.p, size: t.s, exchange: t.x, id: t.i, tape: t.z, conditions: t.c, sequence_number: t.q },
      {
        bid_price: q.bp,
        ask_price: q.ap,
        bid_size: q.bs,
        ask_size: q.as,
        indicators: q.i,
        conditions: [q.c],
      },
    ])
    expect(rowsOf(parse([example('options__AM')]))[0]).toMatchObject({ dataset: 'option_bars_1m', volume: 2 })
  })

  test('of everything else are kept as they are', () => {
    const names = [
      'stocks__LULD',
      'stocks__NOI',
      'indices__V',
      'indices__AM',
      'business__stocks__FMV',
      'options__T',
      'options__Q',
    ]
    const examples = names.map(example)
    const parsed = parse(examples)
    expect(parsed.unknown.map(({ raw }) => JSON.parse(raw) as unknown)).toEqual(examples)
    expect([parsed.rows, parsed.malformed]).toEqual([[], []])
  })
})
