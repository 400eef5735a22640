import type { Settings } from '../../core/config/index.ts'
import type { PipelineError } from '../../core/errors.ts'
import { openLake } from '../../lake/index.ts'
import { LOST, type Restatement } from '../../lake/series-contract.ts'
import {
  FAILURES_IN_A_ROW,
  INTERRUPTED,
  wantedOf,
  type BackfillHooks,
  type ContractCounts,
  type SeriesOutcome,
} from '../backfill.ts'
import type { SeriesPlan } from '../plan.ts'
import type { SilenceMemory } from '../silence.ts'
import type { SourceEvents } from '../../sources/polygon/options.ts'
import type { WorkItem } from '../work-item.ts'
import { replayEvent, type UnitMessage, type UnitResult } from './messages.ts'
import { runPool, type PoolHooks, type PoolOptions, type WorkerHandle } from './pool.ts'
import { WorkQueue, type Priority, type SetAside, type WorkUnit } from './work-queue.ts'

export interface BackfillAllOptions {
  readonly root: string
  /** What there is to do, made from the ledgers as they stand. */
  readonly plans: readonly SeriesPlan[]
  readonly nowMs: number
  readonly force: boolean
  /** The sessions of the plans are asked for whatever the ledger says when their turn comes. */
  readonly exact?: boolean
  /** How long a worker waits for another writer of a series, milliseconds. */
  readonly lockWaitMs: number
  readonly priority: Priority
  /** Requests of one ticker in flight together. */
  readonly together: number
  /** Most worker processes, at least 1. */
  readonly count: number
  readonly settings: Settings['workers']
  readonly start: () => WorkerHandle
  readonly graceful: AbortSignal
  readonly immediate: AbortSignal
  /** See {@link PoolOptions.relay}. */
  readonly relay?: NonNullable<PoolOptions['relay']>
  readonly hooks?: BackfillAllHooks
  /** Watchers of what happens in all workers, as if it happened here. */
  readonly sourceEvents?: SourceEvents
  readonly backfillHooks?: BackfillHooks
}

/** What a watcher may want to know. `series` is the place of the series among the plans. */
export interface BackfillAllHooks extends Pick<
  PoolHooks,
  'onUnit' | 'onRefused' | 'onCrash' | 'onGone' | 'onSetAside' | 'onHung'
> {
  onCall?(series: number | undefined): void
  onItem?(series: number, item: WorkItem, rows: number): void
  /** Nothing more will be asked of a series. */
  onSeries?(series: number): void
}

export interface BackfillAllOutcome {
  /** One for each plan, in the same order. */
  readonly outcomes: readonly SeriesOutcome[]
  /** Vendor requests, retries included, by series in the same order; and in all. */
  readonly callsBySeries: readonly number[]
  readonly calls: number
  readonly setAside: readonly SetAside[]
  /** Workers that ended before their time and were replaced. */
  readonly crashes: number
  /** What ended the run before its work was done, or what one series failed of. */
  readonly problem: PipelineError | undefined
}

/** What is known of one series while the run goes on. */
interface Tally {
  rows: number
  refused: number
  duplicates: number
  failures: number
  failuresInARow: number
  calls: number
  stopped: string | undefined
  memory: SilenceMemory
  readonly restated: Restatement[]
  readonly contracts: Map<string, ContractCounts>
  readonly late: { merged: number; quarantined: number }
  readonly lost: Set<string>
}

/**
 * Carries out many plans with worker processes: the same requests as the plans say, in order of priority, each series by
 * one worker at a time. What workers commit is in the ledgers; the outcomes are read from there at the end.
 */
export async function backfillAll(options: BackfillAllOptions): Promise<BackfillAllOutcome> {
  const { plans, priority, together, settings, count, graceful } = options
  const queue = new WorkQueue(plans, { priority, together, tries: settings.tries })
  const tallies = plans.map(newTally)
  const pool = await runPool({
    ...{ queue, count, start: options.start, graceful, immediate: options.immediate },
    ...{ restartBaseMs: settings.restartBaseMs, restartMaxMs: settings.restartMaxMs },
    ...{ hungMs: settings.hungSeconds * 1000, stopMs: settings.stopSeconds * 1000 },
    describe: (unit) => describe(unit, options, tallies[indexOf(plans, unit)]!.memory),
    hooks: tallying(options, queue, tallies),
    ...(options.relay && { relay: options.relay }),
  })
  const ended = graceful.aborted || !queue.isComplete ? INTERRUPTED : undefined
  const stopped = pool.problem && !graceful.aborted ? `not asked for: ${pool.problem.message}` : ended
  return {
    outcomes: await outcomesOf(options, queue, tallies, stopped),
    callsBySeries: tallies.map(({ calls }) => calls),
    calls: tallies.reduce((sum, { calls }) => sum + calls, 0),
    ...{ setAside: queue.setAside, crashes: pool.crashes, problem: pool.problem },
  }
}

