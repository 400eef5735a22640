import { EXIT, InterruptedError, LockedError, UsageError, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { dataPaths, type SeriesId } from '../lake/layout.ts'
import { backfillSeries, type BackfillOptions, type SeriesOutcome } from '../pipeline/backfill.ts'
import { backfillOptions } from '../pipeline/option-backfill.ts'
import type { OptionPlan } from '../pipeline/option-plan.ts'
import type { SeriesPlan } from '../pipeline/plan.ts'
import { assertLakeTakes, openHistorySource, type OpenedSource } from '../pipeline/open-source.ts'
import { isOptionHistory, seriesOf, type BackfillFlags } from './backfill-flags.ts'
import { announce, checkRange, plan, rangeResolver } from './backfill-plan.ts'
import { printSummary } from './backfill-summary.ts'
import { BackfillWatch } from './backfill-watch.ts'
import type { RunContext } from './context.ts'
import { driftOf } from './drift-alert.ts'
import { shortList } from './format.ts'
import type { MetricsFlags } from './metrics-flags.ts'

/** Flags of `backfill`. */
export interface RecordFlags extends BackfillFlags, MetricsFlags {
  readonly plan?: boolean
  readonly dryRun?: boolean
  readonly wait?: number
}

/** What `backfill` does. */
export async function backfill(context: RunContext, flags: RecordFlags): Promise<ExitCode> {
  if (flags.plan || flags.dryRun) {
    await plan(context, flags)
    return EXIT.ok
  }
  const { config, now } = context
  checkRange(flags, seriesOf(flags), now())
  const tickers = seriesOf(flags).map(({ ticker }) => ticker)
  await context.telemetry.beginChecked({ command: 'backfill', tickers, metrics: flags }, () =>
    checkDataDir(config.dataDir, config.settings.disk.minFreeMb),
  )
  const watch = await BackfillWatch.start(context)
  const opened = await openHistorySource({
    kind: flags.source,
    settings: config.settings,
    secrets: config.secrets,
    now,
    events: together(watch.sourceEvents, context.telemetry.sourceEvents),
    patience: context.signals.graceful,
    caller: { label: `backfill ${namesOf(seriesOf(flags))}`, priority: 'history' },
    onProblem: (text) => context.logger.warn(text),
    drift: driftOf(context),
  })
  watch.follow(opened, seriesOf(flags).length)
  try {
    return await recordAll(context, flags, opened, watch)
  } finally {
    watch.stop()
    await opened.close()
  }
}

const namesOf = (series: readonly SeriesId[]): string => shortList(series.map(({ ticker }) => ticker))

async function recordAll(
  context: RunContext,
  flags: RecordFlags,
  opened: OpenedSource,
  watch: BackfillWatch,
): Promise<ExitCode> {
  const { settings, dataDir } = context.config
  await assertLakeTakes(dataDir, flags.source, settings)
  const { engine: name, compression, rowGroupRows } = settings.sinks.parquet
  const engine = createEngine(name, { tempDirectory: dataPaths(dataDir).scratch })
  try {
    const { outcomes, problem } = await recordEach(context, flags, {
      root: dataDir,
      runId: context.runId,
      source: opened.source,
      engine,
      compression,
      rowGroupRows,
      nowMs: context.now(),
      force: flags.force ?? false,
      lateDays: settings.versions.lateDays,
      ...(flags.recheck ? { recheckSessions: settings.versions.recheckSessions } : {}),
      concurrency: settings.backfill.concurrency,
      lockWaitMs: (flags.wait ?? 0) * 1000,
      graceful: context.signals.graceful,
      immediate: context.signals.immediate,
      hooks: together(watch.hooks, context.telemetry.backfillHooks),
    })
    watch.stop()
    return await printSummary(context, flags, outcomes, opened.source.calls, problem)
  } finally {
    await engine.close()
  }
}

interface Results {
  readonly outcomes: readonly SeriesOutcome[]
  /** What to end the command with, if anything went wrong beyond single requests. */
  readonly problem: Error | undefined
}

/** One series after the other; one that is locked or unknown does not keep the others from being recorded. */
async function recordEach(
  context: RunContext,
  flags: RecordFlags,
  options: BackfillOptions,
): Promise<Results> {
  const wanted = seriesOf(flags)
  for (const { dataset } of wanted) options.engine.assertCanHold(dataset, options.compression)
  const outcomes: SeriesOutcome[] = []
  let problem: Error | undefined
  for (const series of wanted) {
    if (options.graceful.aborted) break
    const result = await recordSeries(context, flags, series, options)
    if (result instanceof InterruptedError) break
    const failure = result instanceof Error ? result : result.fatal
    if (!(result instanceof Error)) outcomes.push(result)
    if (!failure) continue
    // The first problem is told at the end of the command, so that here it only goes to the log file.
    context.logger[problem ? 'error' : 'info']({ err: failure }, `${series.ticker}: ${failure.message}`)
    problem ??= failure
    if (!(failure instanceof LockedError || failure instanceof UsageError)) break
  }
  return { outcomes, problem }
}

/** The outcome; or why it was not begun: another writer, or the end of the wait for one. */
async function recordSeries(
  context: RunContext,
  flags: RecordFlags,
  series: SeriesId,
  options: BackfillOptions,
): Promise<SeriesOutcome | LockedError | InterruptedError> {
  const { config, now } = context
  const { defaultSessions } = config.settings.backfill
  const resolve = await rangeResolver(flags, series, config.dataDir, now(), defaultSessions)
  try {
    if (!isOptionHistory(series.dataset)) return await backfillSeries(series, resolve, options)
    const onPlan = (planned: SeriesPlan): void => {
      options.hooks?.onPlan?.(planned)
      announce(context, flags, planned as OptionPlan)
    }
    return await backfillOptions(series, resolve, { ...options, hooks: { ...options.hooks, onPlan } })
  } catch (error) {
    if (error instanceof LockedError || error instanceof InterruptedError) return error
    throw error
  }
}
