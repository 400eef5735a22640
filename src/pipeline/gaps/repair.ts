import { join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import { makeFolder, replaceFile } from '../../lake/durable.ts'
import { readHeldSessions } from '../../lake/held-sessions.ts'
import { dataPaths, type SeriesId } from '../../lake/layout.ts'
import type { Ledger } from '../../lake/ledger.ts'
import { LATE, readQuarantine } from '../../lake/quarantine.ts'
import { ALL } from '../../lake/series-contract.ts'
import { SeriesWriter } from '../../lake/series-writer.ts'
import { seriesKeyOf } from '../../market/dataset.ts'
import { backfillSeries, type BackfillOptions } from '../backfill.ts'
import { backfillOptions } from '../option-backfill.ts'
import { isRepairable, type Gap, type GapScanOptions, type SeriesGaps } from './gap.ts'
import { scanGaps } from './scan.ts'

/** What a repair made of one session. */
export interface RepairedSession {
  readonly dataset: string
  readonly ticker: string
  readonly session: string
  /** Rows in the files before and after. */
  readonly rowsBefore: number
  readonly rowsAfter: number
  /** Stretches that were without rows and have some now. */
  readonly added: readonly Pick<Gap, 'fromMs' | 'toMs' | 'minutes'>[]
  /** `recorded` anew, `confirmed` by the vendor as it was, or `failed`. */
  readonly outcome: 'recorded' | 'confirmed' | 'failed'
  /** Why it failed. */
  readonly detail?: string
}

export interface RepairResult {
  readonly gaps: SeriesGaps
  readonly sessions: readonly RepairedSession[]
  /** What ended the repair of this series early. */
  readonly fatal?: Error
}

export interface RepairOptions extends Omit<BackfillOptions, 'force' | 'only'> {
  readonly scan: GapScanOptions
}

/**
 * Asks the vendor once more for every session with a gap that this may close, through the same path as a backfill.
 * What the vendor answers as before is noted in the ledger as confirmed, so that it is not asked for again.
 *
 * @throws {LockedError} when another process writes the series
 */
export async function repairGaps(
  series: SeriesId,
  found: SeriesGaps,
  options: RepairOptions,
): Promise<RepairResult> {
  const dates = [...new Set(found.gaps.filter(isRepairable).map(({ session }) => session))].sort()
  if (dates.length === 0) return { gaps: found, sessions: [] }
  const range = { from: dates[0]!, to: dates.at(-1)! }
  const rowsBefore = await countRows(series, options, range)
  const { answered, fatal } = await recordAgain(series, dates, options)
  let after = await rescan(series, found, options)
  if (!fatal && (await confirmSilence(series, after, answered, options)))
    after = await rescan(series, found, options)
  const rowsAfter = await countRows(series, options, range)
  const open = new Set(after.gaps.filter(isRepairable).map(({ session }) => session))
  const sessions = dates.map((session): RepairedSession => {
    const failure = answered.get(session)
    const [before, now] = [rowsBefore.get(session) ?? 0, rowsAfter.get(session) ?? 0]
    const added = closedBy(found.gaps, after.gaps, session)
    const outcome = failure !== undefined || open.has(session) ? 'failed' : outcomeOf(before, now, added)
    const why = outcome === 'failed' ? { detail: failure ?? 'the gap is still there' } : {}
    const { dataset, ticker } = found
    return { dataset, ticker, session, rowsBefore: before, rowsAfter: now, added, outcome, ...why }
  })
  return { gaps: after, sessions, ...(fatal ? { fatal } : {}) }
}

const outcomeOf = (before: number, now: number, added: readonly unknown[]): RepairedSession['outcome'] =>
  before !== now || added.length > 0 ? 'recorded' : 'confirmed'

async function countRows(
  series: SeriesId,
  { scan }: RepairOptions,
  range: { readonly from: string; readonly to: string },
): Promise<ReadonlyMap<string, number>> {
  const { sessions } = await readHeldSessions(await scan.view(series), scan.engine, range)
  return new Map([...sessions].map(([date, { rows }]) => [date, rows]))
}

/** Session → why it could not be recorded; undefined where the vendor answered. Sessions not asked for are absent. */
type Answers = Map<string, string | undefined>

async function recordAgain(
  series: SeriesId,
  dates: readonly string[],
  options: RepairOptions,
): Promise<{ answered: Answers; fatal?: Error }> {
  const answered: Answers = new Map(dates.map((date) => [date, 'not asked for']))
  const hooks: BackfillOptions['hooks'] = {
    ...options.hooks,
    onItem: (id, item, result) => {
      const why = result.failure && messageOf(result.failure)
      for (const date of item.sessions) answered.set(date, why)
      options.hooks?.onItem?.(id, item, result)
    },
  }
  const range = { from: dates[0]!, to: dates.at(-1)! }
  const shared = { ...options, hooks, force: true }
  if (seriesKeyOf(series.dataset) === 'underlying') {
    for (const date of dates) {
      const { fatal } = await backfillOptions(series, () => ({ from: date, to: date }), shared)
      if (fatal) return { answered, fatal }
    }
    return { answered }
  }
  const { fatal } = await backfillSeries(series, () => range, { ...shared, only: new Set(dates) })
  return { answered, ...(fatal ? { fatal } : {}) }
}

async function rescan(series: SeriesId, found: SeriesGaps, { scan }: RepairOptions): Promise<SeriesGaps> {
  const { from, to } = found
  return (await scanGaps(await scan.view(series), { ...scan, from, to })) ?? found
}

/** Notes in the ledger what the vendor left out twice, or sent twice so that it had to be refused. True when there was something to note. */
async function confirmSilence(
  series: SeriesId,
  after: SeriesGaps,
  answered: Answers,
  options: RepairOptions,
): Promise<boolean> {
  const left = after.gaps.filter((gap) => CONFIRMABLE.has(gap.reason) && isRepairable(gap))
  const told = [...new Set(left.map(({ session }) => session))].filter(
    (date) => answered.has(date) && answered.get(date) === undefined,
  )
  const dates: string[] = []
  for (const date of told) if (!(await isKeptOut(series, date, options))) dates.push(date)
  if (dates.length === 0) return false
  const { source } = options
  const writer = await SeriesWriter.open(
    {
      ...options,
      series,
      provenance: () => source.provenance ?? 'real',
      waitMs: options.lockWaitMs,
      purpose: `repair of ${series.ticker} ${series.dataset.name}`,
    },
    options.immediate,
  )
  try {
    await writer.confirm(placesOf(writer.ledger, dates))
  } finally {
    await writer.close()
  }
  return true
}

/** Whether the vendor has rows of `date` that only a person takes in: nothing is confirmed to lack then. */
async function isKeptOut(
  series: SeriesId,
  date: string,
  { root, lateDays, takesLate = true }: RepairOptions,
): Promise<boolean> {
  if (takesLate === true || lateDays === undefined) return false
  return (await readQuarantine(root, series, date)).some(({ rule }) => rule === LATE)
}

/** Gaps that the vendor can confirm: what it does not serve, or failed to, is another matter. */
const CONFIRMABLE: ReadonlySet<Gap['reason']> = new Set([
  'suspected',
  'vendor_missing',
  'missing',
  'quarantined',
])

function placesOf({ cells }: Ledger, dates: readonly string[]): Map<string, string> {
  return new Map(
    dates.flatMap((date) => {
      const cell = cells[date]
      if (!cell) return []
      return [[date, cell.rows === 0 ? ALL : (cell.absent ?? ALL)] as const]
    }),
  )
}

/** Stretches of a session that were gaps and are none any more. */
function closedBy(
  before: readonly Gap[],
  after: readonly Gap[],
  session: string,
): Pick<Gap, 'fromMs' | 'toMs' | 'minutes'>[] {
  const left = after.filter((gap) => gap.session === session)
  const isOpen = (gap: Gap): boolean =>
    left.some((other) => other.fromMs <= gap.fromMs && gap.toMs <= other.toMs)
  return before
    .filter((gap) => gap.session === session && isRepairable(gap) && !isOpen(gap))
    .map(({ fromMs, toMs, minutes }) => ({ fromMs, toMs, minutes }))
}

/** Keeps what a repair did, for whoever asks later; returns where. */
export async function saveRepairs(
  root: string,
  runId: string,
  sessions: readonly RepairedSession[],
): Promise<string> {
  const folder = join(dataPaths(root).state, 'repairs')
  await makeFolder(folder)
  const path = join(folder, `${runId}.json`)
  const schema = { name: 'tapelake.repairs', version: 1 }
  await replaceFile(path, `${JSON.stringify({ schema, run: runId, sessions }, null, 2)}\n`)
  return path
}
