import type { BudgetView } from '../pipeline/budget.ts'
import type { HealthReport } from '../pipeline/health.ts'
import type { HealthState, SeriesFacts } from '../monitor/health.ts'
import type { RunContext } from './context.ts'
import { budgetLines } from './budget-text.ts'
import { formatNumber, plural } from './format.ts'
import type { Style } from './output.ts'

const STYLES: Readonly<Record<HealthState, Style>> = { ok: 'green', degraded: 'yellow', down: 'red' }
/** Series shown to people, those behind first; --json lists all. */
const SERIES_SHOWN = 30

/** Prints the view for people: the state, the reasons, the parts. */
export async function printHealth(
  { out, config, now }: RunContext,
  report: HealthReport,
  budget: BudgetView | null,
): Promise<void> {
  const { state, findings, lastRuns, workers, streams, breakers, breakersByProcess, disk, quarantine } =
    report
  const at = new Date(now()).toISOString().slice(0, 19)
  out.line(`${out.style(STYLES[state], state)}  ${config.dataDir}  ${at}Z`)
  for (const { severity, text } of findings) out.line(`  ${out.style(STYLES[severity], '!')} ${text}`)
  if (lastRuns.length > 0) {
    out.line('\nLast runs:')
    await out.table(
      ['command', 'tickers', 'state', 'exit', 'ended', 'run'],
      lastRuns.map(({ command, tickers, state: how, exitCode, endedAt, id }) => [
        ...[command, shortList(tickers), how, String(exitCode ?? '-'), endedAt?.slice(0, 19) ?? '-', id],
      ]),
    )
  }
  await printFreshness(out, report.freshness)
  out.line('')
  for (const { run, command, tickers, live } of streams)
    out.line(`${command} of ${shortList(tickers)} (${run}): ${streamText(live)}`)
  for (const { pid, command, state: what, ticker, since } of workers)
    out.line(`process ${pid}: ${command} ${what}${ticker ? ` ${ticker}` : ''} since ${since}`)
  for (const [endpoint, how] of Object.entries(breakers)) {
    const whose = breakersByProcess.filter((one) => one.endpoint === endpoint)
    const pids = whose.map(({ pid, state: its }) => `${its} in process ${pid}`)
    out.line(`breaker ${endpoint}: ${how}${pids.length > 0 ? ` (${pids.join(', ')})` : ''}`)
  }
  if (budget) out.line(`budget: ${budgetLines(budget).join('; ')}`)
  out.line(`disk: ${disk.freeMb === null ? '?' : formatNumber(disk.freeMb)} MiB free`)
  const refused = `${plural(quarantine.rows, 'row')} of ${plural(quarantine.sessions, 'session')}`
  if (quarantine.rows > 0) out.line(`quarantine: ${refused} (${shortList(quarantine.series)})`)
}

async function printFreshness(out: RunContext['out'], freshness: readonly SeriesFacts[]): Promise<void> {
  if (freshness.length === 0) return
  const worstFirst = [...freshness].sort((a, b) => rank(b) - rank(a))
  out.line('\nFreshness, in sessions:')
  await out.table(
    ['dataset', 'ticker', 'held up to', 'last session', 'behind'],
    worstFirst
      .slice(0, SERIES_SHOWN)
      .map(({ dataset, ticker, last, expected, behind, followed }) => [
        ...[dataset, ticker, last ?? '-', expected ?? '-', followed ? formatNumber(behind) : 'not followed'],
      ]),
    { right: [4] },
  )
  if (freshness.length > SERIES_SHOWN)
    out.line(`… and ${freshness.length - SERIES_SHOWN} more; --json lists all`)
}

const rank = ({ behind, followed }: SeriesFacts): number => (followed ? behind + 1 : 0)

function streamText(live: Readonly<Record<string, unknown>>): string {
  const stream = live['stream'] as { rows: number; queueDepth: number; lagMs: number | null } | undefined
  if (!stream) return 'no news yet'
  const lag = stream.lagMs === null ? '' : `, ${Math.round(stream.lagMs)} ms late`
  return `${plural(stream.rows, 'row')}${lag}, ${formatNumber(stream.queueDepth)} frames wait`
}

const shortList = (words: readonly string[]): string =>
  words.length > 3 ? `${words.slice(0, 3).join(', ')} +${words.length - 3}` : words.join(', ')
