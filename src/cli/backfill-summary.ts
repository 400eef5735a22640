import { EXIT, isPipelineError, messageOf, type ExitCode } from '../core/errors.ts'
import type { CellState } from '../lake/ledger.ts'
import type { SeriesOutcome } from '../pipeline/backfill.ts'
import { exitCodeOf, summarize, type BackfillSummary } from '../pipeline/summary.ts'
import type { BackfillFlags } from './backfill-flags.ts'
import type { RunContext } from './context.ts'
import { formatNumber, plural } from './format.ts'

/** Most holes that the summary lists; the ledger and --json have them all. */
const HOLES_SHOWN = 20

/** What the summary of a run with workers says besides. */
export interface SummaryAdditions {
  /** Name of the JSON document; default `tapelake.backfill`. */
  readonly schema?: string
  /** Further fields of the JSON document. */
  readonly fields?: object
  /** Further lines for people. */
  readonly lines?: readonly string[]
  /** Whether what failed of one series is told by the exit code of a partial run, where others were recorded. */
  readonly goesOn?: boolean
}

/**
 * Prints what a run did and tells its exit code. `problem` is what ended it early, if anything did.
 *
 * @throws `problem`, once everything else was said
 */
export async function printSummary(
  context: RunContext,
  flags: Pick<BackfillFlags, 'source'>,
  outcomes: readonly SeriesOutcome[],
  calls: number,
  problem: Error | undefined,
  more: SummaryAdditions = {},
): Promise<ExitCode> {
  const { out, redactor } = context
  const summary = summarize(outcomes, calls)
  context.telemetry.noteLeft(summary.holes)
  if (context.flags.json) {
    const error =
      problem === undefined
        ? {}
        : { error: { message: redactor.text(messageOf(problem)), ...codeOf(problem) } }
    if (problem === undefined || outcomes.length > 0) {
      const { schema = 'tapelake.backfill', fields = {} } = more
      out.json(schema, 1, {
        ...{ run: context.runId, source: flags.source, ...summary },
        limiter: context.telemetry.counters.limiter,
        ...{ ...fields, ...error },
      })
    }
  } else await printForPeople(context, outcomes, summary, more.lines)
  warnOfLess(context, summary)
  if (problem !== undefined && !(more.goesOn && exitCodeOf(summary) === EXIT.partial)) throw problem
  if (context.signals.graceful.aborted) {
    out.note('Interrupted. What was committed is kept; run the same command again to go on.')
  }
  return exitCodeOf(summary)
}

/** An answer with fewer rows than before is taken, since the vendor said so, but not in silence. */
function warnOfLess({ logger }: RunContext, { restated }: BackfillSummary): void {
  const less = restated.filter(({ rowsBefore, rowsAfter }) => rowsAfter < rowsBefore)
  for (const one of less) {
    const { ticker, dataset, date, rowsBefore, rowsAfter } = one
    logger.warn(
      one,
      `${ticker} ${dataset} ${date}: the new answer has ${rowsAfter} rows, ${rowsBefore} were held`,
    )
  }
}

const codeOf = (problem: Error): object =>
  isPipelineError(problem) ? { code: problem.code, category: problem.category } : {}

async function printForPeople(
  { out }: RunContext,
  outcomes: readonly SeriesOutcome[],
  summary: BackfillSummary,
  lines: readonly string[] = [],
): Promise<void> {
  if (outcomes.length === 0) return
  await out.table(
    ['dataset', 'ticker', 'from', 'to', 'sessions', 'rows', 'states'],
    outcomes.map((outcome) => seriesRow(outcome, summary)),
    { right: [4, 5] },
  )
  const { rows, calls, quarantined, duplicates, restated, late, holes } = summary
  const extra = [
    quarantined > 0 ? `${plural(quarantined, 'row')} refused (quarantine)` : '',
    duplicates > 0 ? `${plural(duplicates, 'duplicate')} dropped` : '',
    ...lateText(late),
    restated.length > 0 ? `${plural(restated.length, 'session')} restated` : '',
  ].filter(Boolean)
  out.line([`${plural(rows, 'row')} recorded`, plural(calls, 'call'), ...extra].join(', '))
  for (const one of restated.slice(0, HOLES_SHOWN))
    out.line(`${out.style('yellow', 'restated')}: ${restatedText(one)}`)
  if (restated.length > HOLES_SHOWN)
    out.line(`… and ${plural(restated.length - HOLES_SHOWN, 'more restated session')}; --json lists all`)
  for (const hole of holes.slice(0, HOLES_SHOWN)) {
    const when = hole.from === hole.to ? hole.from : `${hole.from} to ${hole.to} (${hole.sessions} sessions)`
    out.line(`${out.style('yellow', hole.state)}: ${hole.ticker} ${hole.dataset} ${when}: ${hole.reason}`)
  }
  if (holes.length > HOLES_SHOWN)
    out.line(`… and ${plural(holes.length - HOLES_SHOWN, 'more hole')}; --json lists all`)
  for (const line of lines) out.line(line)
  for (const line of adviceFor(summary)) out.note(line)
}

/** What became of late rows, where some came. */
export const lateText = ({ merged, quarantined }: BackfillSummary['late']): readonly string[] =>
  [
    merged > 0 ? `${plural(merged, 'late row')} merged` : '',
    quarantined > 0 ? `${plural(quarantined, 'row')} too late (quarantine)` : '',
  ].filter(Boolean)

/** What to do about holes, by their state; the states that are left out need no doing, or are explained elsewhere. */
const ADVICE: Partial<Record<CellState, string>> = {
  not_entitled:
    "not_entitled: beyond the key's plan (`tapelake doctor` shows what it covers); after an upgrade, --force asks again.",
  failed: 'failed: the same command asks again; `tapelake doctor` checks key, network and vendor.',
  quarantined: 'quarantined: `tapelake quarantine list` shows what was refused and why.',
}

/** A line for each state of which there are holes. */
function adviceFor({ holes }: BackfillSummary): string[] {
  const states = new Set(holes.map(({ state }) => state))
  return [...states].flatMap((state) => ADVICE[state] ?? [])
}

/** One restated session; that the answer lacks rows which the lake had is said first. */
function restatedText(one: BackfillSummary['restated'][number]): string {
  const { ticker, dataset, date, added, removed, changed } = one
  const lacks = removed > 0 ? `${plural(removed, 'row')} not in the new answer, ` : ''
  return `${ticker} ${dataset} ${date}: ${lacks}${formatNumber(changed)} changed, ${formatNumber(added)} added; the rows before are kept (--as-of)`
}

function seriesRow({ series, plan, rows }: SeriesOutcome, { sessions }: BackfillSummary): string[] {
  const mine = sessions.filter(
    ({ ticker, dataset }) => ticker === series.ticker && dataset === series.dataset.name,
  )
  const counts = new Map<string, number>()
  for (const { state } of mine) counts.set(state, (counts.get(state) ?? 0) + 1)
  const states = [...counts].map(([state, count]) => `${formatNumber(count)} ${state}`).join(', ')
  const { from, to } = plan.range
  return [series.dataset.name, series.ticker, from, to, formatNumber(mine.length), formatNumber(rows), states]
}
