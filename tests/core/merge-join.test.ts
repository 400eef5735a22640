import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Batch } from '../../src/core/batch.ts'
import { columnComparison, mergeJoin } from '../../src/core/merge-join.ts'

const batch = (keys: readonly number[], values = keys): Batch => ({
  dataset: 'test',
  length: keys.length,
  schema: [
    { name: 'key', type: 'double' },
    { name: 'value', type: 'double' },
  ],
  columns: { key: Float64Array.from(keys), value: Float64Array.from(values) },
})

/** `keys` cut into batches of `size`, empty ones between them. */
async function* flow(keys: readonly number[], size: number): AsyncGenerator<Batch> {
  for (let at = 0; at < keys.length; at += size) {
    yield batch(keys.slice(at, at + size))
    yield batch([])
  }
}

const keyAt = ({ columns }: Batch, row: number) => (columns['key'] as Float64Array)[row]!

describe('a merge join', () => {
  test('tells every key once, in order, from the side or sides that have it, however the batches are cut', async () => {
    const side = fc.uniqueArray(fc.nat(30)).map((keys) => keys.sort((a, b) => a - b))
    const cut = fc.integer({ min: 1, max: 7 })
    await fc.assert(
      fc.asyncProperty(side, side, cut, cut, async (left, right, leftCut, rightCut) => {
        const seen: string[] = []
        let drains = 0
        await mergeJoin(['key'], flow(left, leftCut), flow(right, rightCut), {
          onBoth: (a, i, b, j) => seen.push(`both ${keyAt(a, i)} ${keyAt(b, j)}`),
          onLeft: (a, i) => seen.push(`left ${keyAt(a, i)}`),
          onRight: (b, j) => seen.push(`right ${keyAt(b, j)}`),
          drain: async () => void drains++,
        })
        const all = [...new Set([...left, ...right])].sort((a, b) => a - b)
        const expected = all.map((key) => {
          if (left.includes(key) && right.includes(key)) return `both ${key} ${key}`
          return `${left.includes(key) ? 'left' : 'right'} ${key}`
        })
        expect(seen).toEqual(expected)
        expect(drains > 0).toBe(all.length > 0)
      }),
    )
  })

  test('ends both flows when the visitor fails', async () => {
    const ended: string[] = []
    async function* endless(name: string): AsyncGenerator<Batch> {
      try {
        for (;;) yield batch([1])
      } finally {
        ended.push(name)
      }
    }
    const fail = () => {
      throw new Error('no')
    }
    const visitor = { onBoth: fail, onLeft: fail, onRight: fail }
    await expect(mergeJoin(['key'], endless('left'), endless('right'), visitor)).rejects.toThrow('no')
    expect(ended.sort()).toEqual(['left', 'right'])
  })
})

test('a comparison names the columns that differ; what is missing equals only what is missing', () => {
  const compare = columnComparison(batch([1, 2, 3], [1, NaN, NaN]), batch([1, 2, 4], [2, NaN, 3]), [
    'key',
    'value',
  ])
  expect([compare(0, 0), compare(1, 1), compare(2, 2)]).toEqual([['value'], [], ['key', 'value']])
})
