import { EXIT, InterruptedError, isPipelineError, LockedError, type ExitCode } from '../core/errors.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { dataPaths } from '../lake/layout.ts'
import { backfillSeries, type BackfillOptions, type SeriesOutcome } from '../pipeline/backfill.ts'
import { openHistorySource, type OpenedSource } from '../pipeline/open-source.ts'
import { seriesOf, type BackfillFlags } from './backfill-flags.ts'
import { checkRange, plan, rangeOf } from './backfill-plan.ts'
import { printSummary } from './backfill-summary.ts'
import { BackfillWatch } from './backfill-watch.ts'
import type { RunContext } from './context.ts'

/** Flags of `backfill`. */
export interface RecordFlags extends BackfillFlags {
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
  await checkDataDir(config.dataDir, config.settings.disk.minFreeMb)
  const watch = await BackfillWatch.start(context)
  const opened = await openHistorySource({
    kind: flags.source,
    settings: config.settings,
    apiKey: config.secrets.polygonApiKey,
    now,
    events: watch.sourceEvents,
    patience: context.signals.graceful,
  })
  watch.follow(opened)
  try {
    return await recordAll(context, flags, opened, watch)
  } finally {
    watch.stop()
    await opened.close()
  }
}

async function recordAll(
  context: RunContext,
  flags: RecordFlags,
  opened: OpenedSource,
  watch: BackfillWatch,
): Promise<ExitCode> {
  const { config, now, signals } = context
  const { settings, dataDir: root } = config
  const { engine: engineName, compression, rowGroupRows } = settings.sinks.parquet
  const engine = createEngine(engineName, { tempDirectory: dataPaths(root).scratch })
  const options: BackfillOptions = {
    root,
    runId: context.runId,
    source: opened.source,
    engine,
    compression,
    rowGroupRows,
    nowMs: now(),
    force: flags.force ?? false,
    concurrency: settings.backfill.concurrency,
    lockWaitMs: (flags.wait ?? 0) * 1000,
    graceful: signals.graceful,
    immediate: signals.immediate,
    hooks: watch.hooks,
  }
  const outcomes: SeriesOutcome[] = []
  let problem: Error | undefined
  try {
    for (const series of seriesOf(flags)) engine.assertCanHold(series.dataset, compression)
    for (const series of seriesOf(flags)) {
      if (signals.graceful.aborted) break
      const { defaultSessions } = settings.backfill
      const outcome = await backfillSeries(
        series,
        (ledger) => rangeOf(flags, series, ledger, now(), defaultSessions),
        options,
      ).catch((error: unknown) => {
        if (error instanceof InterruptedError) return undefined // while it waited for another writer
        if (!(error instanceof LockedError)) throw error
        problem ??= error
        context.logger.error({ err: error }, error.message)
        return undefined
      })
      if (outcome) outcomes.push(outcome)
      if (outcome?.fatal !== undefined) {
        problem ??= outcome.fatal
        if (!(isPipelineError(outcome.fatal) && outcome.fatal.code === 'USAGE')) break
      }
    }
  } finally {
    await engine.close()
  }
  watch.stop()
  return await printSummary(context, flags, outcomes, opened.source.calls, problem)
}
