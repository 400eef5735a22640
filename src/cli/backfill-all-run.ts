import { availableParallelism } from 'node:os'
import { SETTINGS_NAME } from '../core/config/key-names.ts'
import { liveSettingsOf, settingsForWorkers } from '../core/config/reload.ts'
import { AuthenticationError, EXIT, UsageError, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { registerProcess } from '../lake/process-registry.ts'
import { isOptionHistory, seriesOf, type BackfillFlags } from './backfill-flags.ts'
import { checkRange, planAll, showPlans } from './backfill-plan.ts'
import { printSummary } from './backfill-summary.ts'
import { BackfillAllWatch } from './backfill-all-watch.ts'
import type { RunContext } from './context.ts'
import type { MetricsFlags } from './metrics-flags.ts'
import { plural } from './format.ts'
import { datasetNamed } from '../market/datasets/index.ts'
import { assertLakeTakes } from '../pipeline/open-source.ts'
import type { SeriesPlan } from '../pipeline/plan.ts'
import { universeOf } from '../pipeline/universe.ts'
import { backfillAll, type BackfillAllOutcome } from '../pipeline/workers/backfill-all.ts'
import { forkWorker } from '../pipeline/workers/fork-worker.ts'
import type { Priority } from '../pipeline/workers/work-queue.ts'

/** Flags of `backfill-all`. */
export interface BackfillAllFlags extends Omit<BackfillFlags, 'ticker' | 'underlying'>, MetricsFlags {
  /** As given; default the universe of the configuration. */
  readonly tickers?: readonly string[]
  readonly workers?: number
  readonly priority: Priority
  readonly wait?: number
  readonly plan?: boolean
  readonly dryRun?: boolean
}

/** What `backfill-all` does. */
export async function runBackfillAll(context: RunContext, flags: BackfillAllFlags): Promise<ExitCode> {
  const whole = withUniverse(context, flags)
  const { config, now } = context
  checkRange(whole, seriesOf(whole), now())
  if (flags.plan || flags.dryRun) {
    await showPlans(context, await planAll(context, whole), whole.source)
    return EXIT.ok
  }
  refuseWithoutKey(context, flags)
  await assertLakeTakes(config.dataDir, flags.source, config.settings)
  const tickers = seriesOf(whole).map(({ ticker }) => ticker)
  await context.telemetry.beginChecked({ command: 'backfill-all', tickers, metrics: flags }, () =>
    checkDataDir(config.dataDir, config.settings.disk.minFreeMb),
  )
  const plans = await planAll(context, whole)
  const entry = await registerProcess(config.dataDir, {
    ...{ kind: 'run', command: 'backfill-all', run: context.runId, state: 'recording' },
  })
  const outcome = await recordAll(context, whole, plans).finally(() => entry.remove())
  return await report(context, whole, plans, outcome)
}

/** The flags of a backfill of the whole universe: its tickers are stocks, or underlyings where options are asked for. */
export function withUniverse<Flags extends BackfillAllFlags>(
  { config, terminal }: RunContext,
  flags: Flags,
): Flags & BackfillFlags {
  const names = universeOf(flags.tickers ?? config.settings.sources.polygon.equities, terminal.cwd)
  const strange = typeof flags.priority === 'object' && flags.priority.find((one) => !names.includes(one))
  if (strange) throw new UsageError(`--priority names ${strange}, which is not among the tickers of this run`)
  const datasets = flags.dataset?.map(datasetNamed) ?? []
  const ticker = datasets.length === 0 || !datasets.every(isOptionHistory) ? { ticker: names } : {}
  const underlying = datasets.some(isOptionHistory) ? { underlying: names } : {}
  return { ...flags, ...ticker, ...underlying }
}

/** Before any worker starts; each would say it. */
export function refuseWithoutKey({ config }: RunContext, { source }: Pick<BackfillAllFlags, 'source'>): void {
  if (source === 'simulator' || config.secrets.polygonApiKey !== undefined) return
  throw new AuthenticationError('no API key: POLYGON_API_KEY (or MASSIVE_API_KEY) is not set', {
    hint: 'Set it in the environment or in .env, or record synthetic data with --source simulator.',
  })
}

/** Records `plans` with worker processes. */
export async function recordAll(
  context: RunContext,
  flags: BackfillAllFlags,
  plans: readonly SeriesPlan[],
  exact = false,
): Promise<BackfillAllOutcome> {
  const { config, signals, now } = context
  const { settings } = config
  const count = (flags.workers ?? settings.workers.count) || availableParallelism()
  const limit = (): number => (flags.source === 'simulator' ? 0 : settings.sources.polygon.callsPerMinute)
  const watch = await BackfillAllWatch.start(context, plans, limit)
  try {
    return await backfillAll({
      ...{ root: config.dataDir, plans, nowMs: now(), force: flags.force ?? false, exact },
      ...{ priority: flags.priority, settings: settings.workers, together: settings.backfill.concurrency },
      lockWaitMs: (flags.wait ?? 0) * 1000,
      count,
      start: () => startWorker(context, flags, watch.print),
      ...{
        graceful: signals.graceful,
        immediate: signals.immediate,
        hooks: together(watch.hooks, context.telemetry.workerHooks),
      },
      relay: (tellAll) =>
        context.reloads.follow(() => tellAll({ kind: 'settings', live: liveSettingsOf(settings) })),
      sourceEvents: context.telemetry.sourceEvents,
      backfillHooks: context.telemetry.backfillHooks,
    })
  } finally {
    watch.stop()
  }
}

function startWorker(context: RunContext, { source }: BackfillAllFlags, onText: (text: string) => void) {
  const { terminal, flags, config, runId } = context
  const { pretty } = config.settings.logging
  const forPeople = pretty === 'auto' && terminal.stderr.isTTY ? 'always' : pretty
  const settings = settingsForWorkers(config, { logging: { pretty: forPeople } })
  return forkWorker({
    args: [
      ...['worker', '--run', runId, '--source', source, '--data-dir', config.dataDir, '--no-progress'],
      ...(flags.config === undefined ? [] : ['--config', flags.config]),
      ...(flags.quiet ? ['--quiet'] : []),
      ...(flags.verbose > 0 ? [`-${'v'.repeat(flags.verbose)}`] : []),
    ],
    cwd: terminal.cwd,
    env: { ...terminal.env, [SETTINGS_NAME]: settings },
    onText,
  })
}

async function report(
  context: RunContext,
  flags: BackfillAllFlags,
  plans: readonly SeriesPlan[],
  outcome: BackfillAllOutcome,
): Promise<ExitCode> {
  const { outcomes, calls, problem, setAside, crashes } = outcome
  const planned = plannedCalls(plans)
  const aside = setAside.map(({ unit: { series, range }, tries, reason }) => ({
    ...{ dataset: series.dataset.name, ticker: series.ticker, from: range.from, to: range.to, tries, reason },
  }))
  return await printSummary(context, flags, outcomes, calls, problem, {
    schema: 'tapelake.backfill-all',
    fields: { planned, crashes, setAside: aside, tickers: perTicker(outcome) },
    lines: [
      ...(crashes > 0 ? [`${plural(crashes, 'worker')} ended before its time and was replaced`] : []),
      ...aside.map(
        (one) =>
          `set aside after ${one.tries} tries: ${one.ticker} ${one.dataset} ${one.from} to ${one.to}: ${one.reason}`,
      ),
      ...(calls > planned
        ? [`${plural(planned, 'call')} planned; the others were retries or asked about silence`]
        : []),
    ],
    goesOn: problem?.code === 'USAGE',
  })
}

const plannedCalls = (plans: readonly SeriesPlan[]): number =>
  plans.reduce((sum, { calls }) => sum + calls, 0)

/** What became of each series. */
function perTicker({ outcomes, callsBySeries }: BackfillAllOutcome): object[] {
  return outcomes.map(({ series, plan, rows, refused, failures, stopped }, i) => ({
    dataset: series.dataset.name,
    ticker: series.ticker,
    from: plan.range.from,
    to: plan.range.to,
    sessions: plan.sessions.length,
    held: plan.held.length,
    rows,
    calls: callsBySeries[i],
    planned: plan.calls,
    quarantined: refused,
    failures,
    ...(stopped === undefined ? {} : { stopped }),
  }))
}
