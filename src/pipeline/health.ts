import { stat, statfs } from 'node:fs/promises'
import type { Settings } from '../core/config/index.ts'
import { messageOf } from '../core/errors.ts'
import { openLake } from '../lake/index.ts'
import type { Cell, Ledger } from '../lake/ledger.ts'
import type { SeriesId } from '../lake/layout.ts'
import { listProcesses, type ProcessEntry } from '../lake/process-registry.ts'
import type { RunRecord } from '../lake/run-record.ts'
import { listRuns } from '../lake/run-store.ts'
import { WANTED } from '../lake/series-contract.ts'
import { HOLE_STATES } from '../lake/status.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { BreakerBoard } from '../monitor/breaker-board.ts'
import {
  judgeRuns,
  judgeSeries,
  stateOf,
  type HealthFinding,
  type HealthState,
  type SeriesFacts,
} from '../monitor/health.ts'

export interface HealthOptions {
  readonly root: string
  readonly settings: Settings
  /** Tickers that are meant to be up to date; none: those that runs brought up to date before. */
  readonly universe: readonly string[]
  /** The present instant of the market, UTC epoch milliseconds. */
  readonly nowMs: number
}

/** Everything in one view. */
export interface HealthReport {
  readonly state: HealthState
  /** Why it is not ok: a sentence each. */
  readonly reasons: readonly string[]
  readonly findings: readonly HealthFinding[]
  /** Processes at work, and those of their runs that record live. */
  readonly workers: readonly ProcessEntry[]
  readonly streams: readonly RunningRun[]
  /** The worst state of each endpoint's breaker, in whatever process. */
  readonly breakers: Readonly<Record<string, string>>
  /** Every breaker that is not closed, and whose it is. */
  readonly breakersByProcess: readonly TroubledBreaker[]
  /** The newest run of each command. */
  readonly lastRuns: readonly LastRun[]
  readonly freshness: readonly SeriesFacts[]
  readonly disk: DiskView
  readonly quarantine: {
    readonly rows: number
    readonly sessions: number
    readonly series: readonly string[]
  }
}

/** A circuit breaker of a run under way that keeps requests waiting. */
export interface TroubledBreaker {
  readonly run: string
  readonly pid: number
  readonly endpoint: string
  readonly state: string
}

export interface RunningRun {
  readonly run: string
  readonly command: string
  readonly tickers: readonly string[]
  readonly since: string
  readonly live: Readonly<Record<string, unknown>>
}

export interface LastRun extends Pick<RunRecord, 'id' | 'command' | 'state' | 'exitCode' | 'endedAt'> {
  readonly tickers: readonly string[]
}

export interface DiskView {
  /** Null where the data directory cannot be reached. */
  readonly freeMb: number | null
  readonly minFreeMb: number
}

/** Recent sessions in which a hole matters. */
const RECENT_SESSIONS = 5
/** Commands whose tickers are meant to be up to date. */
const FOLLOWING = new Set(['stream', 'backfill-all', 'nightly'])

/** Looks at runs, ledgers and disk. Changes nothing in the lake, locks nothing, asks nobody. */
export async function checkHealth(options: HealthOptions): Promise<HealthReport> {
  const { root, settings } = options
  const { minFreeMb } = settings.disk
  const exists = await stat(root).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!exists) return emptyReport(minFreeMb, [down('lake', `there is no data directory ${root}`)])
  const runs = await listRuns(root)
  const { series, quarantine, problem } = await lookAtSeries(options, runs)
  const disk: DiskView = { freeMb: await freeMbUnder(root), minFreeMb }
  const running = runs.filter(({ state }) => state === 'running')
  const findings = [
    ...(problem ? [problem] : []),
    ...diskFindings(disk, root),
    ...judgeRuns(runs, Date.now()),
    ...judgeSeries(series),
    ...absent(options, series),
    ...(runs.length === 0 && series.length === 0 ? [nothing(root)] : []),
  ]
  return {
    ...{ ...verdict(findings), disk, quarantine, freshness: series },
    workers: await listProcesses(root),
    streams: running.filter(({ command }) => command.startsWith('stream')).map(runningRun),
    breakers: worstOf(running),
    breakersByProcess: running.flatMap(breakersOf),
    lastRuns: lastOfEach(runs),
  }
}

