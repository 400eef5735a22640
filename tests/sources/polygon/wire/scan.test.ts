import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NS_NULL, stringAt, type ListColumn, type StringColumn } from '../../../../src/core/batch.ts'
import type { WireType } from '../../../../src/sources/polygon/wire/columns.ts'
import { WireError } from '../../../../src/sources/polygon/wire/cursor.ts'
import { microsecondsOf } from '../../../../src/sources/polygon/wire/nanoseconds.ts'
import { scanDocument, type WireTable } from '../../../../src/sources/polygon/wire/scan.ts'
import { enclosed, member, numberText, stringText, valueText } from '../../../support/json-text.ts'

const FIELDS = [
  { name: 'a', type: 'double' },
  { name: 'bb', type: 'string' },
  { name: 'list', type: 'int_list' },
  { name: 'day', type: 'date' },
  { name: 'dec', type: 'decimal' },
] as const

type Row = Record<string, unknown>
const scan = (text: string) => scanDocument(Buffer.from(text), FIELDS)

/** One column of one type, as plain values; null where the column is null. */
function column(type: WireType, values: readonly string[]): unknown[] {
  const rows = values.map((value) => `{"x":${value}}`)
  const table = scanDocument(Buffer.from(`{"results":[${rows.join()}]}`), [{ name: 'x', type }])
  return plain(table, 'x', type)
}

function plain(table: WireTable, name: string, type: WireType): unknown[] {
  const data = table.columns.get(name)!
  return Array.from({ length: table.rows }, (_, row) => {
    if (type === 'string') return stringAt(data as StringColumn, row)
    if (type === 'int_list') {
      const { offsets, values } = data as ListColumn
      return [...values.subarray(offsets[row], offsets[row + 1])]
    }
    const value = (data as Float64Array | BigInt64Array)[row]!
    return Number.isNaN(value) || value === NS_NULL ? null : value
  })
}

/** What a column should hold, from what JSON.parse makes of the row: the slow and obvious way. */
const expected: Record<string, (value: unknown) => unknown> = {
  a: (value) => (typeof value === 'number' ? value : null),
  bb: (value) => (typeof value === 'string' ? value : null),
  list: (value) => (isIntList(value) ? value.map((item) => item + 0) : []), // -0 is no integer of its own
  day: (value) => {
    const ms = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(value) : NaN
    return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(value as string)
      ? ms / 86_400_000
      : null
  },
  dec: (value) => {
    if (typeof value === 'number') return value
    const isNumber = typeof value === 'string' && /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value)
    return isNumber ? Number(value) : null
  },
}
const isIntList = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.every(
    (item) => typeof item === 'number' && item === Math.trunc(item) && item >= -(2 ** 31) && item < 2 ** 31,
  )

