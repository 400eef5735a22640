import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BoundedQueue } from '../../src/core/bounded-queue.ts'

function queueOf(maxWeight: number, maxItems = 1000) {
  const told: string[] = []
  const queue = new BoundedQueue<number>({
    ...{ weigh: (item) => item, maxWeight, maxItems },
    onFull: () => told.push('full'),
    onRoom: () => told.push('room'),
  })
  return { queue, told, reader: queue[Symbol.asyncIterator]() }
}

async function drain(queue: BoundedQueue<number>): Promise<number[]> {
  const out: number[] = []
  for await (const item of queue) out.push(item)
  return out
}

describe('a bounded queue', () => {
  test('gives back everything pushed, in order, whatever the bounds and the rhythm of reader and writer', async () => {
    const steps = fc.array(fc.oneof(fc.constant('read' as const), fc.integer({ min: 1, max: 9 })), {
      maxLength: 200,
    })
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 40 }), async (script, maxWeight) => {
        const { queue, reader } = queueOf(maxWeight)
        const [pushed, read]: [number[], number[]] = [[], []]
        for (const step of script) {
          if (step !== 'read') {
            queue.push(step)
            pushed.push(step)
          } else if (queue.length > 0) read.push((await reader.next()).value!)
          const waiting = pushed.slice(read.length)
          expect(queue.length).toBe(waiting.length)
          expect(queue.weight).toBe(waiting.reduce((sum, item) => sum + item, 0))
        }
        queue.end()
        expect([...read, ...(await drain(queue))]).toEqual(pushed)
      }),
      { numRuns: 60 },
    )
  })

  test('tells the producer to stop at the mark, keeps what still comes, and calls it back at half', async () => {
    const { queue, told, reader } = queueOf(10)
    expect([queue.push(4), queue.push(5), queue.push(1), queue.push(7)]).toEqual([true, true, false, false])
    expect(told).toEqual(['full'])
    expect(queue.highestWeight).toBe(17)
    await reader.next()
    await reader.next()
    expect(told).toEqual(['full'])
    await reader.next()
    await reader.next()
    expect(told).toEqual(['full', 'room'])
    expect(queue.full).toBe(false)
  })

  test('is full by the number of items too', () => {
    const { queue, told } = queueOf(1e9, 2)
    expect([queue.push(1), queue.push(1)]).toEqual([true, false])
    expect(told).toEqual(['full'])
  })

  test('hands an item straight to a reader that waits', async () => {
    const { queue, reader } = queueOf(1)
    const waiting = reader.next()
    expect(queue.push(100)).toBe(true)
    await expect(waiting).resolves.toEqual({ done: false, value: 100 })
    expect(queue.highestWeight).toBe(0)
  })

  test('ends after what is left, for a reader that waits as well, and takes nothing more', async () => {
    const { queue, reader } = queueOf(100)
    queue.push(1)
    await reader.next()
    const waiting = reader.next()
    queue.end()
    expect(queue.push(2)).toBe(false)
    await expect(waiting).resolves.toMatchObject({ done: true })
    await expect(reader.next()).resolves.toMatchObject({ done: true })
  })

  test('throws the failure after what is left, or at once and without the rest when it fails', async () => {
    const gentle = queueOf(100)
    gentle.queue.push(1)
    gentle.queue.end(new Error('over'))
    await expect(gentle.reader.next()).resolves.toMatchObject({ value: 1 })
    await expect(gentle.reader.next()).rejects.toThrow('over')
    const hard = queueOf(100)
    hard.queue.push(1)
    hard.queue.fail(new Error('stop'))
    await expect(hard.reader.next()).rejects.toThrow('stop')
    expect(hard.queue.weight).toBe(0)
    const waiting = queueOf(100)
    const pending = waiting.reader.next()
    waiting.queue.fail(new Error('stop'))
    await expect(pending).rejects.toThrow('stop')
  })

  test('refuses a second reader instead of dealing items out between two', async () => {
    const { queue, reader } = queueOf(100)
    const first = reader.next()
    await expect(reader.next()).rejects.toThrow('one reader')
    queue.end()
    await first
  })
})
