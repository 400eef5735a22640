import { onTestFinished } from 'vitest'
import { createFrameParser } from '../../../../src/sources/polygon/socket/frame-parser.ts'
import {
  openLiveFeed,
  type LiveFeed,
  type LiveFeedOptions,
  type LiveFrame,
} from '../../../../src/sources/polygon/socket/live-feed.ts'

export const KEY = 'test-key-not-a-real-one'

/** Everything that the feed told its hooks, as `name detail`, in order. */
export interface Opened {
  readonly feed: LiveFeed
  readonly told: string[]
  /** Everything told, whole, as JSON: nothing of it may hold the key. */
  readonly raw: () => string
}

/** A feed with short deadlines, closed after the test. */
export function openFeed(options: Partial<LiveFeedOptions> & { url: string }, signal?: AbortSignal): Opened {
  const told: string[] = []
  const raw: unknown[] = []
  const hook =
    <T>(name: string, detail: (event: T) => unknown) =>
    (event: T) => {
      raw.push(event)
      told.push(`${name} ${String(detail(event))}`.trim())
    }
  const feed = openLiveFeed(
    {
      cluster: 'stocks',
      apiKey: KEY,
      maxConnectionsWaitMs: 1,
      healthyAfterMs: 0,
      backOff: { baseMs: 1, maxMs: 20 },
      events: {
        onConnected: hook('connected', ({ connection }) => connection),
        onAuthenticated: hook('authenticated', ({ delayed }) => (delayed ? 'delayed' : '')),
        onDelayedHost: hook('delayed host', ({ message }) => message),
        onAck: hook('ack', ({ action, param }) => `${action} ${param}`),
        onRefused: hook('refused', ({ param, message }) => `${param}: ${message}`),
        onUnanswered: hook('unanswered', ({ params }) => params.join(',')),
        onDisconnected: hook('disconnected', ({ cause }) => cause),
        onReconnecting: hook('reconnecting', ({ why }) => why),
        onPaused: hook('paused', ({ paused }) => paused),
        onUnknown: hook('unknown', ({ status, message }) => `${status}: ${message}`),
      },
      ...options,
    },
    signal ?? new AbortController().signal,
  )
  onTestFinished(() => feed.close())
  return { feed, told, raw: () => JSON.stringify(raw) }
}

/** The next `count` frames. */
export async function take(feed: LiveFeed, count: number): Promise<LiveFrame[]> {
  const frames: LiveFrame[] = []
  if (count === 0) return frames
  for await (const frame of feed.frames()) if (frames.push(frame) === count) break
  return frames
}

/** Minutes past 15:00 UTC of the bars in `frames`, read by the parser. */
export function minutesOf(frames: readonly LiveFrame[]): number[] {
  const parser = createFrameParser({ source: 'test', request: 'socket' })
  for (const { payload, receivedMs } of frames) parser.add(payload, receivedMs)
  const base = Date.UTC(2025, 0, 3, 15) * 1000
  return parser
    .take()
    .rows.flatMap(({ batch }) => [...(batch.columns.timestamp as Float64Array)])
    .map((us) => (us - base) / 6e7)
}
