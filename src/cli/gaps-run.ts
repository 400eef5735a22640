import { EXIT, InterruptedError, LockedError, UsageError, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { openLake, type Lake } from '../lake/index.ts'
import { dataPaths, type SeriesId } from '../lake/layout.ts'
import { parseDate } from '../market/time.ts'
import { datasetNamed } from '../market/datasets/index.ts'
import { isExplained, isRepairable, type GapScanOptions, type SeriesGaps } from '../pipeline/gaps/gap.ts'
import { repairGaps, saveRepairs, type RepairedSession, type RepairOptions } from '../pipeline/gaps/repair.ts'
import { scanGaps } from '../pipeline/gaps/scan.ts'
import { openHistorySource, type OpenedSource, type SourceName } from '../pipeline/open-source.ts'
import { BackfillWatch } from './backfill-watch.ts'
import type { RunContext } from './context.ts'
import { driftOf } from './drift-alert.ts'
import { printGaps } from './gaps-text.ts'
import { flagsText, heldText, seriesFilter, type SeriesFlags } from './series-flags.ts'

/** Flags of `gaps`. */
export interface GapFlags extends SeriesFlags {
  readonly from?: string
  readonly to?: string
  readonly repair: boolean
  readonly all: boolean
  readonly source?: SourceName
  readonly wait?: number
}

/** What `gaps` does. */
export async function gaps(context: RunContext, flags: GapFlags): Promise<ExitCode> {
  return await withGaps(context, flags, async (found, lake, scan) =>
    flags.repair ? await repair(context, flags, lake, scan, found) : await report(context, flags, found),
  )
}

/**
 * Repairs the gaps that the flags mean, without a word on stdout. Nobody asked for it: late rows that are in quarantine
 * stay there.
 */
export async function closeGaps(
  context: RunContext,
  flags: GapFlags,
): Promise<Repaired & { readonly found: readonly SeriesGaps[] }> {
  return await withGaps(context, flags, async (found, lake, scan) => ({
    ...(await repairEach(context, flags, lake, scan, found, {
      lateDays: context.config.settings.versions.lateDays,
      takesLate: 'unless_quarantined',
    })),
    found,
  }))
}

async function withGaps<T>(
  context: RunContext,
  flags: GapFlags,
  work: (found: readonly SeriesGaps[], lake: Lake, scan: GapScanOptions) => Promise<T>,
): Promise<T> {
  const range = rangeOf(flags)
  const { config, now, signals } = context
  const lake = await openLake(config.dataDir)
  const engine = createEngine('duckdb', { tempDirectory: dataPaths(config.dataDir).scratch })
  try {
    const wanted = await seriesOf(lake, flags)
    const scan: GapScanOptions = {
      ...{ root: config.dataDir, engine, nowMs: now(), ...range },
      view: (series) => lake.view(series),
    }
    const found: SeriesGaps[] = []
    const progress = await context.progress({ total: wanted.length, label: 'gaps' })
    try {
      for (const [i, series] of wanted.entries()) {
        if (signals.graceful.aborted) throw new InterruptedError('interrupted; nothing was changed')
        const gaps = await scanGaps(await lake.view(series), scan)
        if (gaps) found.push(gaps)
        progress.update(i + 1, { at: `${series.dataset.name} ${series.ticker}` })
      }
    } finally {
      progress.stop()
    }
    return await work(found, lake, scan)
  } finally {
    await engine.close()
    await lake.close()
  }
}

function rangeOf({ from, to }: GapFlags): { from?: string; to?: string } {
  if (from !== undefined) parseDate(from)
  if (to !== undefined) parseDate(to)
  if (from !== undefined && to !== undefined && from > to) {
    throw new UsageError(`--from ${from} is after --to ${to}`, { hint: 'Swap them.' })
  }
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}

/** What a ticker means of which nothing is held, when no dataset is named. */
const USUAL = 'equity_bars_1m'

/**
 * The series that the flags mean. One that is not held can be missing as a whole, but only where the flags say since
 * when.
 */
async function seriesOf(lake: Lake, flags: GapFlags): Promise<readonly SeriesId[]> {
  const filter = await seriesFilter(flags)
  const held = await lake.series(filter)
  const absent = (filter.tickers ?? []).filter((ticker) => !held.some((series) => series.ticker === ticker))
  if (flags.from !== undefined) {
    const names = filter.datasets ?? [USUAL]
    const missing = absent.flatMap((ticker) => names.map((name) => ({ dataset: datasetNamed(name), ticker })))
    return [...held, ...missing]
  }
  const given = flagsText(flags)
  if (held.length === 0 && given !== '') {
    throw new UsageError(`nothing recorded matches ${given}`, {
      hint: `${await heldText(lake)} With --from, what was never recorded counts as missing.`,
    })
  }
  return held
}

async function report(
  context: RunContext,
  flags: GapFlags,
  found: readonly SeriesGaps[],
  repaired?: readonly RepairedSession[],
): Promise<ExitCode> {
  await printGaps(context, flags, found, repaired)
  return found.every((one) => one.gaps.every(isExplained)) ? EXIT.ok : EXIT.partial
}

async function repair(
  context: RunContext,
  flags: GapFlags,
  lake: Lake,
  scan: GapScanOptions,
  found: readonly SeriesGaps[],
): Promise<ExitCode> {
  const { config, telemetry } = context
  await checkDataDir(config.dataDir, config.settings.disk.minFreeMb)
  await telemetry.begin({ command: 'gaps', tickers: found.map(({ ticker }) => ticker) })
  const { after, repaired, problem } = await repairEach(context, flags, lake, scan, found)
  const code = await report(context, flags, after, repaired)
  if (problem !== undefined && !(problem instanceof InterruptedError)) throw problem
  return code
}

/** What was done about gaps, and what is left of them. */
interface Repaired {
  readonly after: readonly SeriesGaps[]
  readonly repaired: readonly RepairedSession[]
  readonly problem: Error | undefined
}

async function repairEach(
  context: RunContext,
  flags: GapFlags,
  lake: Lake,
  scan: GapScanOptions,
  found: readonly SeriesGaps[],
  late: Pick<RepairOptions, 'lateDays' | 'takesLate'> = {},
): Promise<Repaired> {
  const { config, signals } = context
  await checkDataDir(config.dataDir, config.settings.disk.minFreeMb)
  const watch = await BackfillWatch.start(context)
  const sources = new Sources(context, flags, lake, watch)
  const { engine: name, compression, rowGroupRows } = config.settings.sinks.parquet
  const engine = createEngine(name, { tempDirectory: dataPaths(config.dataDir).scratch })
  const shared: Means = {
    ...{ root: config.dataDir, runId: context.runId, scan, engine, compression, rowGroupRows },
    ...{ nowMs: scan.nowMs, concurrency: config.settings.backfill.concurrency },
    ...{ lockWaitMs: (flags.wait ?? 0) * 1000, hooks: watch.hooks },
    ...{ graceful: signals.graceful, immediate: signals.immediate },
    ...late,
  }
  let result: Repaired
  try {
    result = await repairInTurn(found, sources, shared)
  } finally {
    watch.stop()
    await sources.close()
    await engine.close()
  }
  if (result.repaired.length > 0) {
    const path = await saveRepairs(config.dataDir, context.runId, result.repaired)
    context.out.note(`What was done is kept in ${path}`)
  }
  return result
}

type Means = Omit<RepairOptions, 'source'>

/** One series after the other, until one of them ends the run. */
async function repairInTurn(
  found: readonly SeriesGaps[],
  sources: Sources,
  shared: Means,
): Promise<Repaired> {
  const after: SeriesGaps[] = []
  const repaired: RepairedSession[] = []
  let problem: Error | undefined
  for (const one of found) {
    const needed = one.gaps.some(isRepairable) && problem === undefined && !shared.graceful.aborted
    if (!needed) {
      after.push(one)
      continue
    }
    const series = { dataset: datasetNamed(one.dataset), ticker: one.ticker }
    const { source } = await sources.of(series)
    try {
      const result = await repairGaps(series, one, { ...shared, source })
      after.push(result.gaps)
      repaired.push(...result.sessions)
      problem ??= result.fatal
    } catch (error) {
      if (!(error instanceof LockedError || error instanceof InterruptedError)) throw error
      after.push(one)
      problem ??= error
    }
  }
  return { after, repaired, problem }
}

/** Sources that are asked, each opened once. */
class Sources {
  readonly #context: RunContext
  readonly #flags: GapFlags
  readonly #lake: Lake
  readonly #watch: BackfillWatch
  readonly #opened = new Map<SourceName, OpenedSource>()

  constructor(context: RunContext, flags: GapFlags, lake: Lake, watch: BackfillWatch) {
    this.#context = context
    this.#flags = flags
    this.#lake = lake
    this.#watch = watch
  }

  /** The source that `--source` names, else the one that the rows of the series came from. */
  async of(series: SeriesId): Promise<OpenedSource> {
    const { ledger } = await this.#lake.view(series)
    const origins = ledger.segments.flatMap((segment) => segment.origins)
    const recorded = origins.some(({ source }) => source === 'simulator') ? 'simulator' : 'polygon'
    const kind = this.#flags.source ?? recorded
    const known = this.#opened.get(kind)
    if (known) return known
    const { config, now, signals } = this.#context
    const opened = await openHistorySource({
      ...{ kind, settings: config.settings, secrets: config.secrets, now },
      events: together(this.#watch.sourceEvents, this.#context.telemetry.sourceEvents),
      patience: signals.graceful,
      caller: { label: `gaps ${series.ticker}`, priority: 'history' },
      onProblem: (text) => this.#context.logger.warn(text),
      drift: driftOf(this.#context),
    })
    this.#watch.follow(opened)
    this.#opened.set(kind, opened)
    return opened
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.values()) await opened.close()
  }
}
