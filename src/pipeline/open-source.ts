import type { Secrets, Settings } from '../core/config/index.ts'
import { AuthenticationError } from '../core/errors.ts'
import { createRedactor } from '../core/redact.ts'
import { createRateLimiter, type RateLimiter } from '../core/rate-limit.ts'
import { assertProvenance } from '../lake/stamp.ts'
import type { HistorySource } from '../sources/history.ts'
import type { OptionSource } from '../sources/options.ts'
import type { DriftEntry } from './drift/store.ts'
import { DriftWatch } from './drift/watch.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import { openBudget, type BudgetCaller } from './budget.ts'

/** Where rows come from: the vendor, or the simulator that the program starts for itself. */
export type SourceName = 'polygon' | 'simulator'

export interface OpenSourceOptions {
  readonly kind: SourceName
  readonly settings: Settings
  readonly secrets: Secrets
  /** The present instant, UTC epoch milliseconds. */
  readonly now: () => number
  readonly events?: SourceEvents
  /** Aborts when requests shall no longer wait: for the budget, or before a retry. */
  readonly patience?: AbortSignal
  /** Who spends the account's calls, and on what. */
  readonly caller: BudgetCaller
  /** Where changes of the vendor's fields are noted, and who is told of them; default: nowhere. */
  readonly drift?: {
    readonly root: string
    readonly runId: string
    readonly onAlert: (entries: readonly DriftEntry[]) => Promise<void>
  }
  /** Something is not as it should be, and the work goes on. */
  readonly onProblem?: (text: string) => void
}

export interface OpenedSource {
  readonly source: HistorySource
  /** Listings, chains and prices of underlyings, on the same budget. */
  readonly optionSource: OptionSource
  readonly limiter: RateLimiter
  /** What watches the vendor's fields, where that was asked for. */
  readonly drift?: DriftWatch | undefined
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

async function openVendor(options: OpenSourceOptions): Promise<OpenedSource> {
  const { settings, secrets } = options
  const apiKey = secrets.polygonApiKey
  if (apiKey === undefined) {
    throw new AuthenticationError('no API key: POLYGON_API_KEY (or MASSIVE_API_KEY) is not set', {
      hint: 'Set it in the environment or in .env, or record synthetic data with --source simulator.',
    })
  }
  const { polygon } = settings.sources
  return await openSourceAt(options, {
    baseUrl: polygon.restUrl,
    apiKey,
    limiter: await openBudget(options),
  })
}

/**
 * Refuses a source whose rows the lake below `root` does not take, where that is sure before anybody was asked: any
 * other address than the vendor's own may be that of a simulator.
 *
 * @throws {LakeMismatchError} when the lake holds the other kind
 */
export async function assertLakeTakes(root: string, kind: SourceName, settings: Settings): Promise<void> {
  const { hostname } = new URL(settings.sources.polygon.restUrl)
  const isVendor = /(^|\.)(polygon\.io|massive\.com)$/.test(hostname)
  const provenance = kind === 'simulator' ? 'synthetic' : isVendor ? 'real' : undefined
  if (provenance) await assertProvenance(root, provenance)
}

/** A simulator on a free loopback port, for as long as the source is open. It has no call limit. */
async function openEmbedded(options: OpenSourceOptions): Promise<OpenedSource> {
  const { settings, now } = options
  const { startSimulator } = await import('../simulator/index.ts')
  const { seed, plan } = settings.simulator
  const simulator = await startSimulator({ port: 0, seed, plan, now })
  const opened = await openSourceAt(options, {
    baseUrl: simulator.url,
    apiKey: 'simulator',
    limiter: createRateLimiter({ callsPerMinute: 0 }),
  })
  return {
    ...opened,
    close: async () => {
      await opened.close()
      await simulator.close()
    },
  }
}

/** Where requests go, with which key, on whose budget. */
export interface Account {
  readonly baseUrl: string
  readonly apiKey: string
  /** Closed with the source. */
  readonly limiter: RateLimiter
}

/** The source at `account`, ready to be read. */
export async function openSourceAt(
  options: OpenSourceOptions,
  { baseUrl, apiKey, limiter }: Account,
): Promise<OpenedSource> {
  const { kind: name, settings, events, patience, caller } = options
  const { sources, retry } = settings
  const drift =
    options.drift &&
    (await DriftWatch.open({
      ...{ ...options.drift, settings: settings.drift, source: name, now: options.now },
      redactor: createRedactor([options.secrets.polygonApiKey]),
    }))
  const { createPolygonSource } = await import('../sources/polygon/index.ts')
  const { createPolygonOptionSource } = await import('../sources/polygon/option-source.ts')
  const { Breakers } = await import('../sources/polygon/breakers.ts')
  const breakers = new Breakers({
    ...{ ...sources.polygon.breaker, host: hostOf(baseUrl), retryPolicy: retry },
    ...(events?.onBreaker ? { onChange: events.onBreaker } : {}),
  })
  const account = {
    name,
    breakers,
    baseUrl,
    apiKey,
    limiter,
    priority: caller.priority,
    retryPolicy: retry,
    timeouts: sources.polygon.timeouts,
    events: { ...events, ...(drift ? { onPage: drift.onPage } : {}) },
    ...(patience ? { patience } : {}),
  }
  const source = createPolygonSource(account)
  const optionSource = createPolygonOptionSource(account)
  return {
    source,
    optionSource,
    limiter,
    drift,
    close: async () => {
      await limiter.close()
      await source.close()
      await optionSource.close()
      await drift?.close()
    },
  }
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url)
