import pLimit from 'p-limit'
import { throwIfAborted } from '../core/abort.ts'
import { takeRows, type Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import {
  EntitlementError,
  IntegrityError,
  InterruptedError,
  isRequestFailure,
  messageOf,
  type VendorError,
} from '../core/errors.ts'
import { collect, compose } from '../core/flow.ts'
import { stringAt, type StringColumn } from '../core/batch.ts'
import type { TakesLate } from '../lake/late-rows.ts'
import { heldRows } from '../lake/held-rows.ts'
import { LATE, type QuarantinedRow } from '../lake/quarantine.ts'
import type { CellVerdict, Restatement } from '../lake/series-contract.ts'
import type { SeriesWriter } from '../lake/series-writer.ts'
import { claimProvenance } from '../lake/stamp.ts'
import { newYorkDate } from '../market/time.ts'
import type { HistorySource } from '../sources/history.ts'
import { dedup } from '../stages/dedup.ts'
import { inRequest } from '../stages/in-request.ts'
import { validate } from '../stages/validate.ts'
import { Intake } from './intake.ts'
import { OptionLate } from './option-late.ts'
import { isPending, type OptionDay } from './option-plan.ts'
import { decodeBars, encodeBars, type ContractEntry, ProgressLog } from './option-progress.ts'
import { urgencyOf } from './urgency.ts'

/** A contract whose bars did not come. */
export interface FailedContract {
  readonly date: string
  readonly contract: string
  readonly reason: string
}

/** What became of the contracts of one day. */
export interface DayResult {
  readonly contracts: number
  /** Contracts with bars, and contracts that did not trade. */
  readonly complete: number
  readonly empty: number
  readonly failed: readonly FailedContract[]
  /** Rows that the lake holds of the day. */
  readonly rows: number
  readonly refused: number
  readonly duplicates: number
  /** The day, where its recorded rows gave way to others. */
  readonly restated: readonly Restatement[]
  /** Rows of contracts that were asked for before: merged, or too late and in quarantine. */
  readonly late: { readonly merged: number; readonly quarantined: number }
  /** The vendor's last failure, where there was one. */
  readonly failure?: VendorError
}

export interface DayContext {
  readonly writer: SeriesWriter
  readonly source: HistorySource
  readonly concurrency: number
  /** The present instant, UTC epoch milliseconds. */
  readonly nowMs: number
  /** See BackfillOptions. */
  readonly lateDays?: number
  readonly force: boolean
  readonly takesLate?: TakesLate
  /** No further contract is begun once this aborts. */
  readonly graceful: AbortSignal
  /** Contracts in hand are dropped once this aborts. */
  readonly immediate: AbortSignal
}

/** After so many failed contracts in a row the vendor is taken to be down. */
const FAILURES_IN_A_ROW = 3
const FAILURES_NAMED = 3

/**
 * Records one day of the options of one underlying: every contract is asked for and remembered by itself, so that a
 * killed run goes on where it was; the lake takes all of them in one commit.
 *
 * @throws {InterruptedError} when stopped before every contract was asked for; what was fetched is remembered
 * @throws {AuthenticationError | BudgetSpentError} no other request would fare better
 */
export class OptionDayRun {
  readonly #day: OptionDay
  readonly #context: DayContext
  readonly #failed: FailedContract[] = []
  readonly #fetched = new Set<string>()
  #log!: ProgressLog
  #late!: OptionLate
  #duplicates = 0
  #restated: readonly Restatement[] = []
  #failuresInARow = 0
  #failure: VendorError | undefined
  #refusedByPlan: EntitlementError | undefined
  /** True once something happened that no other contract would fare better with. */
  #broken = false

  constructor(day: OptionDay, context: DayContext) {
    this.#day = day
    this.#context = context
  }

  async record(): Promise<DayResult> {
    const { writer, concurrency, immediate, graceful } = this.#context
    const { lateDays, nowMs, force, takesLate = force } = this.#context
    const { root, series } = writer.options
    const late = lateDays === undefined ? undefined : { lateDays, nowMs }
    this.#late = await OptionLate.open(this.#day, { writer, late, takesLate })
    this.#log = await ProgressLog.open(root, series, this.#day.date, this.#day.settled)
    const limit = pLimit(concurrency)
    const attempts = this.#day.toFetch.map((contract) => limit(() => this.#attempt(contract)))
    const outcomes = await Promise.allSettled(attempts) // nobody may append once the log is compacted
    const broken = outcomes.find((outcome) => outcome.status === 'rejected')
    if (broken) throw broken.reason
    throwIfAborted(immediate)
    if (this.#isUnfinished()) throwIfAborted(graceful)
    return await this.#commit()
  }

  #isUnfinished(): boolean {
    const known = this.#log.entries
    const failed = new Set(this.#failed.map(({ contract }) => contract))
    return this.#day.contracts.some((contract) => !known.has(contract) && !failed.has(contract))
  }

  async #attempt(contract: string): Promise<void> {
    const { graceful, immediate } = this.#context
    if (graceful.aborted || immediate.aborted || this.#refusedByPlan || this.#broken) return
    if (this.#failuresInARow >= FAILURES_IN_A_ROW)
      return this.#fail(contract, 'not asked for: the vendor failed')
    try {
      const entry = await this.#fetch(contract)
      await this.#log.append(entry)
      this.#failuresInARow = 0
    } catch (error) {
      if (error instanceof InterruptedError && graceful.aborted) return // it need not wait for its turn any more
      if (!isRequestFailure(error)) {
        this.#broken = true
        throw error
      }
      if (error instanceof EntitlementError && this.#log.entries.size === 0) this.#refusedByPlan = error
      this.#failure = error
      this.#failuresInARow++
      this.#fail(contract, `${error.category}: ${messageOf(error)}`)
    }
  }

  #fail(contract: string, reason: string): void {
    this.#failed.push({ date: this.#day.date, contract, reason })
  }

  async #fetch(contract: string): Promise<ContractEntry> {
    const { writer, source, immediate } = this.#context
    const { root, series, runId } = writer.options
    const { date } = this.#day
    const intake = new Intake(series.dataset, [date], runId)
    const wanted = new Set([date])
    const onRefused = intake.refuse(wanted)
    const stage = compose(
      validate(series.dataset, { ticker: contract, onRefused }),
      inRequest(series.dataset, { from: date, to: date, wanted, onRefused }),
      dedup(series.dataset, { onDuplicate: (count) => (this.#duplicates += count) }),
    )
    const priority = urgencyOf(series.dataset, date, newYorkDate(this.#context.nowMs))
    const request = { dataset: series.dataset, ticker: contract, from: date, to: date, priority }
    const batches = await collect(stage(source.read(request, immediate)))
    if (source.provenance) await claimProvenance(root, source.provenance)
    const { rows, tooLate } = this.#late.sort(contract, batches)
    const refused = [...intake.refused(date), ...tooLate]
    this.#fetched.add(contract)
    return {
      contract,
      rows: rows.reduce((sum, { length }) => sum + length, 0),
      ...barsOf(rows),
      ...(refused.length > 0 ? { refused } : {}),
    }
  }

  /** Rows held of contracts that were not fetched now stay: a narrower discovery takes nothing away. */
  async #commit(): Promise<DayResult> {
    const { writer } = this.#context
    const { date } = this.#day
    const pending = [...this.#log.entries.values()].filter(isPending)
    const fresh = pending.flatMap((entry) => decodeBars(writer.options.series, entry) ?? [])
    for (const rows of fresh) this.#late.take(rows)
    const verdict = this.#verdict()
    const sink = writer.openSink([date], verdict.state !== 'complete')
    try {
      if (pending.length > 0) {
        for (const others of await this.#heldOfOthers(new Set(pending.map(({ contract }) => contract)))) {
          await sink.write(others)
        }
        for (const rows of fresh) await sink.write(rows)
      }
      const { restated } = await sink.commit(new Map([[date, verdict]]))
      this.#restated = restated
    } catch (error) {
      await sink.abort()
      throw error
    }
    await this.#log.compact()
    return this.#result()
  }

  /** @throws {IntegrityError} when held rows are damaged that this run does not record anew */
  async #heldOfOthers(fresh: ReadonlySet<string>): Promise<readonly Batch[]> {
    try {
      const held = await collect(heldRows(this.#context.writer, this.#day.date))
      return held.map((batch) => withoutContracts(batch, fresh)).filter(({ length }) => length > 0)
    } catch (error) {
      const isAnew = this.#day.contracts.every((contract) => fresh.has(contract))
      if (error instanceof IntegrityError && isAnew) return [] // nothing of it is needed
      throw error
    }
  }

  #verdict(): CellVerdict {
    const { contracts } = this.#day
    const broken = this.#refused(({ rule }) => rule !== LATE)
    const refused = this.#late.quarantine(this.#refused())
    const { complete, empty } = this.#counts()
    if (this.#refusedByPlan) {
      const { vendorMessage, message } = this.#refusedByPlan
      return { state: 'not_entitled', reason: vendorMessage ?? message }
    }
    if (this.#failed.length > 0) return { state: 'failed', reason: this.#failureReason(), refused }
    if (contracts.length === 0) return { state: 'empty', reason: 'no contracts were discovered', refused }
    if (complete === 0) {
      return broken.length > 0
        ? { state: 'quarantined', reason: `all ${broken.length} rows were refused`, refused }
        : { state: 'empty', reason: `none of ${contracts.length} contracts traded`, refused }
    }
    const quiet = empty > 0 ? `; ${empty} without trades` : ''
    const reason = `${complete} contracts recorded from ${this.#context.source.name}${quiet}`
    return { state: 'complete', reason, refused }
  }

  /** Refused rows of the day; of late ones those that came now, since quarantine has the others. */
  #refused(isMeant: (row: QuarantinedRow) => boolean = () => true): QuarantinedRow[] {
    return [...this.#log.entries.values()].flatMap((entry) => {
      const isNew = isPending(entry) || this.#fetched.has(entry.contract)
      return (entry.refused ?? []).filter((row) => (isNew || row.rule !== LATE) && isMeant(row))
    })
  }

  #failureReason(): string {
    const named = this.#failed
      .slice(0, FAILURES_NAMED)
      .map(({ contract, reason }) => `${contract} (${reason})`)
    const more =
      this.#failed.length > FAILURES_NAMED ? ` and ${this.#failed.length - FAILURES_NAMED} more` : ''
    return `${this.#failed.length} of ${this.#day.contracts.length} contracts failed: ${named.join(', ')}${more}`
  }

  #counts(): { complete: number; empty: number } {
    const mine = this.#day.contracts.flatMap((contract) => this.#log.entries.get(contract) ?? [])
    const complete = mine.filter(({ rows }) => rows > 0).length
    return { complete, empty: mine.length - complete }
  }

  #result(): DayResult {
    const { contracts, date } = this.#day
    return {
      contracts: contracts.length,
      ...this.#counts(),
      failed: this.#refusedByPlan ? [] : this.#failed,
      rows: this.#context.writer.ledger.cells[date]?.rows ?? 0,
      refused: this.#refused(({ rule }) => rule !== LATE).length,
      duplicates: this.#duplicates,
      restated: this.#restated,
      late: this.#late.counts,
      ...(this.#failure && !this.#refusedByPlan ? { failure: this.#failure } : {}),
    }
  }
}

function barsOf(batches: readonly Batch[]): Pick<ContractEntry, 'bars' | 'origin'> {
  if (batches.length === 0) return {}
  const batch = concatBatches(batches)
  const { source, request, requestId } = batch.origin ?? { source: 'unknown', request: '' }
  const origin = { source, request, ...(requestId === undefined ? {} : { requestId }) }
  return { bars: encodeBars(batch), origin }
}

function withoutContracts(batch: Batch, contracts: ReadonlySet<string>): Batch {
  const tickers = batch.columns['ticker'] as StringColumn
  const rows = Array.from({ length: batch.length }, (_, row) => row)
  return takeRows(
    batch,
    rows.filter((row) => !contracts.has(stringAt(tickers, row) ?? '')),
  )
}
