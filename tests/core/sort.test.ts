import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NS_NULL, rowAt, stringColumn, type Batch, type ColumnSchema } from '../../src/core/batch.ts'
import { SchemaError } from '../../src/core/errors.ts'
import { dedupLastWins, isStrictlyAscending, rowComparator, sortIndex } from '../../src/core/sort.ts'

interface Row {
  readonly name: string | null
  readonly at: number | null
  readonly ns: bigint | null
  readonly list: readonly number[]
  readonly place: number
}

const SCHEMA: readonly ColumnSchema[] = [
  { name: 'name', type: 'string' },
  { name: 'at', type: 'double' },
  { name: 'ns', type: 'ns' },
  { name: 'list', type: 'int_list' },
  { name: 'place', type: 'int64' },
]

function batchOf(rows: readonly Row[]): Batch {
  const offsets = new Uint32Array(rows.length + 1)
  rows.forEach(({ list }, i) => (offsets[i + 1] = offsets[i]! + list.length))
  return {
    dataset: 'made_up',
    length: rows.length,
    schema: SCHEMA,
    columns: {
      name: stringColumn(rows.map(({ name }) => name)),
      at: Float64Array.from(rows, ({ at }) => at ?? NaN),
      ns: BigInt64Array.from(rows, ({ ns }) => ns ?? NS_NULL),
      list: { offsets, values: Int32Array.from(rows.flatMap(({ list }) => list)) },
      place: Float64Array.from(rows, ({ place }) => place),
    },
  }
}

const anyNs = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.constantFrom(
    1_735_914_600_000_000_001n,
    1_735_914_600_000_000_000n,
    2n ** 32n,
    -(2n ** 32n),
    2n ** 63n - 1n,
  ),
)
const anyRows = fc
  .array(
    fc.record({
      name: fc.constantFrom(null, 'A', 'B', 'AA', ''),
      at: fc.constantFrom(null, -1, 0, 0.5, 1e15, Infinity, -Infinity),
      ns: anyNs,
      list: fc.array(fc.integer({ min: -1, max: 1 }), { maxLength: 2 }),
    }),
    { maxLength: 40 },
  )
  .map((rows): Row[] => rows.map((row, place) => ({ ...row, place })))

const KEYS = [['at'], ['ns'], ['name', 'at'], ['name', 'ns', 'at'], ['list', 'ns', 'name', 'at']] as const

/** Null first, then by value; lists by their first difference, then by length. */
function plainCompare(a: unknown, b: unknown): number {
  if (Array.isArray(a) && Array.isArray(b)) {
    const i = a.findIndex((value, at) => value !== b[at])
    return i < 0 || i >= b.length ? a.length - b.length : Number(a[i]) - Number(b[i])
  }
  if (a === b) return 0
  if (a === null || b === null) return a === null ? -1 : 1
  return (a as number) < (b as number) ? -1 : 1
}

const byKey = (key: readonly string[]) => (a: Row, b: Row) =>
  key.reduce((order, name) => order || plainCompare(a[name as keyof Row], b[name as keyof Row]), 0)

const placesOf = (batch: Batch): number[] =>
  Array.from({ length: batch.length }, (_, row) => Number(rowAt(batch, row)['place']))

describe.each(KEYS.map((key) => [key.join(', '), key] as const))('rows ordered by %s', (_, key) => {
  test('stand as a stable sort of plain rows puts them', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const expected = rows.toSorted(byKey(key)).map(({ place }) => place)
        expect([...sortIndex(batchOf(rows), key)]).toEqual(expected)
      }),
    )
  })

  test('keep of each key the last given', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const last = rows.filter((row, i) => !rows.slice(i + 1).some((later) => byKey(key)(row, later) === 0))
        const expected = last.toSorted(byKey(key)).map(({ place }) => place)
        const deduped = dedupLastWins(batchOf(rows), key)
        expect(placesOf(deduped)).toEqual(expected)
        expect(isStrictlyAscending(deduped, key)).toBe(true)
        expect(dedupLastWins(deduped, key)).toBe(deduped)
      }),
    )
  })

  test('compare with the rows of another batch as with their own', () => {
    fc.assert(
      fc.property(anyRows, anyRows, (left, right) => {
        const compare = rowComparator(batchOf(left), batchOf(right), key)
        left.forEach((a, i) => {
          right.forEach((b, j) => {
            expect(Math.sign(compare(i, j))).toBe(Math.sign(byKey(key)(a, b)))
          })
        })
      }),
      { numRuns: 40 },
    )
  })

  test('are strictly ascending only if every row comes after the one before it', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const expected = rows.every((row, i) => i === 0 || byKey(key)(rows[i - 1]!, row) < 0)
        expect(isStrictlyAscending(batchOf(rows), key)).toBe(expected)
      }),
    )
  })
})

test('a batch without rows is sorted, and a key without columns makes all rows one', () => {
  expect(isStrictlyAscending(batchOf([]), ['at'])).toBe(true)
  expect([...sortIndex(batchOf([]), ['at'])]).toEqual([])
  const row: Row = { name: 'A', at: 1, ns: null, list: [], place: 0 }
  expect(placesOf(dedupLastWins(batchOf([row, { ...row, place: 1 }]), []))).toEqual([1])
})

test('columns that are missing or differ in type cannot be compared, and are named', () => {
  const batch = batchOf([])
  expect(() => rowComparator(batch, batch, ['price'])).toThrow(SchemaError)
  expect(() => rowComparator(batch, batch, ['price'])).toThrow('made_up.price')
  const other = { ...batch, schema: SCHEMA.map((column) => ({ ...column, type: 'double' as const })) }
  expect(() => rowComparator(batch, other, ['ns'])).toThrow('made_up.ns: cannot compare ns to double')
})

test('a column that is part of a larger buffer is read from where it begins', () => {
  const rows = [5n, 3n, 4n, 1n].map((ns, place): Row => ({ name: 'A', at: 0, ns, list: [], place }))
  const batch = batchOf(rows)
  const ns = (batch.columns['ns'] as BigInt64Array).subarray(1)
  const part = { ...batch, length: 3, columns: { ...batch.columns, ns } }
  expect([...sortIndex(part, ['ns'])]).toEqual([2, 0, 1])
})
