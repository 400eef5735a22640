import type { RunRecord } from '../lake/run-record.ts'
import type { RunContext } from './context.ts'
import { formatBytes, formatDuration, formatNumber, plural } from './format.ts'
import type { Style } from './output.ts'

/** Stretches left undone that are shown to people; --json has more. */
const LEFT_SHOWN = 20
const TICKERS_SHOWN = 3

const STYLES: Readonly<Partial<Record<RunRecord['state'], Style>>> = {
  ok: 'green',
  partial: 'yellow',
  failed: 'red',
  died: 'red',
}

/** Prints the history, newest first. */
export async function printRuns({ out, flags }: RunContext, runs: readonly RunRecord[]): Promise<void> {
  if (flags.json) return out.json('tapelake.runs', 1, { runs: runs.map(bodyOf) })
  if (runs.length === 0) return out.note('No run yet. Record with: tapelake backfill --ticker SPY')
  await out.table(
    ['run', 'started', 'command', 'tickers', 'state', 'exit', 'duration', 'rows', 'calls', 'errors', 'left'],
    runs.map((run) => [
      ...[run.id, `${run.startedAt.slice(0, 19)}Z`, run.command, tickersOf(run)],
      ...[stateText(out, run), String(run.exitCode ?? '-'), formatDuration(run.durationMs)],
      ...[run.rows, run.calls, errorsOf(run), run.leftSessions].map(formatNumber),
    ]),
    { right: [5, 6, 7, 8, 9, 10] },
  )
}

/** Prints one run. */
export function printRun({ out, flags }: RunContext, run: RunRecord): void {
  if (flags.json) return out.json('tapelake.run', run.schema.version, bodyOf(run))
  const { command, id, startedAt, endedAt, exitCode, error } = run
  out.line(`${id}: ${command} of ${run.tickers.join(', ') || 'nothing'}: ${stateText(out, run)}`)
  const ended = endedAt === null ? '' : `, ended ${endedAt}, exit code ${exitCode}`
  out.line(`  started ${startedAt}${ended}, took ${formatDuration(run.durationMs)}, process ${run.pid}`)
  out.line(`  tapelake ${run.commandLine.join(' ')}`)
  out.line(`  did: ${didText(run)}`)
  out.line(`  cost: ${costText(run)}`)
  if (run.crashes > 0) out.line(`  replaced: ${plural(run.crashes, 'worker')} that ended before its time`)
  const errors = Object.entries(run.errors).filter(([, count]) => count > 0)
  if (errors.length > 0) out.line(`  errors: ${errors.map(([name, n]) => `${name} ${n}`).join(', ')}`)
  for (const { name, state, durationMs, detail } of run.steps)
    out.line(`  step ${name}: ${state}, ${formatDuration(durationMs)}${detail ? `: ${detail}` : ''}`)
  for (const { at, category, message } of run.failures) out.line(`  ${at} ${category}: ${message}`)
  if (error) out.line(`  ended by ${error.category}: ${error.message}${error.hint ? ` ${error.hint}` : ''}`)
  printLeft(out, run)
}

function printLeft(out: RunContext['out'], { left, leftSessions }: RunRecord): void {
  if (leftSessions > 0) out.line(`  left: ${plural(leftSessions, 'session')}`)
  for (const { dataset, ticker, from, to, state, reason } of left.slice(0, LEFT_SHOWN))
    out.line(`    ${ticker} ${dataset} ${from === to ? from : `${from} to ${to}`}: ${state}, ${reason}`)
}

/** A record as `--json` shows it: its schema goes to the head of the document. */
function bodyOf({ schema: _, ...body }: RunRecord): object {
  return body
}

function tickersOf({ tickers }: RunRecord): string {
  const shown = tickers.slice(0, TICKERS_SHOWN).join(', ')
  return tickers.length > TICKERS_SHOWN ? `${shown} +${tickers.length - TICKERS_SHOWN}` : shown
}

function stateText(out: RunContext['out'], { state }: RunRecord): string {
  const style = STYLES[state]
  return style ? out.style(style, state) : state
}

const errorsOf = ({ errors }: RunRecord): number =>
  Object.values(errors).reduce((sum, count) => sum + count, 0)

function didText({ rows, rowsStreamed, quarantined, duplicates, sessions }: RunRecord): string {
  return [
    `${plural(rows, 'row')} recorded`,
    ...(rowsStreamed > 0 ? [`${plural(rowsStreamed, 'row')} received live`] : []),
    ...Object.entries(sessions).map(([state, count]) => `${plural(count, 'session')} ${state}`),
    ...(quarantined > 0 ? [`${plural(quarantined, 'row')} refused (quarantine)`] : []),
    ...(duplicates > 0 ? [`${plural(duplicates, 'duplicate')} dropped`] : []),
  ].join(', ')
}

function costText({ calls, retries, rowsFetched, bytesFetched, limiter }: RunRecord): string {
  const again = retries > 0 ? ` (${plural(retries, 'retry', 'retries')})` : ''
  const { averageWaitMs } = limiter
  const waited = averageWaitMs > 0 ? `, waited ${formatDuration(averageWaitMs)} a call for the budget` : ''
  return `${plural(calls, 'call')}${again}, ${plural(rowsFetched, 'row')}, ${formatBytes(bytesFetched)}${waited}`
}
