import { describe, expect, test, vi } from 'vitest'
import { follow, settled, simulateMarket } from './support.ts'

describe('the firehose', () => {
  test('sends so many distinct trades, all of them well-formed', async () => {
    const simulator = await simulateMarket({ firehose: { messagesPerSecond: 'max', messages: 25_050 } })
    const client = await follow(simulator, 'T.*')
    await vi.waitUntil(() => simulator.socketStats().events === 25_050)
    await settled(client)
    expect(client.events).toHaveLength(25_050)
    expect(new Set(client.events.map(({ q }) => q)).size).toBe(25_050)
    expect(new Set(client.events.map(({ sym }) => sym)).size).toBe(50)
    for (const { t, i, q } of client.events) {
      expect(i).toBe(String(q))
      expect(new Date(t).toISOString()).toMatch(/^2025-06-03T14:00:00/)
    }
  })

  test('sends bars of minute after minute, at the rate that was asked', async () => {
    const simulator = await simulateMarket({
      firehose: { messagesPerSecond: 20_000, messages: 2000, channel: 'AM', symbols: 7, perFrame: 30 },
    })
    const startedMs = performance.now()
    const client = await follow(simulator, 'AM.*')
    await vi.waitUntil(() => client.events.length === 2000)
    expect(performance.now() - startedMs).toBeGreaterThan(95)
    expect(new Set(client.events.map(({ sym, s }) => `${sym} ${s}`)).size).toBe(2000)
    expect(client.events.every(({ s, e }) => e - s === 60_000 && s % 60_000 === 0)).toBe(true)
  })

  test('begins with the subscription of its channel, and not otherwise', async () => {
    const simulator = await simulateMarket({ firehose: { messagesPerSecond: 'max', messages: 10 } })
    const client = await follow(simulator, 'AM.*')
    await settled(client)
    expect(client.events).toEqual([])
    client.send('subscribe', 'T.*')
    await vi.waitUntil(() => client.events.length === 10)
  })
})
