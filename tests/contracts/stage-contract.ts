import { expect, test } from 'vitest'
import { rowAt, type Batch } from '../../src/core/batch.ts'
import { collect, type Stage } from '../../src/core/flow.ts'

/** What a contract test feeds to a stage: batches that hold only good rows, each time new ones. */
export interface StageFeed {
  /** A batch without rows. */
  empty(): Batch
  /** The n-th of an endless run of batches in order of time, each with a few good rows. */
  batch(n: number): Batch
}

/** What every stage owes the flow, whatever it does to the rows. */
export function stageContract(makeStage: () => Stage, feed: StageFeed): void {
  const rowsOf = (batches: readonly Batch[]): unknown[] =>
    batches.flatMap((batch) => Array.from({ length: batch.length }, (_, row) => rowAt(batch, row)))

  async function* flow(...batches: readonly Batch[]): AsyncGenerator<Batch> {
    for (const batch of batches) yield await Promise.resolve(batch)
  }

  test('ends when its input ends, and yields no empty batch', async () => {
    expect(await collect(makeStage()(flow()))).toEqual([])
    expect(await collect(makeStage()(flow(feed.empty())))).toEqual([])
    expect(await collect(makeStage()(flow(feed.empty(), feed.batch(0), feed.empty())))).toHaveLength(1)
  })

  test('passes good rows on unchanged and in order, as the very same batches', async () => {
    const given = [feed.batch(0), feed.batch(1), feed.batch(2)]
    const taken = await collect(makeStage()(flow(...given)))
    expect(taken).toHaveLength(3)
    taken.forEach((batch, i) => expect(batch).toBe(given[i]))
  })

  test('can be run twice, with no state left between runs', async () => {
    const stage = makeStage()
    const run = async () => rowsOf(await collect(stage(flow(feed.batch(0), feed.batch(1)))))
    const first = await run()
    expect(first.length).toBeGreaterThan(0)
    expect(await run()).toEqual(first)
  })

  test('asks for a batch only when the one before it was taken', async () => {
    let asked = 0
    async function* counted() {
      for (let n = 0; n < 3; n++) {
        asked++
        yield await Promise.resolve(feed.batch(n))
      }
    }
    const iterator = makeStage()(counted())[Symbol.asyncIterator]()
    await iterator.next()
    expect(asked).toBe(1)
    await iterator.next()
    expect(asked).toBe(2)
  })

  test('closes its input when the consumer stops early', async () => {
    let closed = false
    async function* endless() {
      try {
        for (let n = 0; ; n++) yield await Promise.resolve(feed.batch(n))
      } finally {
        closed = true
      }
    }
    for await (const batch of makeStage()(endless())) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
    expect(closed).toBe(true)
  })

  test('hands on the error of its input after the batches before it', async () => {
    async function* failing() {
      yield await Promise.resolve(feed.batch(0))
      throw new Error('the source broke')
    }
    const taken: Batch[] = []
    const run = async () => {
      for await (const batch of makeStage()(failing())) taken.push(batch)
    }
    await expect(run()).rejects.toThrow('the source broke')
    expect(taken).toHaveLength(1)
  })
}
