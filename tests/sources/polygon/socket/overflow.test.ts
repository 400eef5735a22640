import { describe, expect, test } from 'vitest'
import { listJournals, openJournal, readJournal, RECORD_KIND } from '../../../../src/lake/journal/index.ts'
import { createFrameParser } from '../../../../src/sources/polygon/socket/frame-parser.ts'
import { testRoot } from '../../../support/lake.ts'
import { minuteBar, startSocketVendor } from '../../../support/socket-vendor.ts'
import { minutesOf, openFeed, take } from './feed.ts'
import { eventually } from '../../../support/eventually.ts'

const KIB = 1024
/** A frame of about `bytes` bytes that holds the bar of `minute`. */
const wideBar = (minute: number, bytes: number) => [{ ...minuteBar(minute), note: 'x'.repeat(bytes) }]
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('a reader that does not keep up', () => {
  test('stops the socket at the mark, so that the vendor sees it, and loses nothing that was sent', async () => {
    const frames = 400
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      for (const minute of upTo(frames)) client.send(wideBar(minute, 32 * KIB))
    })
    const { feed, told } = openFeed({ url: vendor.url, highWaterBytes: 256 * KIB })
    await eventually(() => told.at(-1)).toBe('paused true')
    await eventually(() => vendor.clients[0]!.ws.bufferedAmount).toBeGreaterThan(0)
    const paused = feed.stats()
    expect(paused.queuedBytes).toBeGreaterThanOrEqual(256 * KIB)
    expect(paused.queuedBytes).toBeLessThan(256 * KIB + 3 * 64 * KIB)
    expect(minutesOf(await take(feed, frames))).toEqual(upTo(frames))
    const { pauses, pausedMs, highestQueuedBytes } = feed.stats()
    expect(pauses).toBeGreaterThan(0)
    expect(pausedMs).toBeGreaterThan(0)
    expect(highestQueuedBytes).toBeLessThan(256 * KIB + 3 * 64 * KIB)
    expect(told.filter((line) => line === 'paused true')).toHaveLength(pauses)
  })

  test('is not taken for silence of the vendor while the socket is not read', async () => {
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      for (const minute of upTo(100)) client.send(wideBar(minute, 32 * KIB))
    })
    const { feed, told } = openFeed({
      ...{ url: vendor.url, highWaterFrames: 3 },
      timeouts: { pingMs: 2, pongDeadlineMs: 5 },
    })
    await eventually(() => told).toContain('paused true')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(minutesOf(await take(feed, 100))).toEqual(upTo(100))
    expect(told).not.toContain('disconnected silence')
  })

  test('keeps what it accepted when the vendor ends the connection for it', async () => {
    const vendor = await startSocketVendor(async (client, index) => {
      await client.welcome()
      if (index === 0) for (const minute of upTo(50)) client.send(wideBar(minute, KIB))
      client.ws.ping()
      client.ws.once('pong', () => index === 0 && client.tcp.resetAndDestroy())
    })
    const { feed, told } = openFeed({ url: vendor.url })
    await eventually(() => told).toContain('disconnected cut')
    expect(minutesOf(await take(feed, 50))).toEqual(upTo(50))
  })

  test('closes in good order though the socket is not being read', async () => {
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      for (const minute of upTo(400)) client.send(wideBar(minute, 32 * KIB))
    })
    const { feed, told } = openFeed({ url: vendor.url, highWaterFrames: 3 })
    await eventually(() => told).toContain('paused true')
    const { queuedFrames } = feed.stats()
    await feed.close()
    expect(minutesOf(await take(feed, 400))).toEqual(upTo(queuedFrames))
  })
})

describe('from the socket to the journal', () => {
  test('every frame is on the disk, in order, byte for byte', async () => {
    const folder = testRoot()
    const count = 20_000
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      for (const minute of upTo(count)) client.send([minuteBar(minute)])
    })
    const { feed } = openFeed({ url: vendor.url, highWaterFrames: 500 })
    const journal = await openJournal({ folder }, new AbortController().signal)
    let left = count
    for await (const { payload, receivedMs } of feed.frames()) {
      if (!journal.append(RECORD_KIND.frame, receivedMs, payload)) await journal.durable()
      if (--left === 0) break
    }
    await journal.close()
    const parser = createFrameParser({ source: 'test', request: 'journal' })
    for (const { path } of await listJournals(folder))
      for await (const { payload, receivedMs } of readJournal(path)) parser.add(payload, receivedMs)
    const [rows] = parser.take().rows
    const base = Date.UTC(2025, 0, 3, 15) * 1000
    expect([...(rows!.batch.columns.timestamp as Float64Array)].map((us) => (us - base) / 6e7)).toEqual(
      upTo(count),
    )
  })
})
