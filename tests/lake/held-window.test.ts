import { afterAll, describe, expect, test } from 'vitest'
import { sliceBatch } from '../../src/core/batch.ts'
import { HeldWindow } from '../../src/lake/held-window.ts'
import type { ParquetEngine } from '../../src/lake/engine.ts'
import { engine, record, SESSIONS, testRoot, TRADES, tradeRows, withWriter } from '../support/lake.ts'

const [, , , JAN3] = SESSIONS
afterAll(() => engine.close())

/** Milliseconds of the trade of `minute`. */
const at = (minute: number): number => Date.parse('2025-01-03T14:30:00Z') + minute * 60_000

/** The lake's engine, which hands rows out in threes and counts how often it begins. */
function inThrees() {
  let begun = 0
  const read: ParquetEngine['read'] = async function* (...args) {
    begun++
    for await (const batch of engine.read(...args))
      for (let from = 0; from < batch.length; from += 3)
        yield sliceBatch(batch, from, Math.min(from + 3, batch.length))
  }
  const sliced = Object.create(engine, { read: { value: read } }) as ParquetEngine
  return { sliced, begun: () => begun }
}

/** Looks up stretches of minutes one after the other; which minutes came, and how often the file was begun. */
async function look(stretches: readonly (readonly [first: number, last: number])[], rows = 20) {
  const root = testRoot()
  await record(root, { [JAN3]: tradeRows(JAN3, 1, rows) }, TRADES)
  const { sliced, begun } = inThrees()
  return await withWriter(
    root,
    TRADES,
    async (writer) => {
      const window = new HeldWindow(writer, JAN3)
      const found: number[][] = []
      for (const [first, last] of stretches) {
        const minutes: number[] = []
        for await (const { columns } of window.between(at(first), at(last)))
          for (const us of columns['timestamp'] as Float64Array) minutes.push((us / 1000 - at(0)) / 60_000)
        found.push(minutes)
      }
      await window.close()
      return { found, begun: begun() }
    },
    { engine: sliced },
  )
}

describe('what the lake holds, stretch by stretch', () => {
  test('is read once where the stretches follow one another, and no more of it than they need', async () => {
    const { found, begun } = await look([
      [0, 1],
      [2, 4],
      [4, 4],
      [9, 13],
      [30, 40],
    ])
    expect(found.map((minutes) => [minutes[0], minutes.at(-1)])).toEqual([
      [0, 2],
      [0, 5],
      [3, 5],
      [3, 14],
      [12, 14],
    ])
    expect(begun).toBe(1)
  })

  test('is read again where one goes back', async () => {
    const { found, begun } = await look([
      [12, 13],
      [1, 2],
    ])
    expect(found).toEqual([
      [12, 13, 14],
      [0, 1, 2, 3, 4, 5], // the next one might begin within the same millisecond
    ])
    expect(begun).toBe(2)
  })

  test('is all there for any stretches', async () => {
    const ends = [0, 3, 5, 6, 11, 19, 25]
    const stretches = ends.flatMap((first) =>
      ends.filter((last) => last >= first).map((last) => [first, last] as const),
    )
    for (const order of [stretches, stretches.toReversed()]) {
      const { found } = await look(order)
      for (const [i, [first, last]] of order.entries()) {
        const wanted = Array.from({ length: 20 }, (_, n) => n).filter((n) => n >= first && n <= last)
        expect(found[i], `${first} to ${last}`).toEqual(expect.arrayContaining(wanted))
        expect(new Set(found[i]).size).toBe(found[i]!.length)
      }
    }
  })
})
