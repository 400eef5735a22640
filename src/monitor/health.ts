import { EXIT } from '../core/errors.ts'

/** How the whole stands. */
export type HealthState = 'ok' | 'degraded' | 'down'

/** Something that is not as it should be. */
export interface HealthFinding {
  readonly severity: Exclude<HealthState, 'ok'>
  /** Which part of the whole: `runs`, `freshness`, `disk`, … */
  readonly part: string
  readonly ticker?: string
  readonly run?: string
  /** One sentence that names the ticker or the run. */
  readonly text: string
}

/** What of a run matters here. Instants are UTC text. */
export interface RunFacts {
  readonly id: string
  readonly command: string
  readonly tickers: readonly string[]
  readonly state: string
  readonly exitCode: number | null
  readonly startedAt: string
  readonly updatedAt: string
  readonly endedAt: string | null
  readonly error: { readonly category: string; readonly message: string } | null
  readonly left: readonly { readonly ticker: string }[]
  readonly leftSessions: number
  readonly live: Readonly<Record<string, unknown>>
}

/** What of a series matters here. */
export interface SeriesFacts {
  readonly dataset: string
  readonly ticker: string
  /** Newest session that is held or known to be without rows; null: none. */
  readonly last: string | null
  /** The last finished session. */
  readonly expected: string | null
  /** Finished sessions after `last`. */
  readonly behind: number
  /** Whether anybody means it to be up to date. */
  readonly followed: boolean
  /** Recent sessions that are not held, with their state and reason. */
  readonly troubled: readonly { readonly date: string; readonly state: string; readonly reason: string }[]
}

/** How long a run that goes on may be silent, and how far back a failure matters. */
const SILENT_MS = 60_000
const FAILURES_MATTER_MS = 14 * 86_400_000
const MESSAGE_CHARS = 200

const HISTORY = ['backfill', 'backfill-all', 'nightly', 'import', 'stream', 'stream-options'] as const

/** For the earlier failures of which commands a good run of a command makes up, besides its own. */
const MAKES_UP_FOR: Readonly<Record<string, readonly string[]>> = {
  backfill: HISTORY,
  'backfill-all': HISTORY,
  nightly: [...HISTORY, 'discover', 'snapshot-chain'],
}

/** Somebody's mistake at the keyboard, or a run that another one kept out, says nothing about the lake. */
const NO_FAILURE: readonly (number | null)[] = [EXIT.usage, EXIT.locked]

/**
 * What the history says: for every ticker the newest failure that no later good run has made up for, and runs that
 * hang. A run is good when its exit code is 0.
 *
 * @param runs newest first
 */
export function judgeRuns(runs: readonly RunFacts[], nowMs: number): HealthFinding[] {
  const recent = runs.filter((run) => nowMs - Date.parse(run.startedAt) < FAILURES_MATTER_MS)
  const open = openFailures(recent)
  const hopeless = isHopeless(recent, open)
  const findings = [...open].map(([key, run]): HealthFinding => {
    const ticker = key.slice(key.indexOf(' ') + 1)
    const what = `${run.command} of ${ticker || 'nothing'}`
    const severity = hopeless ? 'down' : 'degraded'
    return {
      severity,
      part: 'runs',
      run: run.id,
      ...(ticker ? { ticker } : {}),
      text: `${what} ${endOf(run)}`,
    }
  })
  return [
    ...findings,
    ...recent.filter(({ state }) => state === 'running').flatMap((run) => hanging(run, nowMs)),
  ]
}

/** Newest failed run by `command ticker`, where nothing has made up for it. */
function openFailures(runs: readonly RunFacts[]): Map<string, RunFacts> {
  const open = new Map<string, RunFacts>()
  const settled = new Set<string>()
  for (const run of runs) {
    for (const ticker of run.tickers.length > 0 ? run.tickers : ['']) {
      const key = `${run.command} ${ticker}`
      if (settled.has(key) || open.has(key)) continue
      if (run.state === 'ok') {
        for (const command of [run.command, ...(MAKES_UP_FOR[run.command] ?? [])])
          settled.add(`${command} ${ticker}`)
      } else if (isFailure(run) && failedAt(run, ticker)) open.set(key, run)
    }
  }
  return open
}