const rowText = enclosed(
  '{',
  '}',
  fc.array(
    fc.oneof(
      member(fc.constant('"a"'), fc.oneof(numberText, valueText)),
      member(fc.constantFrom('"bb"', '"\\u0062b"'), fc.oneof(stringText, valueText)),
      member(
        fc.constant('"list"'),
        fc.oneof(enclosed('[', ']', fc.array(fc.integer().map(String), { maxLength: 4 })), valueText),
      ),
      member(
        fc.constant('"day"'),
        fc.constantFrom('"2024-02-29"', '"2023-02-29"', '"1969-12-31"', '"x"', '7'),
      ),
      member(
        fc.constant('"dec"'),
        fc.oneof(
          numberText,
          numberText.map((text) => `"${text}"`),
          stringText,
        ),
      ),
      member(stringText, valueText),
    ),
    { maxLength: 8 },
  ),
)
const documentText = fc
  .tuple(
    enclosed('[', ']', fc.array(rowText, { maxLength: 6 })),
    fc.array(member(fc.constantFrom('"status"', '"n"', '"\\u006e"'), valueText), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([rows, others, first]) => {
    const results = `"results":${rows}`
    return ` {${(first ? [results, ...others] : [...others, results]).join(' , ')}}\n`
  })

describe('the scanner of vendor documents', () => {
  test('gives for any document what JSON.parse gives, column by column', () => {
    fc.assert(
      fc.property(documentText, (text) => {
        const { results, ...envelope } = JSON.parse(text) as { results: Row[] }
        const table = scan(text)
        expect(table.rows).toBe(results.length)
        expect({ ...table.envelope }).toEqual({ ...envelope })
        for (const { name, type } of FIELDS) {
          const wanted = results.map((row) =>
            expected[name]!(Object.hasOwn(row, name) ? row[name] : undefined),
          )
          expect(plain(table, name, type)).toEqual(wanted)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('every number is the double that JSON.parse reads', () => {
    fc.assert(
      fc.property(numberText, (text) => {
        expect(column('double', [text])[0]).toBe(JSON.parse(text))
      }),
      { numRuns: 5000 },
    )
  })

  test('a document cut anywhere is refused', () => {
    fc.assert(
      fc.property(documentText, (text) => {
        const bytes = Buffer.from(text.trimEnd())
        for (let end = 0; end < bytes.length; end++)
          expect(() => scanDocument(bytes.subarray(0, end), FIELDS)).toThrow(WireError)
      }),
      { numRuns: 25 },
    )
  })

  test('a document with a damaged byte is refused exactly where JSON.parse refuses it', () => {
    const byte = fc.oneof(fc.constantFrom(...Buffer.from('{}[]",:\\019.-+eEntfu \n\u0001')), fc.nat(255))
    fc.assert(
      fc.property(documentText, fc.nat(), byte, (text, place, value) => {
        const bytes = Buffer.from(text)
        bytes[place % bytes.length] = value
        let parsed: unknown
        try {
          parsed = JSON.parse(bytes.toString())
        } catch {
          expect(() => scanDocument(bytes, FIELDS)).toThrow(WireError)
          return
        }
        const { results } = parsed as { results?: unknown }
        if (typeof results === 'object' || results === undefined) scanDocument(bytes, FIELDS)
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    '',
    'null',
    '[]',
    '<html>502</html>',
    '{"results":[]} x',
    '{"results":[{"a":01}]}',
    '{"results":[{"a":1.}]}',
    '{"results":[{"a":+1}]}',
    '{"results":[{"a":NaN}]}',
    '{"results":[{"a":1,}]}',
    '{"results":[{"bb":"\\x"}]}',
    '{"results":[{"bb":"\\u12g4"}]}',
    '{"results":[{"bb":"a\nb"}]}',
    '{"results":[{"dec":"1}]}',
    "{'results':[]}",
    '{"results":7}',
    '{"results":"none"}',
  ])('refuses %j', (text) => {
    expect(() => scan(text)).toThrow(WireError)
  })

  test('says where a document breaks', () => {
    expect(() => scan('{"results":[{"a":1},{"a":x}]}')).toThrow('expected')
    expect(() => scan('{"results":[{"a":1},{"a":x}]}')).toThrow('at byte 25')
    expect(() => scan('{"results":[{"a":1}')).toThrow("ended where ',' or ']' was expected at byte 19")
  })

  test('refuses nesting that would exhaust the stack', () => {
    const deep = '['.repeat(100_000)
    expect(() => scan(`{"results":[{"z":${deep}`)).toThrow(/nested deeper/)
  })

  test('takes absent, null and single results as they come', () => {
    expect(scan('{}').rows).toBe(0)
    expect(scan('{"results":null}').rows).toBe(0)
    expect(scan('{"results":[ ]}').rows).toBe(0)
    expect(scan('{"results":{"a":5}}').rows).toBe(1)
    expect(plain(scan('{"results":{"a":5}}'), 'a', 'double')).toEqual([5])
  })

  test('the last of two results counts, as with JSON.parse', () => {
    expect(plain(scan('{"results":[{"a":1},{"a":2}],"results":[{"a":3}]}'), 'a', 'double')).toEqual([3])
  })

  test('counts the fields that nobody asked for, by name', () => {
    const { unknownFields } = scan('{"results":[{"a":1,"otc":true},{"otc":{"x":[1]}},{"new":"v"}]}')
    expect([...unknownFields]).toEqual([
      ['otc', 2],
      ['new', 1],
    ])
  })

  test('a flood of unknown names is counted together, not remembered', () => {
    const rows = Array.from({ length: 5000 }, (_, row) => `{"name${row}":1}`)
    const { unknownFields, rows: count } = scan(`{"results":[${rows.join()}]}`)
    expect(count).toBe(5000)
    expect(unknownFields.size).toBeLessThan(300)
    expect([...unknownFields.values()].reduce((sum, seen) => sum + seen, 0)).toBe(5000)
  })

  test('values of a wrong type become null, never 0, and are counted', () => {
    const rows =
      '{"a":"12"},{"a":true},{"a":{}},{"a":null},{"bb":5},{"list":[1,"2"]},{"list":[1.5]},{"day":"x"},7,null'
    const table = scan(`{"results":[${rows}]}`)
    expect(plain(table, 'a', 'double')).toEqual(Array(10).fill(null))
    expect(plain(table, 'list', 'int_list')).toEqual(Array(10).fill([]))
    expect(Object.fromEntries(table.wrongTypes)).toEqual({ a: 3, bb: 1, list: 2, day: 1, 'results[]': 2 })
  })

  test('reads pages of any number of rows, those that lack a field included', () => {
    const rows = Array.from({ length: 3000 }, (_, row) => (row % 3 ? `{"a":${row},"list":[${row}]}` : '{}'))
    const table = scan(`{"results":[${rows.join()}]}`)
    expect(plain(table, 'a', 'double')).toEqual(rows.map((_, row) => (row % 3 ? row : null)))
    expect(plain(table, 'list', 'int_list')).toEqual(rows.map((_, row) => (row % 3 ? [row] : [])))
  })

  test('ids in their ten thousands stay apart, and equal words share a place', () => {
    const ids = Array.from({ length: 10_000 }, (_, row) => `"${row}"`)
    expect(column('string', ids)).toEqual(ids.map((id) => JSON.parse(id) as string))
    const table = scan(`{"results":[{"bb":"x"},{"bb":"y"},{"bb":"x"}]}`)
    expect((table.columns.get('bb') as StringColumn).dictionary).toEqual(['x', 'y'])
  })
})

describe('rows of numbers that are all alike', () => {
  const NUMBERS = [
    { name: 'v', type: 'double' },
    { name: 'n', type: 'int64' },
    { name: 't', type: 'ms' },
  ] as const
  const spelling = fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: -5, max: 2 ** 40 }).map(String) },
    { weight: 10, arbitrary: fc.tuple(fc.nat(999), fc.nat(9999)).map(([a, b]) => `${a}.${b}`) },
    numberText,
    fc.constantFrom(
      '0',
      '-0',
      '0.5',
      '10',
      '999999999',
      '1000000000',
      '9007199254740991',
      '9007199254740993',
    ),
    fc.constantFrom(
      '01',
      '-',
      '1.',
      '.5',
      '+1',
      '1e5',
      '1E-3',
      'null',
      '"5"',
      '[1]',
      '1.00000000000000000000000001',
    ),
  )
  const row = fc.oneof(
    {
      weight: 9,
      arbitrary: fc.tuple(spelling, spelling, spelling).map(([v, n, t]) => `{"v":${v},"n":${n},"t":${t}}`),
    },
    fc.tuple(spelling, spelling).map(([v, t]) => `{"v":${v},"t":${t}}`),
    fc.tuple(spelling, spelling).map(([v, t]) => `{"t":${t} , "v":${v},"v":${v}}`),
    spelling.map((v) => `{"v":${v},"other":1}`),
    fc.constantFrom('{}', '7', 'null', '{"v":1 }', ' {"v":1}', '{"v":1,}', '{v:1}', '{"v" :1}'),
  )
  const number = (value: unknown, factor = 1): number =>
    typeof value === 'number' &&
    Math.abs(value * factor) <= Number.MAX_SAFE_INTEGER * (factor > 1 ? 1 : 1e300)
      ? value * factor
      : NaN

  test('are what JSON.parse makes of them, and refused where it refuses, wherever one is different', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), fc.constantFrom('', ',', ']'), (texts, broken) => {
        const text = `{"results":[${texts.join()}${broken}]}`
        let parsed: (Record<string, unknown> | null | number)[]
        try {
          parsed = (JSON.parse(text) as { results: typeof parsed }).results
        } catch {
          expect(() => scanDocument(Buffer.from(text), NUMBERS)).toThrow(WireError)
          return
        }
        const table = scanDocument(Buffer.from(text), NUMBERS)
        const of = (name: string, factor = 1) =>
          parsed.map((one) => number((one as Record<string, unknown> | null)?.[name], factor))
        expect([...(table.columns.get('v') as Float64Array)]).toEqual(of('v'))
        expect([...(table.columns.get('n') as Float64Array)]).toEqual(of('n'))
        expect([...(table.columns.get('t') as Float64Array)]).toEqual(of('t', 1000))
        parsed.forEach((one, at) => expect(JSON.parse(table.rowText!(at))).toEqual(one))
      }),
      { numRuns: 2000 },
    )
  })

  test('of a long page are what JSON.parse makes of them, wherever it is cut into pieces to be read', () => {
    const digits = (i: number): string => String(Math.imul(i + 1, 2_654_435_761) >>> 0).repeat(2)
    const texts = Array.from({ length: 9000 }, (_, i) => {
      const v = `${i % 7 === 0 ? '-' : ''}${Number(digits(i).slice(0, 1 + (i % 15)))}`
      const n = `${i % 1000}.${digits(i).slice(0, 1 + (i % 12))}`
      return i % 997 === 5 ? `{"v":${v},"t":${i}}` : `{"v":${v},"n":${n},"t":${1_700_000_000_000 + i}}`
    })
    const text = `{"results":[${texts.join()}]}`
    const parsed = (JSON.parse(text) as { results: Record<string, number>[] }).results
    const table = scanDocument(Buffer.from(text), NUMBERS)
    expect([...(table.columns.get('v') as Float64Array)]).toEqual(parsed.map(({ v }) => v))
    expect([...(table.columns.get('n') as Float64Array)]).toEqual(parsed.map(({ n = NaN }) => n))
    expect([...(table.columns.get('t') as Float64Array)]).toEqual(parsed.map(({ t }) => t! * 1000))
    for (const at of [0, 1, 4096, 8998, 8999]) expect(table.rowText!(at)).toBe(texts[at])
  })

  test('with long names, or with very many fields, are read as well', () => {
    const row = (names: readonly string[], i: number): string =>
      `{${names.map((name, field) => `"${name}":${i}.${field + 1}`).join()}}`
    for (const names of [['long_name', 'b'], Array.from({ length: 40 }, (_, field) => `f${field}`)]) {
      const text = `{"results":[${Array.from({ length: 9 }, (_, i) => row(names, i)).join()}]}`
      const table = scanDocument(
        Buffer.from(text),
        names.map((name) => ({ name, type: 'double' })),
      )
      const { results } = JSON.parse(text) as { results: Record<string, number>[] }
      for (const name of names)
        expect([...(table.columns.get(name) as Float64Array)]).toEqual(results.map((one) => one[name]))
    }
  })

  test('cut off anywhere are refused', () => {
    const text = `{"results":[${Array.from({ length: 4 }, (_, i) => `{"v":${i}.5,"n":${i},"t":17${i}}`).join()}]}`
    for (let end = 0; end < text.length; end++)
      expect(() => scanDocument(Buffer.from(text.slice(0, end)), NUMBERS)).toThrow(WireError)
  })
})

describe('nanoseconds', () => {
  const ns = fc.oneof(
    fc.bigInt({ min: NS_NULL + 1n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: 10n ** 18n, max: 2n * 10n ** 18n }),
    fc.constantFrom(0n, -1n, 1n, 10n ** 18n - 1n, 2n ** 63n - 1n, 9_223_372_035_999_999_999n, NS_NULL + 1n),
  )

  test('survive exactly over the whole range, and in microseconds (to the year 2255) round down', () => {
    fc.assert(
      fc.property(fc.array(ns, { minLength: 1, maxLength: 5 }), (values) => {
        expect(column('ns', values.map(String))).toEqual(values)
        const exact = values.filter((value) => value < 9n * 10n ** 18n && value > -9n * 10n ** 18n)
        const wanted = exact.map((value) => Number((value - (((value % 1000n) + 1000n) % 1000n)) / 1000n))
        expect([...microsecondsOf(BigInt64Array.from(exact))]).toEqual(wanted)
      }),
      { numRuns: 3000 },
    )
  })

  test('survive other spellings of the same integer', () => {
    const spellings = [
      '1.5e18',
      '1500000000000000000.0',
      '15E17',
      '1500000000000000000.00e0',
      '0e99',
      '-0',
      '100e-2',
    ]
    expect(column('ns', spellings)).toEqual([
      ...Array<bigint>(4).fill(1_500_000_000_000_000_000n),
      0n,
      0n,
      1n,
    ])
  })

  test.each([
    '9223372036854775808',
    '-9223372036854775808',
    '1.5',
    '1e19',
    '1e999',
    '12e-1',
    '"1700000000000000000"',
  ])('%s is no 64-bit integer and becomes null', (text) => {
    const table = scanDocument(Buffer.from(`{"results":[{"x":${text}}]}`), [{ name: 'x', type: 'ns' }])
    expect(plain(table, 'x', 'ns')).toEqual([null])
    expect(table.wrongTypes.get('x')).toBe(1)
  })

  test('null stays null, in microseconds too', () => {
    expect(column('ns', ['null'])).toEqual([null])
    expect([...microsecondsOf(BigInt64Array.of(NS_NULL))]).toEqual([NaN])
  })
})

describe('other wire types', () => {
  test('milliseconds become microseconds', () => {
    expect(column('ms', ['1700000000000', '-1', 'null', '1e300'])).toEqual([
      1_700_000_000_000_000,
      -1000,
      null,
      null,
    ])
  })

  test('counts that a double cannot hold exactly stay beyond 2^53, for validation to refuse', () => {
    const counts = ['9007199254740991', '9007199254740993', '-9007199254740993', '3.5']
    expect(column('int64', counts)).toEqual([2 ** 53 - 1, 2 ** 53, -(2 ** 53), 3.5])
  })

  test('decimals come as numbers or as text', () => {
    expect(column('decimal', ['"100.5"', '7', '"1e2"', '""', '" 1"', '"1x"', 'null', '"0"'])).toEqual([
      100.5,
      7,
      100,
      null,
      null,
      null,
      null,
      0,
    ])
  })
})
