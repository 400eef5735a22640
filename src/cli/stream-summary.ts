import { EXIT, isPipelineError, messageOf, type ExitCode } from '../core/errors.ts'
import type { StreamSummary } from '../pipeline/stream/contract.ts'
import type { StreamHole } from '../pipeline/stream/holes.ts'
import type { RunContext } from './context.ts'
import { formatNumber, plural } from './format.ts'
import { holeText } from './stream-watch.ts'

/** Most holes listed for people; --json has them all. */
const HOLES_SHOWN = 20

/**
 * Prints what a stream did and tells its exit code.
 *
 * @throws what ended it, once everything else was said
 */
export async function printStream(
  context: RunContext,
  source: string,
  summary: StreamSummary,
): Promise<ExitCode> {
  const { failure } = summary
  context.telemetry.noteStream(summary)
  if (context.flags.json) printJson(context, source, summary)
  else await printForPeople(context, summary)
  if (failure) throw failure
  if (summary.end === 'interrupted') {
    context.out.note('Interrupted. What was received is kept; run the same command again to go on.')
  }
  return exitCodeOf(summary)
}

/** Open holes of a stream that was not interrupted are a partial result: the next run or backfill closes them. */
function exitCodeOf({ end, holes, cells }: StreamSummary): ExitCode {
  if (end === 'interrupted') return EXIT.ok
  const open = holes.some(({ closedMs }) => closedMs === undefined)
  return open || cells.some(({ state }) => state === 'failed') ? EXIT.partial : EXIT.ok
}

function printJson({ out, runId, redactor }: RunContext, source: string, summary: StreamSummary): void {
  const { failure, holes, ...rest } = summary
  const code = isPipelineError(failure) ? { code: failure.code, category: failure.category } : {}
  const error = failure && { error: { message: redactor.text(messageOf(failure)), ...code } }
  out.json('tapelake.stream', 1, { run: runId, source, ...rest, holes: holes.map(holeDocument), ...error })
}

const instant = (ms: number | undefined): string | null =>
  ms === undefined || !Number.isFinite(ms) ? null : new Date(ms).toISOString()

const holeDocument = ({ fromMs, toMs, detectedMs, closedMs, note, ...hole }: StreamHole): object => ({
  ...hole,
  from: instant(fromMs),
  to: instant(toMs),
  detected: instant(detectedMs),
  closed: instant(closedMs),
  reason: note ?? null,
})

async function printForPeople({ out }: RunContext, summary: StreamSummary): Promise<void> {
  const { cells, holes, reason, rows, reconnects, calls, frames } = summary
  if (reason !== undefined) out.line(reason)
  if (cells.length > 0) {
    await out.table(
      ['dataset', 'ticker', 'session', 'rows', 'received', 'state', 'reason'],
      cells.map((cell) => [
        ...[cell.dataset, cell.ticker, cell.date, formatNumber(cell.rows)],
        ...[formatNumber(cell.received), cell.state, cell.reason],
      ]),
      { right: [3, 4] },
    )
  }
  if (frames > 0) {
    const work = [
      plural(rows, 'row'),
      plural(frames, 'frame'),
      plural(reconnects, 'reconnect'),
      plural(calls, 'call'),
    ]
    out.line(`${work.join(', ')}${oddities(summary)}`)
  }
  for (const hole of holes.slice(0, HOLES_SHOWN)) out.line(holeLine(hole))
  if (holes.length > HOLES_SHOWN)
    out.line(`… and ${plural(holes.length - HOLES_SHOWN, 'more hole')}; --json lists all`)
}

function oddities({ unknown, malformed, refused }: StreamSummary): string {
  const parts = [
    unknown > 0 ? `${plural(unknown, 'unknown event')} kept` : '',
    malformed > 0 ? `${plural(malformed, 'broken event')} kept` : '',
    refused > 0 ? `${plural(refused, 'row')} refused (quarantine)` : '',
  ].filter(Boolean)
  return parts.length > 0 ? `; ${parts.join(', ')}` : ''
}

function holeLine(hole: StreamHole): string {
  if (hole.closedMs !== undefined)
    return `hole ${holeText(hole)}: closed, ${plural(hole.rows, 'row')} from REST`
  return `hole ${holeText(hole)}: open${hole.note ? `: ${hole.note}` : ''}`
}
