import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Journal } from '../../src/lake/journal/index.ts'
import type * as SimulatorModule from '../../src/simulator/index.ts'
import type { LiveFeed, LiveFrame } from '../../src/sources/polygon/socket/feed-contract.ts'
import { built } from '../harness/built.ts'
import type { Figures } from '../harness/child.ts'
import { cpuMs } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'

/** A flood of trades, and where it comes from. */
export interface FloodParams {
  /** Where the firehose's sockets are. */
  readonly url: string
  /** Folder to work in. */
  readonly work: string
  /** Trades that will come. */
  readonly messages: number
  /** What is appended is on the disk after this time at the latest, ms. */
  readonly fsyncMs: number
}

const never = new AbortController().signal
const CHANNEL = 'T'

/** Sends every connection a flood of trades, until SIGTERM. `perSecond` 0: as fast as it is read. Prints its URL. */
export async function serveFlood(params: {
  readonly messages: number
  readonly perFrame: number
  readonly perSecond: number
}): Promise<Figures> {
  const { messages, perFrame, perSecond } = params
  const { startSimulator } = await built<typeof SimulatorModule>('simulator/index')
  const firehose = { messages, perFrame, messagesPerSecond: perSecond || ('max' as const) }
  const simulator = await startSimulator({ firehose, maxConnections: 100 })
  console.log(JSON.stringify({ url: simulator.wsUrl }))
  await new Promise<void>((resolve) => process.once('SIGTERM', resolve))
  await simulator.close()
  return {}
}

/** Every frame from the socket into the journal; the clock stops when the last one is on the disk. */
export async function floodToJournal(params: FloodParams): Promise<Figures> {
  const { RECORD_KIND } = await load.journal()
  return await flood(params, async (feed, journal) => {
    const meter = new Meter()
    let left = params.messages
    for await (const { payload, receivedMs } of feed.frames()) {
      meter.begin()
      if (!journal.append(RECORD_KIND.frame, receivedMs, payload)) await journal.durable()
      left -= eventsIn(payload)
      if (left <= 0) break
    }
    await journal.sync()
    return meter.figures(params.messages)
  })
}

/** What `stream` does with a frame: journal, columns, every rule, the session's rows. */
export async function floodToBook(params: FloodParams): Promise<Figures> {
  const [{ Intake }, { SessionBook }, { channelOf }, { createFrameParser }] = await Promise.all([
    load.liveIntake(),
    load.sessionBook(),
    load.liveChannels(),
    load.frameParser(),
  ])
  return await flood(params, async (feed, journal) => {
    const meter = new Meter()
    const book = new SessionBook('bench')
    const intake = new Intake({
      ...{ feed: metered(feed, meter), journal, book, channels: [channelOf(CHANNEL, 'stocks')] },
      parser: createFrameParser({ source: 'simulator', request: 'live stocks' }),
      ...{ onConnection: () => undefined, onRows: () => undefined, onKept: () => undefined },
      onQuiet: () => {
        if (intake.rows === params.messages) void feed.close()
      },
    })
    await intake.run()
    await journal.sync()
    if (book.all.reduce((sum, { received }) => sum + received, 0) !== params.messages)
      throw new Error(`the book took ${intake.rows} of ${params.messages} trades`)
    return meter.figures(params.messages)
  })
}

/** How long a frame waits from its receipt until it is on the disk, at the flood's own rate. */
export async function frameLatency(params: FloodParams): Promise<Figures> {
  const { RECORD_KIND } = await load.journal()
  return await flood(params, async (feed, journal) => {
    const waits: number[] = []
    const landed: Promise<unknown>[] = []
    let left = params.messages
    for await (const { payload, receivedMs, receivedTickMs } of feed.frames()) {
      journal.append(RECORD_KIND.frame, receivedMs, payload)
      landed.push(journal.durable().then(() => waits.push(performance.now() - receivedTickMs)))
      left -= eventsIn(payload)
      if (left <= 0) break
    }
    await Promise.all(landed)
    waits.sort((a, b) => a - b)
    const quantile = (share: number): number => waits[Math.ceil(share * waits.length) - 1]!
    return { p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: waits.at(-1)!, frames: waits.length }
  })
}

/** Opens a feed of the flood and a journal for `work`; the journal must hold every trade afterwards. */
async function flood(
  { url, work, messages, fsyncMs }: FloodParams,
  run: (feed: LiveFeed, journal: Journal) => Promise<Figures>,
): Promise<Figures> {
  const [{ openLiveFeed }, { openJournal, listJournals, readJournal }] = await Promise.all([
    load.liveFeed(),
    load.journal(),
  ])
  const folder = mkdtempSync(join(work, 'live-'))
  const journal = await openJournal({ folder, fsyncEveryMs: fsyncMs }, never)
  const feed = openLiveFeed({ url, cluster: 'stocks', apiKey: 'bench', params: [`${CHANNEL}.*`] }, never)
  const figures = await run(feed, journal)
  const rssBytes = process.resourceUsage().maxRSS * 1024
  await feed.close()
  await journal.close()
  let held = 0
  for (const { path } of await listJournals(folder))
    for await (const { payload } of readJournal(path)) held += eventsIn(payload)
  if (held !== messages) throw new Error(`the journal holds ${held} of ${messages} trades`)
  return { ...figures, rssBytes }
}

/** Time and CPU from the first frame on. */
class Meter {
  #startTickMs: number | undefined
  #cpu = process.cpuUsage()

  begin(): void {
    if (this.#startTickMs !== undefined) return
    this.#startTickMs = performance.now()
    this.#cpu = process.cpuUsage()
  }

  figures(messages: number): Figures {
    const wallMs = performance.now() - this.#startTickMs!
    const cpu = cpuMs(this.#cpu)
    return {
      wallMs,
      cpuMs: cpu,
      perSecond: (messages / wallMs) * 1000,
      perCpuSecond: (messages / cpu) * 1000,
    }
  }
}

/** `feed`, whose first frame starts `meter`. */
function metered(feed: LiveFeed, meter: Meter): LiveFeed {
  async function* frames(): AsyncGenerator<LiveFrame> {
    for await (const frame of feed.frames()) {
      meter.begin()
      yield frame
    }
  }
  return {
    wanted: feed.wanted,
    frames,
    subscribe: (params) => feed.subscribe(params),
    unsubscribe: (params) => feed.unsubscribe(params),
    stats: () => feed.stats(),
    close: () => feed.close(),
  }
}

const MARK = Buffer.from('"ev"')

/** Events in a frame, by their mark. */
export function eventsIn(payload: Buffer): number {
  let count = 0
  for (let at = payload.indexOf(MARK); at >= 0; at = payload.indexOf(MARK, at + 100)) count++
  return count
}
