import { EXIT, type ExitCode } from '../core/errors.ts'
import { createEngine } from '../lake/engines/index.ts'
import { openLake } from '../lake/index.ts'
import { dataPaths } from '../lake/layout.ts'
import { compactSeries } from '../lake/compact.ts'
import type { Ledger } from '../lake/ledger.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { optionChain } from '../market/datasets/option-chain.ts'
import { optionContracts } from '../market/datasets/options.ts'
import { underlyingNamed } from '../market/underlyings.ts'
import { discover } from '../pipeline/discover.ts'
import type { NightStep, StepDone } from '../pipeline/night.ts'
import type { SeriesOutcome } from '../pipeline/backfill.ts'
import type { SeriesPlan } from '../pipeline/plan.ts'
import { settledBy } from '../pipeline/settled.ts'
import { snapshotChain } from '../pipeline/snapshot-chain.ts'
import { exitCodeOf, summarize } from '../pipeline/summary.ts'
import { recordAll } from './backfill-all-run.ts'
import type { Choose } from './backfill-plan.ts'
import { lateText } from './backfill-summary.ts'
import type { RunContext } from './context.ts'
import { formatNumber, plural } from './format.ts'
import { closeGaps } from './gaps-run.ts'
import { planOptions, planStocks, type NightFlags } from './nightly-plan.ts'
import { withMeans } from './option-run.ts'

/** Newest sessions whose gaps are repaired each night; older ones are repaired by `gaps --repair`. */
const REPAIR_SESSIONS = 5

/** Strikes and expirations that a night discovers: those of `discover` without flags. */
const STRIKE_RANGE = 0.01
const EXPIRY_DAYS = 0

/** The work of a night, in order. */
export function stepsOfNight(context: RunContext, flags: NightFlags): readonly NightStep[] {
  const { nightly } = context.config.settings
  const none = (list: readonly string[], name: string): { skip?: string } =>
    list.length === 0 ? { skip: `none are configured (nightly.${name})` } : {}
  return [
    { name: 'discover', ...none(nightly.discover, 'discover'), run: () => discoverNext(context, flags) },
    { name: 'backfill', run: () => backfillMissing(context, flags) },
    { name: 'recheck', run: () => recheck(context, flags) },
    { name: 'repair', run: () => repairHoles(context, flags) },
    { name: 'snapshot', ...none(nightly.snapshot, 'snapshot'), run: () => snapshot(context, flags) },
    { name: 'compact', run: () => compact(context) },
    {
      name: 'verify',
      ...(nightly.verifySample === 0 ? { skip: 'switched off (nightly.verifySample)' } : {}),
      run: () => verifySample(context),
    },
  ]
}

async function discoverNext(context: RunContext, { source }: NightFlags): Promise<StepDone> {
  const { config, now, signals } = context
  const calendar = calendarOf(optionContracts.calendar)
  const { date } = calendar.next(calendar.lastFinished(now()).date)
  const found: { underlying: string; contracts: number }[] = []
  for (const name of config.settings.nightly.discover) {
    const underlying = underlyingNamed(name)
    const contracts = await withMeans(
      context,
      { underlying: name, source },
      optionContracts,
      async (means) => {
        const request = { underlying, date, strikeRange: STRIKE_RANGE, expiryDays: EXPIRY_DAYS }
        return (await discover(request, means, signals.immediate)).discovery.contracts.length
      },
    )
    found.push({ underlying: underlying.symbol, contracts })
  }
  const what = found.map(({ underlying, contracts }) => `${underlying} ${plural(contracts, 'contract')}`)
  return { exitCode: EXIT.ok, detail: `for ${date}: ${what.join(', ')}`, fields: { date, found } }
}

/** What is missing, and what was refused before: a plan may have changed, and a refusal been a mistake. */
async function backfillMissing(context: RunContext, flags: NightFlags): Promise<StepDone> {
  const again: Choose = ({ cells }) => ({
    again: new Set(Object.keys(cells).filter((date) => cells[date]!.state === 'not_entitled')),
  })
  const stocks = await planStocks(context, flags, again)
  return await record(context, flags, [...stocks, ...(await planOptions(context, flags))], true)
}