type ByProcess = Readonly<Record<string, Readonly<Record<string, string>>>>

const breakersOf = ({ id, live }: RunRecord): TroubledBreaker[] =>
  Object.entries((live['breakersByProcess'] ?? {}) as ByProcess).flatMap(([endpoint, states]) =>
    Object.entries(states).map(([pid, state]) => ({ run: id, pid: Number(pid), endpoint, state })),
  )

function worstOf(running: readonly RunRecord[]): Record<string, string> {
  const board = new BreakerBoard()
  for (const [i, { live }] of running.entries()) {
    for (const [endpoint, state] of Object.entries((live['breakers'] ?? {}) as Record<string, string>))
      board.note(endpoint, i, state)
  }
  return board.worst()
}

const down = (part: string, text: string): HealthFinding => ({ severity: 'down', part, text })
const degraded = (part: string, text: string): HealthFinding => ({ severity: 'degraded', part, text })

const nothing = (root: string): HealthFinding => degraded('lake', `nothing was ever recorded in ${root}`)

const verdict = (
  findings: readonly HealthFinding[],
): Pick<HealthReport, 'state' | 'reasons' | 'findings'> => ({
  ...{ state: stateOf(findings), reasons: findings.map(({ text }) => text), findings },
})

function emptyReport(minFreeMb: number, findings: readonly HealthFinding[]): HealthReport {
  const quarantine = { rows: 0, sessions: 0, series: [] }
  return {
    ...{ ...verdict(findings), disk: { freeMb: null, minFreeMb }, quarantine },
    ...{ freshness: [], workers: [], streams: [], breakers: {}, breakersByProcess: [], lastRuns: [] },
  }
}

async function freeMbUnder(root: string): Promise<number | null> {
  return await statfs(root).then(
    ({ bavail, bsize }) => Math.floor((bavail * bsize) / 2 ** 20),
    () => null,
  )
}

function diskFindings({ freeMb, minFreeMb }: DiskView, root: string): HealthFinding[] {
  if (freeMb === null) return [down('disk', `the disk below ${root} cannot be asked for its free space`)]
  if (freeMb >= minFreeMb) return []
  return [
    down('disk', `only ${freeMb} MiB are free below ${root}, ${minFreeMb} are needed to record anything`),
  ]
}

/** Tickers of the universe of which nothing is held. */
function absent({ universe }: HealthOptions, series: readonly SeriesFacts[]): HealthFinding[] {
  const known = new Set(series.map(({ ticker }) => ticker))
  return universe
    .filter((ticker) => !known.has(ticker))
    .map((ticker) => ({ ...degraded('freshness', `${ticker}: nothing is held of it`), ticker }))
}

interface SeriesLook {
  readonly series: SeriesFacts[]
  readonly quarantine: HealthReport['quarantine']
  readonly problem: HealthFinding | undefined
}

async function lookAtSeries(options: HealthOptions, runs: readonly RunRecord[]): Promise<SeriesLook> {
  const series: SeriesFacts[] = []
  const refused = { rows: 0, sessions: 0, series: [] as string[] }
  try {
    const lake = await openLake(options.root)
    try {
      for (const id of await lake.series()) {
        const { ledger } = await lake.view(id)
        series.push(factsOf(id, comeTo(ledger, runs), following(id, options, runs), freshBy(options)))
        const cells = Object.values(ledger.cells).filter(({ quarantined = 0 }) => quarantined > 0)
        if (cells.length === 0) continue
        refused.rows += cells.reduce((sum, { quarantined = 0 }) => sum + quarantined, 0)
        refused.sessions += cells.length
        refused.series.push(`${id.ticker} ${id.dataset.name}`)
      }
    } finally {
      await lake.close()
    }
  } catch (error) {
    return {
      series,
      quarantine: refused,
      problem: down('lake', `the lake cannot be read: ${messageOf(error)}`),
    }
  }
  return { series, quarantine: refused, problem: undefined }
}

