import { AuthenticationError } from '../../core/errors.ts'
import { createRateLimiter, type RateLimiter } from '../../core/rate-limit.ts'
import { openHistorySource, openSourceAt, type OpenSourceOptions } from '../open-source.ts'
import type { StreamVendor } from './contract.ts'
import type { LiveCluster } from './channels.ts'

export interface OpenVendorOptions extends OpenSourceOptions {
  readonly cluster: LiveCluster
  /** What the simulator plays, where it is the source. */
  readonly play: {
    /** Where its clock starts, ms since the epoch. */
    readonly fromMs: number
    /** Where a market at full speed ends, ms since the epoch. */
    readonly untilMs: number
    /** Times real time, or as fast as the events are taken. */
    readonly speed: number | 'max'
  }
}

export interface OpenedVendor {
  readonly vendor: StreamVendor
  readonly limiter: RateLimiter
  close(): Promise<void>
}

/**
 * The vendor's live feed and REST API, or a simulator that the program starts for itself.
 *
 * @throws {AuthenticationError} when the vendor is asked for and no key is set
 */
export async function openStreamVendor(options: OpenVendorOptions): Promise<OpenedVendor> {
  return options.kind === 'simulator' ? await openEmbedded(options) : await openReal(options)
}

async function openReal(options: OpenVendorOptions): Promise<OpenedVendor> {
  const { settings } = options
  const apiKey = options.secrets.polygonApiKey
  const { restUrl, wsUrl } = settings.sources.polygon
  const opened = await openHistorySource(options)
  if (apiKey === undefined) throw new AuthenticationError('no API key')
  const vendor = await vendorOf(options, opened, { restUrl, wsUrl, apiKey })
  return { vendor, limiter: opened.limiter, close: () => opened.close() }
}

async function openEmbedded(options: OpenVendorOptions): Promise<OpenedVendor> {
  const { settings, play } = options
  const { startSimulator } = await import('../../simulator/index.ts')
  const { seed, plan } = settings.simulator
  const simulator = await startSimulator({
    ...{ port: 0, seed, plan, startMs: play.fromMs, untilMs: play.untilMs },
    ...{ speed: play.speed, startOnSubscribe: true },
  })
  const { url: restUrl, wsUrl } = simulator
  const limiter = createRateLimiter({ callsPerMinute: 0 })
  const account = { baseUrl: restUrl, apiKey: 'simulator', limiter }
  const opened = await openSourceAt(options, account)
  const vendor = await vendorOf(options, opened, { restUrl, wsUrl, apiKey: account.apiKey })
  return {
    ...{ vendor, limiter: opened.limiter },
    close: async () => {
      await opened.close()
      await simulator.close()
    },
  }
}

interface Addresses {
  readonly restUrl: string
  readonly wsUrl: string
  readonly apiKey: string
}

async function vendorOf(
  { kind, cluster, settings, events, caller }: OpenVendorOptions,
  { source, limiter, drift }: Awaited<ReturnType<typeof openHistorySource>>,
  { restUrl: baseUrl, wsUrl, apiKey }: Addresses,
): Promise<StreamVendor> {
  const [{ openLiveFeed }, { createFrameParser }, { probeClock }] = await Promise.all([
    import('../../sources/polygon/socket/live-feed.ts'),
    import('../../sources/polygon/socket/frame-parser.ts'),
    import('../../sources/polygon/probe.ts'),
  ])
  const { timeouts } = settings.sources.polygon
  const { maxConnectionsMs: maxConnectionsWaitMs, ...backOff } = settings.stream.reconnect
  const probing = {
    ...{ name: kind, baseUrl, apiKey, limiter, timeouts },
    ...{ priority: caller.priority, retryPolicy: settings.retry },
  }
  return {
    history: source,
    ...(drift ? { observe: drift.onLive } : {}),
    openFeed: (params, feedEvents, signal) =>
      openLiveFeed(
        {
          ...{ url: wsUrl, cluster, apiKey, params, events: feedEvents, backOff },
          maxConnectionsWaitMs,
          timeouts: { connectMs: timeouts.connectMs },
          highWaterFrames: settings.stream.queueFrames,
        },
        signal,
      ),
    createParser: () => createFrameParser({ source: kind, request: `live ${cluster}` }),
    now: async (signal) => (await probeClock({ ...probing, ...(events ? { events } : {}) }, signal)).serverMs,
  }
}
