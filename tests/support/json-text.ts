import fc from 'fast-check'

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
const digits = fc.stringMatching(/^\d{1,20}$/)

/** Texts of JSON numbers in all their spellings: long, tiny, with exponents, with trailing zeros. */
export const numberText: fc.Arbitrary<string> = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1000 }).map((value) => value.toFixed(4)),
  fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9]\d{0,20}$/)),
      fc.option(digits, { nil: undefined }),
      fc.option(fc.stringMatching(/^[eE][+-]?\d{1,3}$/), { nil: '' }),
    )
    .map(([sign, whole, fraction, exponent]) => sign + whole + (fraction ? `.${fraction}` : '') + exponent),
)

/** Texts of JSON strings, escaped in any of the ways that the grammar allows. */
export const stringText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }).map((value) => JSON.stringify(value)),
  fc
    .array(
      fc.constantFrom('a', 'é', '€', '😀', '\\"', '\\\\', '\\/', '\\n', '\\u00e9', '\\uD83D\\uDE00', '\\b'),
      {
        maxLength: 6,
      },
    )
    .map((parts) => `"${parts.join('')}"`),
)

/** An array or object text with `items` in it and spaces wherever the grammar allows them. */
export const enclosed = (open: string, close: string, items: fc.Arbitrary<string[]>): fc.Arbitrary<string> =>
  fc
    .tuple(items, fc.array(space, { minLength: 4, maxLength: 4 }))
    .map(([texts, [a, b, c, d]]) => open + a + texts.join(`${b},${c}`) + d + close)

/** The text of `name`: `value` with spaces around the colon. */
export const member = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(name, space, space, value).map(([key, before, after, text]) => `${key}${before}:${after}${text}`)

/** Texts of any JSON values, nested a few levels. */
export const valueText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    numberText,
    stringText,
    fc.constantFrom('null', 'true', 'false'),
    enclosed('[', ']', fc.array(tie('value'), { maxLength: 3 })),
    enclosed('{', '}', fc.array(member(stringText, tie('value')), { maxLength: 3 })),
  ),
})).value