/** The newest sessions once more, but for those that this very night brought. */
async function recheck(context: RunContext, flags: NightFlags): Promise<StepDone> {
  const { config, now, runId } = context
  const count = config.settings.nightly.recheckSessions
  const only: Choose = (ledger) => ({ only: newestSessions(ledger, count, now(), runId) })
  const plans = await planStocks(context, { ...flags, days: count }, only)
  return await record(context, flags, plans.map(onlyAsked), false)
}

/** A plan that speaks of nothing but what it asks for. */
const onlyAsked = (plan: SeriesPlan): SeriesPlan => {
  const sessions = plan.items.flatMap((item) => item.sessions).sort()
  return { ...plan, sessions, pending: [] }
}

function newestSessions(ledger: Ledger, count: number, nowMs: number, run: string): ReadonlySet<string> {
  const calendar = calendarOf('XNYS')
  let { date } = calendar.lastFinished(settledBy(nowMs))
  const dates = new Set<string>()
  for (let i = 0; i < count; i++, date = calendar.previous(date).date) {
    const cell = ledger.cells[date]
    if (cell && cell.run !== run) dates.add(date)
  }
  return dates
}

async function record(
  context: RunContext,
  flags: NightFlags,
  plans: readonly SeriesPlan[],
  tellsLeft: boolean,
): Promise<StepDone> {
  const { outcomes, calls, setAside, crashes, problem } = await recordAll(context, flags, plans, true)
  const summary = summarize(outcomes, calls)
  const refused = outcomes.filter((one) => one.failures > 0)
  if (tellsLeft) context.telemetry.noteLeft(summary.holes)
  else context.telemetry.noteAlsoLeft(refused.map(leftOf))
  const { rows, restated, late, holes, states, sessions, failures } = summary
  const code: ExitCode = exitCodeOf(summary)
  const ends = problem !== undefined && !(problem.code === 'USAGE' && code === EXIT.partial)
  const open = new Set(holes.map(({ ticker }) => ticker))
  const parts = [
    `${plural(rows, 'row')}, ${plural(calls, 'call')}`,
    ...(restated.length > 0 ? [`${plural(restated.length, 'session')} restated`] : []),
    ...lateText(late),
    ...(open.size > 0 ? [`holes left in ${[...open].slice(0, 5).join(', ')}`] : []),
    ...(failures > 0 ? [`${plural(failures, 'request')} refused or failed (${namesOf(refused)})`] : []),
    ...(problem ? [problem.message] : []),
  ]
  return {
    exitCode: ends ? problem.exitCode : code,
    ...(ends ? { error: problem.code } : {}),
    detail: parts.join('; '),
    fields: {
      ...{ rows, calls, restated, late, holes, states, sessions, crashes },
      setAside: setAside.length,
    },
  }
}

const namesOf = (outcomes: readonly SeriesOutcome[]): string =>
  [...new Set(outcomes.map(({ series }) => series.ticker))].slice(0, 5).join(', ')

/** What was asked of a series once more and not answered; what is held stays. */
const leftOf = ({ series, plan: { sessions } }: SeriesOutcome) => ({
  ...{ dataset: series.dataset.name, ticker: series.ticker },
  ...{ from: sessions[0] ?? '', to: sessions.at(-1) ?? '', sessions: sessions.length },
  ...{ state: 'failed' as const, reason: 'asked for once more, and refused or failed; what is held stays' },
})

/** Gaps of the newest sessions: what a stream left open, what the vendor did not have at first. */
async function repairHoles(
  context: RunContext,
  { ticker = [], dataset = [], source }: NightFlags,
): Promise<StepDone> {
  const calendar = calendarOf('XNYS')
  let { date: since } = calendar.lastFinished(settledBy(context.now()))
  for (let i = 1; i < REPAIR_SESSIONS; i++) since = calendar.previous(since).date
  let gaps = 0
  let asked = 0
  for (const [from, tickers] of await heldSince(context, { ticker, dataset }, since)) {
    const flags = { ticker: tickers, dataset, from, repair: true, all: false, source }
    const { found, repaired, problem } = await closeGaps(context, flags)
    if (problem) throw problem
    gaps += found.reduce((sum, one) => sum + one.gaps.length, 0)
    asked += repaired.length
  }
  const detail = `since ${since}: ${plural(gaps, 'gap')} found, ${plural(asked, 'session')} asked for again`
  return { exitCode: EXIT.ok, detail, fields: { since, gaps, repaired: asked } }
}

