import { describe, expect, test } from 'vitest'
import { fixPage } from '../../src/pipeline/drift/fix-page.ts'

const none = { rename: {}, numbers: false }

describe('a kept page', () => {
  const body =
    '{"shares":"1","results":[{"shares": 7,"t":1517562000016036600,"o":{"shares":2,"in":"5"}},{"shares":8}]}'

  test('is left as it is where nothing is to be mended', () => {
    expect(fixPage(body, none)).toBe(body)
  })

  test('has fields of its rows renamed, no others, and long numbers to the last digit', () => {
    expect(fixPage(body, { ...none, rename: { shares: 'v' } })).toBe(
      '{"shares":"1","results":[{"v": 7,"t":1517562000016036600,"o":{"shares":2,"in":"5"}},{"v":8}]}',
    )
  })

  test('has fields inside of an object of a row renamed by their path', () => {
    expect(fixPage(body, { ...none, rename: { 'o.shares': 'o.v' } })).toContain(
      '"o":{"v":2,"in":"5"}},{"shares":8}',
    )
  })

  test('has texts that hold a number read as numbers, in its rows only', () => {
    const texts =
      '{"count":"2","results":[{"v":"7.5","c":"-1e3","ticker":"SPY","note":"\\"7\\": 8","d":"2025-06-03"}]}'
    expect(fixPage(texts, { ...none, numbers: true })).toBe(
      '{"count":"2","results":[{"v":7.5,"c":-1e3,"ticker":"SPY","note":"\\"7\\": 8","d":"2025-06-03"}]}',
    )
  })
})
