import { compressors } from 'hyparquet-compressors'
import { describe, expect, test } from 'vitest'
import { compressZstd, type Grid } from '../../../../src/lake/engines/columnar/zstd.ts'
import { randomNumbers } from './tables.ts'

const ROUNDS = Number(process.env.TAPELAKE_ZSTD_ROUNDS ?? 300)

/** What another zstd (fzstd) makes of the frame. */
const decompress = (frame: Uint8Array, length: number): Uint8Array => compressors.ZSTD!(frame, length)

function expectSame(page: Uint8Array, grid?: Grid): number {
  const frame = compressZstd(page, grid)
  const found = decompress(frame, page.length)
  expect(Buffer.compare(found, page)).toBe(0)
  return frame.length
}

/** Pages of every nature: skewed bytes, columns of values, repeats from afar, long runs. */
function pageOf(nature: number, length: number, random: () => number): Uint8Array {
  const page = new Uint8Array(length)
  const [kinds, skew] = [1 + Math.floor(random() ** 2 * 256), 1 + 4 * random()]
  for (let i = 0; i < length; i++) {
    const any = Math.floor(random() ** skew * kinds)
    if (nature === 0) page[i] = any
    else if (nature === 1) page[i] = i % 8 < 5 ? Math.floor(random() * 3) : any
    else if (nature === 2)
      page[i] =
        i > 50 && random() < 0.9 ? page[i - 1 - Math.floor(random() * 40)]! : Math.floor(random() * 256)
    else page[i] = i % 3000 < 2500 ? 7 : any
  }
  return page
}

describe('zstd frames', () => {
  test('what is compressed comes back, whatever it is, as another zstd reads it', () => {
    const random = randomNumbers(20_240_102)
    for (let round = 0; round < ROUNDS; round++) {
      const stride = [1, 8, 4][round % 3]!
      const page = pageOf(round % 4, Math.floor(random() ** 3 * 300_000), random)
      expectSame(page, { stride, lead: stride === 1 ? 0 : round % stride })
    }
  })

  test('nothing, one byte, one byte over and over, and the sizes around every limit', () => {
    for (const length of [0, 1, 2, 3, 4, 5, 8, 31, 32, 127, 128, 1023, 1024, 4095, 4096, 16_383, 16_384]) {
      expectSame(new Uint8Array(length).fill(9))
      expectSame(pageOf(0, length, randomNumbers(length)))
    }
    for (const length of [131_071, 131_072, 131_073, 262_144, 1_048_576, 1_048_577, 3_000_000]) {
      expect(expectSame(new Uint8Array(length).fill(9))).toBeLessThan(length / 1000)
    }
  })

  test('noise is not made larger than by its headers', () => {
    const random = randomNumbers(5)
    const noise = Uint8Array.from({ length: 300_000 }, () => Math.floor(random() * 256))
    expect(expectSame(noise)).toBeLessThanOrEqual(noise.length + 4 + 1 + 4 + 3 * 3)
  })

  test('prices take less than a third', () => {
    const random = randomNumbers(6)
    let cents = 50_000
    const prices = Float64Array.from(
      { length: 20_000 },
      () => (cents += Math.floor(random() * 21) - 10) / 100,
    )
    const page = new Uint8Array(prices.buffer)
    expect(expectSame(page, { stride: 8, lead: 0 })).toBeLessThan(page.length / 3)
  })
})