/** Tickers by the session from which on they are looked at: `since`, or where the series begins if that is later. */
async function heldSince(
  { config }: RunContext,
  { ticker, dataset }: { readonly ticker: readonly string[]; readonly dataset: readonly string[] },
  since: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const lake = await openLake(config.dataDir)
  const found = new Map<string, string[]>()
  try {
    for (const series of await lake.series({ tickers: ticker, datasets: dataset })) {
      const [first] = Object.keys((await lake.view(series)).ledger.cells).sort()
      if (first === undefined) continue
      const from = first > since ? first : since
      found.set(from, [...new Set([...(found.get(from) ?? []), series.ticker])])
    }
    return found
  } finally {
    await lake.close()
  }
}

async function snapshot(context: RunContext, { source }: NightFlags): Promise<StepDone> {
  const taken: { underlying: string; contracts: number; refused: number }[] = []
  for (const name of context.config.settings.nightly.snapshot) {
    const underlying = underlyingNamed(name)
    const { contracts, refused } = await withMeans(
      context,
      { underlying: name, source },
      optionChain,
      (means) => snapshotChain(underlying, means, context.signals.immediate),
    )
    taken.push({ underlying: underlying.symbol, contracts, refused })
  }
  const what = taken.map(({ underlying, contracts }) => `${underlying} ${plural(contracts, 'contract')}`)
  const partly = taken.some(({ refused }) => refused > 0)
  return { exitCode: partly ? EXIT.partial : EXIT.ok, detail: what.join(', '), fields: { taken } }
}

async function compact({ config, now, runId, signals }: RunContext): Promise<StepDone> {
  const { compression, rowGroupRows } = config.settings.sinks.parquet
  const { keepDays } = config.settings.versions
  const lake = await openLake(config.dataDir)
  const engine = createEngine('columnar', { tempDirectory: dataPaths(config.dataDir).scratch })
  try {
    const options = {
      ...{ root: config.dataDir, runId, nowMs: now(), keepDays, lockWaitMs: 0 },
      ...{ engine, compression, rowGroupRows },
    }
    let dropped = 0
    let skipped = 0
    const all = await lake.series()
    for (const series of all) {
      const one = await compactSeries(series, options, signals.immediate)
      dropped += one.dropped
      if (one.skipped !== undefined) skipped++
    }
    const left = skipped > 0 ? `; ${plural(skipped, 'series', 'series')} in use left alone` : ''
    const detail = `${plural(all.length, 'series', 'series')}, ${plural(dropped, 'old version')} dropped${left}`
    return { exitCode: EXIT.ok, detail, fields: { dropped, skipped } }
  } finally {
    await engine.close()
    await lake.close()
  }
}

/** Reads some series again and compares them with their ledgers; others each night, until all had their turn. */
async function verifySample({ config, now, signals }: RunContext): Promise<StepDone> {
  const lake = await openLake(config.dataDir)
  try {
    const all = await lake.series()
    const { verifySample: size } = config.settings.nightly
    const first = (Math.floor(now() / 86_400_000) * size) % Math.max(1, all.length)
    const sample = [...all.slice(first), ...all.slice(0, first)].slice(0, size)
    const findings: object[] = []
    let rows = 0
    for (const { dataset, ticker } of sample) {
      if (signals.graceful.aborted) break
      for await (const one of lake.verify({ datasets: [dataset.name], tickers: [ticker] })) {
        rows += one.rows
        findings.push(...one.findings)
      }
    }
    const detail = `${sample.length} of ${plural(all.length, 'series', 'series')}, ${formatNumber(rows)} rows: ${plural(findings.length, 'difference')}`
    return { exitCode: findings.length > 0 ? EXIT.partial : EXIT.ok, detail, fields: { rows, findings } }
  } finally {
    await lake.close()
  }
}