const isFailure = ({ state, exitCode }: RunFacts): boolean =>
  ['failed', 'partial', 'died'].includes(state) && !NO_FAILURE.includes(exitCode)

/** A partial run names what it left; its other tickers are fine. */
const failedAt = ({ state, left }: RunFacts, ticker: string): boolean =>
  state !== 'partial' || left.length === 0 || left.some((one) => one.ticker === ticker)

/** Whether nothing works: every ticker that was tried has failed, and not only in part. */
function isHopeless(runs: readonly RunFacts[], open: ReadonlyMap<string, RunFacts>): boolean {
  if (open.size === 0 || [...open.values()].some(({ state }) => state === 'partial')) return false
  const tried = new Set(runs.filter(({ state }) => state !== 'running').flatMap(({ tickers }) => tickers))
  const failed = new Set([...open.keys()].map((key) => key.slice(key.indexOf(' ') + 1)))
  return [...tried].every((ticker) => failed.has(ticker))
}

function endOf(run: RunFacts): string {
  const { state, exitCode, error, leftSessions, id } = run
  if (state === 'died') return `died: run ${id} did not end, and its process is gone`
  const code = exitCode === null ? '' : ` with exit code ${exitCode}`
  const why = error
    ? `: ${error.category}: ${error.message.slice(0, MESSAGE_CHARS)}`
    : leftSessions > 0
      ? `: ${leftSessions} sessions are left in all`
      : ''
  return `${state === 'partial' ? 'ended in part' : 'failed'}${code} (run ${id})${why}`
}

function hanging({ id, command, tickers, updatedAt, live }: RunFacts, nowMs: number): HealthFinding[] {
  const what = `${command} of ${tickers.slice(0, 5).join(', ')} (run ${id})`
  const findings: HealthFinding[] = []
  const add = (part: string, text: string): void =>
    void findings.push({ severity: 'degraded', part, run: id, ...only(tickers), text: `${what} ${text}` })
  const silentMs = nowMs - Date.parse(updatedAt)
  if (silentMs > SILENT_MS)
    add('runs', `has said nothing for ${Math.round(silentMs / 1000)} s: it hangs or was stopped`)
  for (const [endpoint, state] of Object.entries((live['breakers'] ?? {}) as Record<string, string>))
    if (state !== 'closed')
      add('breakers', `waits for the vendor: the circuit breaker of ${endpoint} is ${state}`)
  if ((live['stream'] as { stalled?: boolean } | undefined)?.stalled) add('streams', 'receives no data')
  for (const problem of (live['performance'] ?? []) as readonly string[]) add('performance', problem)
  return findings
}

const only = (tickers: readonly string[]): { ticker?: string } =>
  tickers.length === 1 ? { ticker: tickers[0]! } : {}

/** What the ledgers say about series that are meant to be up to date. */
export function judgeSeries(series: readonly SeriesFacts[]): HealthFinding[] {
  return series
    .filter(({ followed }) => followed)
    .flatMap(({ dataset, ticker, last, expected, behind, troubled }) => {
      const found: HealthFinding[] = []
      const add = (part: string, text: string): void =>
        void found.push({ severity: 'degraded', part, ticker, text: `${ticker} ${dataset}: ${text}` })
      const held = last === null ? 'nothing is held' : `held up to ${last}`
      if (behind > 0)
        add('freshness', `${behind} ${behind === 1 ? 'session' : 'sessions'} behind ${expected}, ${held}`)
      for (const { date, state, reason } of troubled.filter(({ date }) => date <= (last ?? '')))
        add('freshness', `${date} is ${state}: ${reason.slice(0, MESSAGE_CHARS)}`)
      return found
    })
}

/** The worst of `findings`. */
export function stateOf(findings: readonly HealthFinding[]): HealthState {
  if (findings.some(({ severity }) => severity === 'down')) return 'down'
  return findings.length > 0 ? 'degraded' : 'ok'
}