/** A session that ended less than a while ago need not be there yet. */
const freshBy = ({ nowMs, settings }: HealthOptions): number => nowMs - settings.health.graceMinutes * 60_000

/**
 * Whether anybody means the series to be up to date: it belongs to the universe; where there is none, a run has brought
 * it up to date before, or there is no run to tell. `unsaid`: then a series held up to some session of the last month
 * has most likely been left behind, and an older one was recorded for a study.
 */
type Following = 'yes' | 'no' | 'unsaid'

function following(
  { dataset, ticker }: SeriesId,
  { universe }: HealthOptions,
  runs: readonly RunRecord[],
): Following {
  if (!isDaily(dataset)) return 'no'
  if (universe.length > 0) return universe.includes(ticker) ? 'yes' : 'no'
  const mine = runs.filter(({ tickers }) => tickers.includes(ticker))
  const name = `${dataset.name} ${ticker}`
  const said =
    mine.length === 0 || mine.some(({ command, follows }) => FOLLOWING.has(command) || follows.includes(name))
  return said ? 'yes' : 'unsaid'
}

/** Series that gain rows every session: bars and ticks of stocks and indices. */
const isDaily = (dataset: DatasetDefinition): boolean =>
  dataset.eventKind !== 'date' && seriesKeyOf(dataset) === 'ticker'

/** `ledger` without the cells that a run still at work is on its way to. */
function comeTo(ledger: Ledger, runs: readonly RunRecord[]): Ledger {
  const atWork = new Set(runs.filter(({ state }) => state === 'running').map(({ id }) => id))
  const cells = Object.entries(ledger.cells).filter(
    ([, { reason, run }]) => reason !== WANTED || !atWork.has(run),
  )
  return { ...ledger, cells: Object.fromEntries(cells) }
}

function factsOf(
  { dataset, ticker }: SeriesId,
  { cells }: Ledger,
  follows: Following,
  byMs: number,
): SeriesFacts {
  const known = Object.entries(cells).sort(([a], [b]) => (a < b ? -1 : 1))
  const last = known.findLast(([, { state }]) => state === 'complete' || state === 'empty')?.[0] ?? null
  const expected = expectedSessions(dataset, byMs)
  const newest = expected.at(-1) ?? null
  const first = known[0]?.[0] ?? ''
  const behind = expected.filter((date) => date > (last ?? '')).length
  const recent = expected.slice(-RECENT_SESSIONS).filter((date) => date >= first && cells[date] !== undefined)
  return {
    ...{ dataset: dataset.name, ticker, last, expected: newest, behind },
    followed: follows === 'yes' || (follows === 'unsaid' && behind < expected.length),
    troubled: recent.flatMap((date) => troubleOf(date, cells[date]!)),
  }
}

const troubleOf = (date: string, { state, reason }: Cell): SeriesFacts['troubled'] =>
  HOLE_STATES.has(state) ? [{ date, state, reason }] : []

/** Sessions finished by `byMs`, those of the last month; none where the calendar does not reach. */
function expectedSessions({ calendar: name }: DatasetDefinition, byMs: number): string[] {
  try {
    const calendar = calendarOf(name)
    const { date } = calendar.lastFinished(byMs)
    const from = new Date(Date.parse(date) - 31 * 86_400_000).toISOString().slice(0, 10)
    return calendar.between(from, date).map((session) => session.date)
  } catch {
    return []
  }
}

const runningRun = ({ id, command, tickers, startedAt, live }: RunRecord): RunningRun => ({
  ...{ run: id, command, tickers, since: startedAt, live },
})

function lastOfEach(runs: readonly RunRecord[]): LastRun[] {
  const last = new Map<string, RunRecord>()
  for (const run of runs) if (!last.has(run.command)) last.set(run.command, run)
  return [...last.values()].map(({ id, command, tickers, state, exitCode, endedAt }) => ({
    ...{ id, command, tickers, state, exitCode, endedAt },
  }))
}
