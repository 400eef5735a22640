import { createRateLimiter } from '../core/rate-limit.ts'
import { openLake } from '../lake/index.ts'
import type { Ledger } from '../lake/ledger.ts'
import type { SeriesId } from '../lake/layout.ts'
import { discoveredRange, planOptionSeries, type OptionPlan } from '../pipeline/option-plan.ts'
import { dueSessions } from '../pipeline/recheck.ts'
import { planSeries, type PlanOptions, type SeriesPlan } from '../pipeline/plan.ts'
import { resolveRange, type SessionRange } from '../pipeline/range.ts'
import { polygonLimits } from '../sources/polygon/limits.ts'
import { isOptionHistory, saysNoDates, seriesOf, type BackfillFlags } from './backfill-flags.ts'
import type { RunContext } from './context.ts'
import { formatBytes, formatDuration, formatNumber, plural } from './format.ts'

/** What `plan` does. */
export async function plan(context: RunContext, flags: BackfillFlags): Promise<void> {
  await showPlans(context, await planAll(context, flags), flags.source)
}

/** Which sessions of a series are meant beyond what its ledger says is missing. */
export type Choose = (ledger: Ledger, range: SessionRange) => Pick<PlanOptions, 'only' | 'again'>

/** Plans every series of `flags` from the ledgers alone. Nothing is locked, nobody is asked. */
export async function planAll(
  context: RunContext,
  flags: BackfillFlags,
  choose: Choose = () => ({}),
): Promise<SeriesPlan[]> {
  const { config, now } = context
  const root = config.dataDir
  const series = seriesOf(flags)
  checkRange(flags, series, now())
  const lake = await openLake(root)
  try {
    const plans: SeriesPlan[] = []
    for (const one of series) {
      const { ledger } = await lake.view(one)
      const { defaultSessions } = config.settings.backfill
      const resolve = await rangeResolver(flags, one, root, now(), defaultSessions)
      const range = resolve(ledger)
      const shared = { series: one, range, ledger, nowMs: now(), force: flags.force ?? false }
      const { recheckSessions } = config.settings.versions
      const due = { root, nowMs: now(), recheckSessions }
      const again = flags.recheck ? await dueSessions(one, ledger, due) : undefined
      if (isOptionHistory(one.dataset)) {
        plans.push(await planOptionSeries({ ...shared, root, again }))
        continue
      }
      const limits = polygonLimits(one.dataset)
      plans.push(planSeries({ ...shared, limits, again, ...choose(ledger, range) }))
    }
    return plans
  } finally {
    await lake.close()
  }
}

/** The limit on calls to `source`; 0 where there is none, as in the embedded simulator. */
const callsPerMinuteOf = ({ config }: Pick<RunContext, 'config'>, source: BackfillFlags['source']): number =>
  source === 'simulator' ? 0 : config.settings.sources.polygon.callsPerMinute

/** Prints plans as a table with totals, or as JSON. */
export async function showPlans(
  context: RunContext,
  plans: readonly SeriesPlan[],
  source: BackfillFlags['source'],
): Promise<void> {
  const callsPerMinute = callsPerMinuteOf(context, source)
  const total = plans.reduce((sum, { calls }) => sum + calls, 0)
  const minutes = timeFor(total, context, callsPerMinute) / 60_000
  if (context.flags.json) {
    return context.out.json('tapelake.plan', 1, {
      calls: total,
      callsPerMinute,
      minutes,
      series: plans.map(planDocument),
    })
  }
  await context.out.table(
    ['dataset', 'ticker', 'from', 'to', 'sessions', 'held', 'again', 'pending', 'calls', 'rows', 'size'],
    plans.map(planRow),
    { right: [4, 5, 6, 7, 8, 9, 10] },
  )
  const atLimit = `about ${formatDuration(minutes * 60_000)} at ${callsPerMinute} calls a minute`
  context.out.line(`${plural(total, 'call')}, ${callsPerMinute === 0 ? 'without a call limit' : atLimit}`)
}

function planDocument(plan: SeriesPlan): object {
  const { series, range, sessions, held, pending, again, items, calls, estimatedRows, estimatedBytes } = plan
  return {
    dataset: series.dataset.name,
    ticker: series.ticker,
    from: range.from,
    to: range.to,
    sessions: sessions.length,
    held: held.length,
    pending: pending.length,
    again: again.length,
    toRecord: items.reduce((sum, item) => sum + item.sessions.length, 0),
    calls,
    estimatedRows,
    estimatedBytes,
    requests: items.map(({ from, to, sessions: wanted }) => ({ from, to, sessions: wanted.length })),
    ...contractsOf(plan),
  }
}

