import type { Settings } from '../core/config/index.ts'
import { AuthenticationError } from '../core/errors.ts'
import { createRateLimiter, type RateLimiter } from '../core/rate-limit.ts'
import type { HistorySource } from '../sources/history.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'

/** Where rows come from: the vendor, or the simulator that the program starts for itself. */
export const SOURCE_NAMES = ['polygon', 'simulator'] as const
export type SourceName = (typeof SOURCE_NAMES)[number]

export interface OpenSourceOptions {
  readonly kind: SourceName
  readonly settings: Settings
  readonly apiKey: string | undefined
  /** The present instant, UTC epoch milliseconds. */
  readonly now: () => number
  readonly events?: SourceEvents
}

export interface OpenedSource {
  readonly source: HistorySource
  readonly limiter: RateLimiter
  close(): Promise<void>
}

/**
 * The source called `kind`, ready to be read.
 *
 * @throws {AuthenticationError} when the vendor is asked for and no key is set
 */
export async function openHistorySource(options: OpenSourceOptions): Promise<OpenedSource> {
  return options.kind === 'simulator' ? await openEmbedded(options) : await openVendor(options)
}

async function openVendor({ settings, apiKey, events }: OpenSourceOptions): Promise<OpenedSource> {
  if (apiKey === undefined) {
    throw new AuthenticationError('no API key: POLYGON_API_KEY (or MASSIVE_API_KEY) is not set', {
      hint: 'Set it in the environment or in .env, or record synthetic data with --source simulator.',
    })
  }
  const { polygon } = settings.sources
  return await open('polygon', settings, polygon.restUrl, apiKey, polygon.callsPerMinute, events)
}

/** A simulator on a free loopback port, for as long as the source is open. It has no call limit. */
async function openEmbedded({ settings, now, events }: OpenSourceOptions): Promise<OpenedSource> {
  const { startSimulator } = await import('../simulator/index.ts')
  const { seed, plan } = settings.simulator
  const simulator = await startSimulator({ port: 0, seed, plan, now })
  const opened = await open('simulator', settings, simulator.url, 'simulator', 0, events)
  return {
    ...opened,
    close: async () => {
      await opened.close()
      await simulator.close()
    },
  }
}

async function open(
  name: SourceName,
  { sources, retry }: Settings,
  baseUrl: string,
  apiKey: string,
  callsPerMinute: number,
  events: SourceEvents | undefined,
): Promise<OpenedSource> {
  const { createPolygonSource } = await import('../sources/polygon/index.ts')
  const limiter = createRateLimiter({ callsPerMinute })
  const source = createPolygonSource({
    name,
    baseUrl,
    apiKey,
    limiter,
    retryPolicy: retry,
    timeouts: sources.polygon.timeouts,
    ...(events ? { events } : {}),
  })
  return {
    source,
    limiter,
    close: async () => {
      limiter.close()
      await source.close()
    },
  }
}
