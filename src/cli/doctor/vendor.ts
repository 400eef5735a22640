import { EXIT, isPipelineError, messageOf } from '../../core/errors.ts'
import { API_KEY_PATH, type LoadedConfig } from '../../core/config/index.ts'
import { retryPolicySchema } from '../../core/retry.ts'
import { openBudget, readBudget } from '../../pipeline/budget.ts'
import type { PolygonSourceOptions } from '../../sources/polygon/index.ts'
import { probeClock, probePlan, type ProbeName, type ProbeResult } from '../../sources/polygon/probe.ts'
import { budgetLines } from '../budget-text.ts'
import { formatDuration } from '../format.ts'
import { fail, ok, warn, type Check } from './check.ts'

/** With the clock's request, five: the minute of a free plan. */
const PROBES: readonly ProbeName[] = ['minute_bars', 'minute_bars_5_years_ago', 'trades', 'quotes']
const WARN_SKEW_MS = 5_000

/** Tried once: a doctor tells what is, it does not wait for better days. */
const ONCE = retryPolicySchema.parse({
  ...{ network: { retries: 0 }, timeout: { retries: 0 }, rate_limit: { retries: 0 } },
  ...{ server: { retries: 0 }, malformed: { retries: 0 } },
})

/** Whether there is a key. */
export function checkKey({ secrets, origins }: LoadedConfig): Check {
  const origin = origins.get(API_KEY_PATH)
  if (secrets.polygonApiKey !== undefined) return ok('key', `a key is given by ${origin?.place ?? 'nobody'}`)
  const hint = 'Set POLYGON_API_KEY (or MASSIVE_API_KEY), or work with made-up data: --source simulator.'
  return fail('key', 'no API key', hint, EXIT.auth)
}

/** What is left of the account's calls, before the vendor is asked anything. */
export async function checkBudget(config: LoadedConfig): Promise<Check> {
  const hint = 'Each process keeps the limit by itself then; TAPELAKE_RUNTIME_DIR names another folder.'
  try {
    return ok('budget', budgetLines(await readBudget(config)).join('; '))
  } catch (error) {
    return warn('budget', messageOf(error), isPipelineError(error) ? (error.hint ?? hint) : hint)
  }
}

/** Asks the vendor: does it answer, is the clock right, does the key work, what does the plan cover. */
export async function checkVendor(config: LoadedConfig, signal: AbortSignal): Promise<Check[]> {
  const { polygon } = config.settings.sources
  const { settings, secrets } = config
  const caller = { label: 'doctor', priority: 'discovery' } as const
  const limiter = await openBudget({ settings, secrets, caller })
  const options: PolygonSourceOptions = {
    baseUrl: polygon.restUrl,
    apiKey: secrets.polygonApiKey,
    name: 'polygon',
    timeouts: polygon.timeouts,
    retryPolicy: ONCE,
    limiter,
    priority: caller.priority,
  }
  try {
    const { skewMs, market } = await probeClock(options, signal)
    const clock = [ok('vendor', `${polygon.restUrl} answers; the market is ${market}`), clockCheck(skewMs)]
    const probes = await probePlan(options, PROBES, signal)
    return [...clock, ...probes.map(planCheck)]
  } catch (error) {
    signal.throwIfAborted()
    return [vendorFailure(error)]
  } finally {
    await limiter.close()
  }
}

function clockCheck(skewMs: number): Check {
  const far = formatDuration(Math.abs(skewMs))
  if (Math.abs(skewMs) < WARN_SKEW_MS) return ok('clock', 'this clock agrees with the vendor')
  const direction = skewMs > 0 ? 'behind' : 'ahead of'
  return warn(
    'clock',
    `this clock is ${far} ${direction} the vendor's`,
    'Let the system set its clock (NTP).',
  )
}

function planCheck({ name, ok: works, notEntitled, reason = '' }: ProbeResult): Check {
  const what = name.replaceAll('_', ' ')
  if (works) return ok(`plan:${name}`, `${what}: covered by the plan`)
  if (notEntitled) return ok(`plan:${name}`, `${what}: not covered by the plan`)
  return warn(`plan:${name}`, `${what}: ${reason}`, 'Try again; the vendor may have a bad moment.')
}

function vendorFailure(error: unknown): Check {
  const hint = 'Check the connection, the proxy and sources.polygon.restUrl.'
  if (!isPipelineError(error)) return fail('vendor', messageOf(error), hint, EXIT.failed)
  return fail('vendor', error.message, error.hint ?? hint, error.exitCode)
}