/** Of options: contracts by day, and the days of the range that were not discovered. */
function contractsOf(plan: SeriesPlan): object {
  if (!('days' in plan)) return {}
  const { days, undiscovered } = plan as OptionPlan
  return {
    days: days.map(({ date, contracts, toFetch }) => ({
      date,
      contracts: contracts.length,
      toFetch: toFetch.length,
    })),
    undiscovered,
  }
}

function planRow(plan: SeriesPlan): string[] {
  const { series, range, sessions, held, pending, again, calls, estimatedRows, estimatedBytes } = plan
  return [
    series.dataset.name,
    series.ticker,
    range.from,
    range.to,
    formatNumber(sessions.length),
    formatNumber(held.length),
    formatNumber(again.length),
    formatNumber(pending.length),
    formatNumber(calls),
    `~${formatNumber(estimatedRows)}`,
    `~${formatBytes(estimatedBytes)}`,
  ]
}

/** How long `calls` take under the limit alone, when nobody else uses it, milliseconds. */
function timeFor(calls: number, { config }: Pick<RunContext, 'config'>, callsPerMinute: number): number {
  const windowMs = config.settings.sources.polygon.budget.windowSeconds * 1000
  return createRateLimiter({ callsPerMinute, windowMs }).estimateMs(calls)
}

/** Says what a backfill of options is about to spend: a call for every contract and day. */
export function announce(
  { config, out }: RunContext,
  { source }: BackfillFlags,
  { series, days, calls, undiscovered, sessions, held }: OptionPlan,
): void {
  const callsPerMinute = callsPerMinuteOf({ config }, source)
  const needed = formatDuration(timeFor(calls, { config }, callsPerMinute))
  const time = calls > 0 && callsPerMinute > 0 ? `, about ${needed}` : ''
  const what = `${series.ticker} ${series.dataset.name}`
  const contracts = days.reduce((sum, day) => sum + day.contracts.length, 0)
  const counted = `${plural(contracts, 'contract')} on ${plural(days.length, 'day')}`
  const rest = held.length > 0 ? `; ${held.length} of ${plural(sessions.length, 'day')} held already` : ''
  out.note(`${what}: ${counted} to record, ${plural(calls, 'call')}${time}${rest}`)
  if (undiscovered.length > 0) {
    const days = plural(undiscovered.length, 'session')
    out.note(`${what}: ${days} without a discovery left out (${undiscovered.slice(0, 3).join(', ')}…)`)
  }
}

/**
 * How the range flags become sessions of a series, once its ledger is known. Without dates, options are recorded for
 * all days that were discovered.
 *
 * @throws {UsageError} where nothing was discovered
 */
export async function rangeResolver(
  flags: BackfillFlags,
  series: SeriesId,
  dataDir: string,
  nowMs: number,
  defaultSessions: number,
): Promise<(ledger: Ledger) => SessionRange> {
  if (isOptionHistory(series.dataset) && saysNoDates(flags)) {
    const range = await discoveredRange(dataDir, series, nowMs)
    return () => range
  }
  return (ledger) => rangeOf(flags, series, ledger, nowMs, defaultSessions)
}

/** Turns the range flags into sessions of a series. @throws {UsageError} see {@link resolveRange} */
function rangeOf(
  flags: BackfillFlags,
  { dataset }: SeriesId,
  ledger: Ledger,
  nowMs: number,
  defaultSessions: number,
): SessionRange {
  const heldFrom = Object.keys(ledger.cells).sort()[0]
  return resolveRange(rangeFlags(flags), { calendar: dataset.calendar, nowMs, defaultSessions, heldFrom })
}

const rangeFlags = (flags: BackfillFlags): BackfillFlags =>
  flags.date === undefined ? flags : { ...flags, from: flags.date, to: flags.date }

/** Refuses bad dates before anything is opened or locked, whatever the ledgers say. */
export function checkRange(flags: BackfillFlags, series: readonly SeriesId[], nowMs: number): void {
  for (const { dataset } of series) {
    resolveRange(rangeFlags(flags), { calendar: dataset.calendar, nowMs, defaultSessions: 1 })
  }
}
