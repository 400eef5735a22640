import { describe, expect, onTestFinished, test } from 'vitest'
import { createFrameParser, type ParsedFrames } from '../../../../src/sources/polygon/socket/frame-parser.ts'
import type { LiveFeed } from '../../../../src/sources/polygon/socket/live-feed.ts'
import { type SimulatorOptions, startSimulator } from '../../../../src/simulator/index.ts'
import { KEY, openFeed } from './feed.ts'
import { eventually } from '../../../support/eventually.ts'

async function simulate(options: SimulatorOptions) {
  const simulator = await startSimulator({ keys: [KEY], ...options })
  onTestFinished(() => simulator.close())
  return simulator
}

/** Parses frames until `enough` is content with what came. */
async function parseUntil(feed: LiveFeed, enough: (soFar: number) => boolean): Promise<ParsedFrames> {
  const parser = createFrameParser({ source: 'simulator', request: 'socket' })
  for await (const { payload, receivedMs } of feed.frames()) {
    parser.add(payload, receivedMs)
    if (enough(parser.rows)) break
  }
  return parser.take()
}

describe('a feed from the simulator', () => {
  test('brings a whole session of minute bars of SPY', async () => {
    const startMs = Date.parse('2025-06-03T07:55:00Z')
    const simulator = await simulate({ startMs, speed: 'max', lateBars: 0 })
    const { feed } = openFeed({ url: simulator.wsUrl, params: ['AM.SPY'] })
    const { rows, unknown, malformed } = await parseUntil(feed, (soFar) => soFar === 960)
    const minutes = rows.flatMap(({ batch }) => [...(batch.columns.timestamp as Float64Array)])
    const firstMs = Date.parse('2025-06-03T08:00:00Z')
    expect(minutes).toEqual(Array.from({ length: 960 }, (_, i) => (firstMs + i * 60_000) * 1000))
    expect([unknown, malformed]).toEqual([[], []])
  })

  test('of a plan without real-time data comes from the delayed host, and says so', async () => {
    const simulator = await simulate({ plan: 'starter' })
    const { feed, told } = openFeed({ url: simulator.wsUrl, params: ['AM.SPY', 'T.SPY'] })
    await eventually(() => told).toContain('ack subscribe AM.SPY')
    expect(told).toContain('authenticated delayed')
    expect(told).toContain('refused T.SPY: not authorized to subscribe to: T.SPY')
    expect(feed.stats().delayed).toBe(true)
  })

  test('with a wrong key ends, without one with the words of the plan', async () => {
    const wrong = await simulate({ keys: ['another-key'] })
    await expect(parseUntil(openFeed({ url: wrong.wsUrl }).feed, () => true)).rejects.toThrow(
      'authentication failed',
    )
    const free = await simulate({ plan: 'free' })
    await expect(parseUntil(openFeed({ url: free.wsUrl }).feed, () => true)).rejects.toThrow(
      "doesn't include websocket",
    )
  })

  test('is evicted by a newcomer with the same key, and told so', async () => {
    const simulator = await simulate({})
    const first = openFeed({ url: simulator.wsUrl, params: ['AM.SPY'], maxConnectionsWaitMs: 3_600_000 })
    await eventually(() => first.told).toContain('ack subscribe AM.SPY')
    const second = openFeed({ url: simulator.wsUrl, params: ['AM.SPY'] })
    await eventually(() => first.told).toContain('disconnected max_connections')
    await eventually(() => second.told).toContain('ack subscribe AM.SPY')
    expect(second.feed.stats().connected).toBe(true)
  })

  test('takes a flood without losing or repeating an event', async () => {
    const messages = 100_000
    const simulator = await simulate({ firehose: { messages, messagesPerSecond: 'max', channel: 'T' } })
    const { feed } = openFeed({ url: simulator.wsUrl, params: ['T.*'], highWaterBytes: 1 << 20 })
    const { rows } = await parseUntil(feed, (soFar) => soFar >= messages)
    const sequences = rows.flatMap(({ batch }) => [...(batch.columns.sequence_number as Float64Array)])
    expect(sequences).toHaveLength(messages)
    expect(sequences.every((sequence, i) => sequence === sequences[0]! + i)).toBe(true)
  })
})
