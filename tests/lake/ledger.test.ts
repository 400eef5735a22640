import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IntegrityError, LakeMismatchError } from '../../src/core/errors.ts'
import {
  CELL_STATES,
  emptyLedger,
  formatLedger,
  LEDGER_VERSION,
  parseLedger,
  type Ledger,
} from '../../src/lake/ledger.ts'
import { segmentPath } from '../../src/lake/layout.ts'
import { BARS, TRADES } from '../support/lake.ts'

const parse = (text: string) => parseLedger(text, 'ledger/SPY.json', BARS)

const day = fc.integer({ min: 0, max: 20_000 }).map((n) => new Date(n * 864e5).toISOString().slice(0, 10))
const cell = fc.record(
  {
    state: fc.constantFrom(...CELL_STATES),
    reason: fc.string(),
    rows: fc.nat(),
    quarantined: fc.nat(),
    digest: fc.string(),
    run: fc.string(),
    at: fc.string(),
  },
  { requiredKeys: ['state', 'reason', 'rows', 'run', 'at'] },
)
const segment = fc.record({
  path: fc.constantFrom('2024-12', '2025-01').map((month) => segmentPath(BARS, month)),
  partition: fc.string(),
  rows: fc.integer({ min: 1 }),
  bytes: fc.integer({ min: 1 }),
  sha256: fc.string(),
  digest: fc.string(),
  first: day,
  last: day,
  engine: fc.string(),
  run: fc.string(),
  writtenAt: fc.string(),
  origins: fc.array(
    fc.record({ source: fc.string(), run: fc.string(), request: fc.string(), from: day, to: day }),
  ),
})
const anyLedger: fc.Arbitrary<Ledger> = fc
  .record({ segments: fc.array(segment, { maxLength: 4 }), cells: fc.dictionary(day, cell, { maxKeys: 8 }) })
  .map((part) => ({ ...emptyLedger(BARS), ...part }))

const sample: Ledger = {
  ...emptyLedger(BARS),
  cells: {
    '2025-01-03': { state: 'empty', reason: 'no trades', rows: 0, run: 'r', at: 'now' },
    '2025-01-02': { state: 'failed', reason: 'server', rows: 0, run: 'r', at: 'now' },
  },
}

describe('the ledger as a file', () => {
  test('comes back as it was, whatever it holds', () => {
    fc.assert(
      fc.property(anyLedger, (ledger) => {
        expect(parse(formatLedger(ledger))).toEqual(
          structuredClone({ ...ledger, cells: { ...ledger.cells } }),
        )
      }),
    )
  })

  test('is JSON with one line for each cell, in order of date, so that people and diffs can read it', () => {
    const lines = formatLedger(sample).split('\n')
    const cells = lines.filter((line) => line.includes('"state"'))
    expect(cells.map((line) => line.trim().slice(0, 12))).toEqual(['"2025-01-02"', '"2025-01-03"'])
    expect(JSON.parse(formatLedger(sample))).toMatchObject(sample)
  })

  test('torn anywhere, it is refused as damaged and never half believed', () => {
    const text = formatLedger(sample)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: text.trimEnd().length - 1 }), (length) => {
        expect(() => parse(text.slice(0, length))).toThrow(IntegrityError)
      }),
    )
  })

  test('changed anywhere by something else, it is refused; one of an older version, without a checksum, is not', () => {
    const text = formatLedger(sample)
    const edited = text.replace('"no trades"', '"no trade"')
    expect(() => parse(edited)).toThrow('its checksum does not match')
    expect(() => parse(JSON.stringify(JSON.parse(text)))).toThrow('its checksum does not match')
    const flips = fc.record({ at: fc.nat(text.length - 2), bit: fc.nat(6) })
    fc.assert(
      fc.property(flips, ({ at, bit }) => {
        const flipped = Buffer.from(text)
        flipped[at]! ^= 1 << bit
        const now = flipped.toString()
        if (!now.includes('"checksum": "')) return // then it is an older ledger, as far as anybody can tell
        expect(() => parse(now)).toThrow()
      }),
    )
    expect(parse(JSON.stringify(sample))).toEqual(sample)
  })

  test.each([
    [
      'a state that does not exist',
      { cells: { '2025-01-02': { ...sample.cells['2025-01-02'], state: 'fine' } } },
    ],
    ['a negative count', { cells: { '2025-01-02': { ...sample.cells['2025-01-02'], rows: -1 } } }],
    ['no segments', { segments: undefined }],
    ['another name of the format', { schema: { name: 'somebody.else', version: 1 } }],
    ['null', null],
    ['a list', []],
  ])('edited into %s, it is refused, naming the file', (_, change) => {
    const text = JSON.stringify(change === null || Array.isArray(change) ? change : { ...sample, ...change })
    expect(() => parse(text)).toThrow(IntegrityError)
    expect(() => parse(text)).toThrow('ledger/SPY.json')
  })

  test('the ledger of another series is not taken for this one', () => {
    expect(() => parse(formatLedger(emptyLedger(TRADES)))).toThrow('that of equity_trades SPY')
    expect(() => parse(formatLedger(emptyLedger({ ...BARS, ticker: 'QQQ' })))).toThrow('equity_bars_1m QQQ')
  })

  test.each([
    segmentPath(TRADES, '2025-01-02'),
    '../elsewhere.parquet',
    `${segmentPath(BARS, 'x')}/../../../y`,
  ])('a ledger that names %s, a file that is not its own, is refused', (path) => {
    const [one] = fc.sample(segment, 1)
    const text = formatLedger({ ...sample, segments: [{ ...one!, path }] })
    expect(() => parse(text)).toThrow(IntegrityError)
  })

  test.each([
    ['format', { schema: { name: 'tapelake.ledger', version: LEDGER_VERSION + 1 }, unheard: 'of' }],
    ['dataset', { ...sample, datasetVersion: BARS.dataset.version + 1 }],
  ])('a newer %s is refused as newer, not as damaged, and says to upgrade', (_, content) => {
    const refuse = () => parse(JSON.stringify(content))
    expect(refuse).toThrow(LakeMismatchError)
    expect(refuse).toThrow(expect.objectContaining({ hint: expect.stringContaining('Upgrade') as string }))
  })
})
