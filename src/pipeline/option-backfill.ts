import { AuthenticationError, BudgetSpentError, InterruptedError, messageOf } from '../core/errors.ts'
import type { Ledger } from '../lake/ledger.ts'
import type { CellVerdict } from '../lake/series-contract.ts'
import type { SeriesId } from '../lake/layout.ts'
import { SeriesWriter } from '../lake/series-writer.ts'
import { readStamp } from '../lake/stamp.ts'
import {
  INTERRUPTED,
  reportSettled,
  type BackfillOptions,
  type ContractCounts,
  type SeriesOutcome,
} from './backfill.ts'
import { OptionDayRun, type DayResult } from './option-day.ts'
import { planOptionSeries, type OptionPlan } from './option-plan.ts'
import type { SessionRange } from './range.ts'
import { dueSessions, noteRechecked } from './recheck.ts'

/** What became of the options of one underlying. */
export interface OptionOutcome extends SeriesOutcome {
  readonly plan: OptionPlan
}

/**
 * Records the bars of the discovered contracts of one underlying: locks the series, plans what is missing, carries
 * the plan out day by day, newest first.
 *
 * @throws {LockedError} when another process writes the series
 * @throws {UsageError} when `resolve` refuses the range, or no day of it was discovered
 */
export async function backfillOptions(
  series: SeriesId,
  resolve: (ledger: Ledger) => SessionRange,
  options: BackfillOptions,
): Promise<OptionOutcome> {
  const { root, source, hooks, nowMs, force } = options
  const stamp = await readStamp(root)
  const writer = await SeriesWriter.open(
    {
      ...options,
      series,
      provenance: () => source.provenance ?? stamp?.provenance ?? 'real',
      waitMs: options.lockWaitMs,
      purpose: `backfill of ${series.ticker} ${series.dataset.name}`,
      ...(hooks?.onMended ? { onMended: (note: string) => hooks.onMended?.(note) } : {}),
    },
    AbortSignal.any([options.graceful, options.immediate]),
  )
  try {
    const range = resolve(writer.ledger)
    const { ledger } = writer
    const again = await dueSessions(series, ledger, options)
    const plan = await planOptionSeries({ root, series, range, ledger, nowMs, force, again })
    hooks?.onPlan?.(plan)
    const { outcome, answered } = await carryOut(plan, writer, options)
    if (again) await noteRechecked(root, series, answered, nowMs)
    return outcome
  } finally {
    await writer.close()
  }
}

async function carryOut(
  plan: OptionPlan,
  writer: SeriesWriter,
  options: BackfillOptions,
): Promise<{ outcome: OptionOutcome; answered: readonly string[] }> {
  const days = new Map<string, DayResult>()
  let ending: Pick<SeriesOutcome, 'stopped' | 'fatal'> = {}
  for (const [i, day] of plan.days.entries()) {
    if (options.graceful.aborted) ending = { stopped: INTERRUPTED }
    if (ending.stopped !== undefined) break
    try {
      const result = await new OptionDayRun(day, { ...options, writer }).record()
      days.set(day.date, result)
      options.hooks?.onItem?.(plan.series, plan.items[i]!, result)
      reportSettled(options.hooks, plan.series, [day.date], writer.ledger)
      if (result.failed.length > 0 && result.failed.length === result.contracts && result.failure) {
        ending = { stopped: `not asked for: no contract of ${day.date} could be fetched` }
      }
    } catch (error) {
      ending = endingOf(error)
    }
  }
  if (ending.fatal === undefined) await settlePending(plan, writer)
  const results = [...days.values()]
  const total = (count: (result: DayResult) => number): number =>
    results.reduce((sum, result) => sum + count(result), 0)
  const outcome: OptionOutcome = {
    ...{ series: plan.series, plan, ledger: writer.ledger },
    rows: total(({ rows }) => rows),
    refused: total(({ refused }) => refused),
    duplicates: total(({ duplicates }) => duplicates),
    failures: total(({ failed }) => failed.length),
    restated: results.flatMap(({ restated }) => restated),
    late: { merged: total(({ late }) => late.merged), quarantined: total(({ late }) => late.quarantined) },
    lost: writer.lost,
    contracts: new Map([...days].map(([date, result]) => [date, countsOf(result)])),
    ...ending,
  }
  const answered = [...days].filter(([, { failed }]) => failed.length === 0).map(([date]) => date)
  return { outcome, answered }
}

const countsOf = ({ contracts, complete, empty, failed }: DayResult): ContractCounts => ({
  ...{ contracts, complete, empty },
  failed: failed.map(({ contract, reason }) => ({ contract, reason })),
})

function endingOf(error: unknown): Pick<SeriesOutcome, 'stopped' | 'fatal'> {
  if (error instanceof InterruptedError) return { stopped: INTERRUPTED }
  const fatal = error instanceof Error ? error : new Error(messageOf(error))
  if (error instanceof BudgetSpentError) return { stopped: error.message, fatal }
  return { stopped: error instanceof AuthenticationError ? 'the key was refused' : 'the run failed', fatal }
}

async function settlePending({ pending }: OptionPlan, writer: SeriesWriter): Promise<void> {
  if (pending.length === 0) return
  const verdict: CellVerdict = { state: 'pending', reason: 'the session has not ended yet' }
  await writer.settle(new Map(pending.map((date) => [date, verdict])))
}
