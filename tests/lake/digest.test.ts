import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sliceBatch, takeRows } from '../../src/core/batch.ts'
import { digestOf, RowDigest } from '../../src/lake/digest.ts'
import { batchOf, fullDataset, sampleRows, type Row } from './engines/samples.ts'

const digest = (rows: readonly Row[]): string => digestOf(batchOf(fullDataset, rows))

/** A value other than the one in the row, or null where the column allows it. */
const otherValues: Record<string, fc.Arbitrary<unknown>> = {
  ticker: fc.string({ minLength: 1 }),
  timestamp: fc.integer({ min: 1, max: 2 ** 52 }),
  day: fc.option(fc.integer({ min: 0, max: 30_000 })),
  price: fc.option(fc.double({ noNaN: true })),
  count: fc.option(fc.maxSafeInteger()),
  note: fc.option(fc.string()),
  clock_ns: fc.bigInt({ min: 1n, max: 2n ** 62n }),
  venue_ns: fc.option(fc.bigInt({ min: 1n, max: 2n ** 62n })),
  codes: fc.option(fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 1 })),
  id: fc.string({ minLength: 1 }),
}

const change = fc
  .constantFrom(...Object.keys(otherValues))
  .chain((name) => otherValues[name]!.map((value) => ({ name, value })))

/** Equal to the digest: -0 is 0 to Parquet. */
const isSame = (a: unknown, b: unknown): boolean =>
  typeof a === 'number' && typeof b === 'number'
    ? a === b
    : JSON.stringify(plain(a)) === JSON.stringify(plain(b))
const plain = (value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value)

describe('RowDigest', () => {
  test('does not depend on the order of the rows', () => {
    const batch = batchOf(fullDataset, sampleRows(40))
    const order = fc.shuffledSubarray(
      Array.from({ length: 40 }, (_, i) => i),
      { minLength: 40 },
    )
    fc.assert(
      fc.property(order, (rows) => {
        expect(digestOf(takeRows(batch, rows))).toBe(digestOf(batch))
      }),
    )
  })

  test('does not depend on where batches are cut', () => {
    const batch = batchOf(fullDataset, sampleRows(50))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 50 }), (a, b) => {
        const [first, second] = [Math.min(a, b), Math.max(a, b)]
        const parts = [
          sliceBatch(batch, 0, first),
          sliceBatch(batch, first, second),
          sliceBatch(batch, second, 50),
        ]
        const sum = new RowDigest()
        for (const part of parts) sum.add(part)
        expect([sum.toString(), sum.rows]).toEqual([digestOf(batch), 50])
      }),
    )
  })

  test('tells any single value that differs, in any column of any row, null included', () => {
    const rows = sampleRows(24)
    const before = digest(rows)
    fc.assert(
      fc.property(fc.nat(23), change, (row, { name, value }) => {
        fc.pre(!isSame(rows[row]![name], value))
        expect(digest(rows.with(row, { ...rows[row], [name]: value }))).not.toBe(before)
      }),
      { numRuns: 500 },
    )
  })

  test('tells a row that is missing, doubled or exchanged for another', () => {
    const rows = sampleRows(30)
    const before = digest(rows)
    fc.assert(
      fc.property(fc.nat(29), fc.nat(29), (i, j) => {
        expect(digest(rows.toSpliced(i, 1))).not.toBe(before)
        expect(digest([...rows, rows[i]!])).not.toBe(before)
        if (i !== j) expect(digest(rows.with(i, rows[j]!))).not.toBe(before)
      }),
    )
  })

  test('tells two values that changed places', () => {
    const rows = sampleRows(2)
    const swapped = [
      { ...rows[0], id: rows[1]!.id },
      { ...rows[1], id: rows[0]!.id },
    ]
    expect(digest(swapped)).not.toBe(digest(rows))
  })

  test('takes both zeros for one, as Parquet engines do', () => {
    const [row] = sampleRows(1)
    expect(digest([{ ...row, price: -0 }])).toBe(digest([{ ...row, price: 0 }]))
  })

  test('does not depend on how strings are kept in memory', () => {
    const batch = batchOf(fullDataset, sampleRows(10))
    const note = { codes: Int32Array.of(2, 1), dictionary: ['unused', 'b', 'a'] }
    const twin = { codes: Int32Array.of(0, 1), dictionary: ['a', 'b'] }
    const two = sliceBatch(batch, 0, 2)
    const withNote = (column: typeof note) => digestOf({ ...two, columns: { ...two.columns, note: column } })
    expect(withNote(note)).toBe(withNote(twin))
  })

  test.each([
    [1, '866695f9f1050f8d'],
    [3, 'ea57e8d66b5f489a'],
    [10_000, '1c71a57528e69249'],
  ])('of %i rows is what ledgers already say', (rows, known) => {
    expect(digest(sampleRows(rows))).toBe(known)
  })

  test('is 16 hexadecimal digits, also of nothing', () => {
    expect(new RowDigest().toString()).toMatch(/^[0-9a-f]{16}$/)
    expect(digest(sampleRows(3))).toMatch(/^[0-9a-f]{16}$/)
  })
})