const newTally = (): Tally => ({
  ...{ rows: 0, refused: 0, duplicates: 0, failures: 0, failuresInARow: 0, calls: 0 },
  ...{ stopped: undefined, memory: {}, restated: [], contracts: new Map() },
  ...{ late: { merged: 0, quarantined: 0 }, lost: new Set() },
})

const indexOf = (plans: readonly SeriesPlan[], { series }: WorkUnit): number =>
  plans.findIndex((plan) => plan.series.ticker === series.ticker && plan.series.dataset === series.dataset)

function describe(
  unit: WorkUnit,
  { plans, nowMs, force, exact, lockWaitMs }: BackfillAllOptions,
  memory: SilenceMemory,
): UnitMessage {
  const { id, series, range, whole, sessions } = unit
  return {
    ...{ kind: 'unit', id, dataset: series.dataset.name, ticker: series.ticker },
    ...{ range, whole, memory, nowMs, force, lockWaitMs },
    wanted: wantedOf(plans[indexOf(plans, unit)]!),
    ...(exact && sessions.length > 0 ? { only: sessions } : {}),
  }
}

function tallying(options: BackfillAllOptions, queue: WorkQueue, tallies: readonly Tally[]): PoolHooks {
  const { plans, hooks, sourceEvents, backfillHooks } = options
  return {
    ...hooks,
    onEvent: (unit, message, pid) => {
      replayEvent(sourceEvents, message, pid)
      if (message.name !== 'onCall') return
      const at = unit && indexOf(plans, unit)
      if (at !== undefined) tallies[at]!.calls++
      hooks?.onCall?.(at)
    },
    onItem: (unit, { item, ...result }) => {
      backfillHooks?.onItem?.(unit.series, item, result)
      hooks?.onItem?.(indexOf(plans, unit), item, result.rows)
    },
    onSettled: (unit, states) => backfillHooks?.onSettled?.(unit.series, new Map(Object.entries(states))),
    onDone: (unit, result) => {
      const at = indexOf(plans, unit)
      count(tallies[at]!, result)
      const { failuresInARow } = tallies[at]!
      if (failuresInARow >= FAILURES_IN_A_ROW) {
        queue.drop(unit, `not asked for: ${failuresInARow} requests in a row failed`)
      }
      if (!queue.hasMore(unit)) hooks?.onSeries?.(at)
    },
  }
}

function count(
  tally: Tally,
  { rows, refused, duplicates, failures, restated, memory, contracts, stopped, late, lost = [] }: UnitResult,
): void {
  tally.late.merged += late?.merged ?? 0
  tally.late.quarantined += late?.quarantined ?? 0
  for (const date of lost) tally.lost.add(date)
  tally.rows += rows
  tally.refused += refused
  tally.duplicates += duplicates
  tally.failures += failures
  tally.failuresInARow = failures > 0 ? tally.failuresInARow + failures : 0
  tally.memory = memory
  tally.restated.push(...restated)
  if (stopped !== undefined && stopped !== INTERRUPTED) tally.stopped ??= stopped
  for (const [date, counts] of contracts ?? []) tally.contracts.set(date, counts)
}

async function outcomesOf(
  { root, plans }: BackfillAllOptions,
  queue: WorkQueue,
  tallies: readonly Tally[],
  ended: string | undefined,
): Promise<SeriesOutcome[]> {
  const lake = await openLake(root)
  try {
    const outcomes: SeriesOutcome[] = []
    for (const [i, plan] of plans.entries()) {
      const { rows, refused, duplicates, failures, restated, contracts, stopped, late, lost } = tallies[i]!
      const { ledger } = await lake.view(plan.series)
      const why = queue.droppedReason(i) ?? stopped ?? ended
      const mine = queue.setAside.filter(({ unit }) => indexOf(plans, unit) === i)
      outcomes.push({
        ...{ series: plan.series, plan, rows, refused, duplicates, restated, ledger, late },
        lost: [...lost].filter((date) => ledger.cells[date]?.reason === LOST),
        failures: failures + mine.length,
        reasons: reasonsOf(mine),
        ...(contracts.size > 0 ? { contracts } : {}),
        ...(why === undefined ? {} : { stopped: why }),
      })
    }
    return outcomes
  } finally {
    await lake.close()
  }
}

function reasonsOf(setAside: readonly SetAside[]): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>()
  for (const { unit, tries, reason } of setAside) {
    for (const date of unit.sessions) reasons.set(date, `set aside after ${tries} tries: ${reason}`)
  }
  return reasons
}
