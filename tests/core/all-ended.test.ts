import { describe, expect, test } from 'vitest'
import { allEnded } from '../../src/core/all-ended.ts'

describe('waiting for several works', () => {
  test('gives their results in their order', async () => {
    const [text, count] = await allEnded([Promise.resolve('a'), Promise.resolve(2)])
    expect([text.toUpperCase(), count + 1]).toEqual(['A', 3])
  })

  test('throws the first failure, and only when the others have ended too', async () => {
    let ended = false
    const slow = new Promise<void>((resolve) => setTimeout(resolve, 20)).then(() => {
      ended = true
    })
    await expect(allEnded([Promise.reject(new Error('no')), slow])).rejects.toThrow('no')
    expect(ended).toBe(true)
  })
})
