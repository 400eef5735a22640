import type { Batch } from '../core/batch.ts'
import { EntitlementError } from '../core/errors.ts'
import { compose, type Stage } from '../core/flow.ts'
import { isSettled } from '../lake/late-rows.ts'
import type { CellVerdict, CommitReceipt } from '../lake/series-contract.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { dedup } from '../stages/dedup.ts'
import { inRequest } from '../stages/in-request.ts'
import { validate } from '../stages/validate.ts'
import { BETWEEN_BUSY, isBetweenBusy, startsLate } from './busy-neighbours.ts'
import { Intake } from './intake.ts'
import { assertTickerKnown } from './known-ticker.ts'
import { LateRecheck } from './late-recheck.ts'
import { LateWatch } from './late-watch.ts'
import type { SessionRange } from './range.ts'
import { claimLake, NOT_ENTITLED, stillWanted, type RecordContext } from './record-context.ts'
import { pour, run } from './run.ts'
import { urgencyOf } from './urgency.ts'
import type { ItemResult, WorkItem } from './work-item.ts'

/** Asks for sessions once more; `from`: a session before them that is asked for as well, and not recorded. */
type Refetch = (wanted: readonly string[], from?: string) => Promise<void>

/** Rows that sessions held, by session. */
type Settled = ReadonlyMap<string, number>

/** Late starts of one answer that are asked about: halts are rare. */
const MOST_LATE_STARTS = 8

/** One work item on its way into the lake. */
export class Recording {
  readonly #item: WorkItem
  readonly #context: RecordContext
  readonly #intake: Intake
  readonly #late: LateWatch
  #recheck!: LateRecheck
  /** Sessions that the plan does not cover. */
  readonly #uncovered = new Set<string>()
  /** That what the source says may enter the lake; asked with the first answer. */
  #claim: Promise<void> | undefined

  constructor(item: WorkItem, context: RecordContext) {
    this.#item = item
    this.#context = context
    const { series, runId } = context.writer.options
    this.#intake = new Intake(series.dataset, item.sessions, runId)
    this.#late = new LateWatch(context)
  }

  /** Commits the rows together with a verdict on every session. @throws see recordItem */
  async record(): Promise<ItemResult> {
    this.#recheck = await LateRecheck.open(this.#context, this.#item.sessions)
    try {
      return await this.#record()
    } finally {
      await this.#recheck.close()
    }
  }

  async #record(): Promise<ItemResult> {
    const { sessions } = this.#item
    const sink = this.#context.writer.openSink(sessions)
    let commitMs: number | undefined
    let settled: Settled = new Map()
    const receipt = await run({
      batches: this.#fetch(this.#item),
      stage: this.#refine(sessions),
      sink,
      onWritten: this.#intake.keep,
      settle: async () => {
        const refetch = async (wanted: readonly string[], from = wanted[0]!): Promise<void> => {
          const range = { from, to: wanted.at(-1)! }
          const stage = this.#refine(wanted, range)
          await pour({ stage, sink, onWritten: this.#intake.keep }, this.#fetch(range))
        }
        await this.#askAboutSilence(refetch)
        await this.#askAboutLateStarts(refetch)
        settled = this.#settledBefore()
        return await this.#verdicts()
      },
      permit: () => this.#claimLake(),
      onCommit: (ms) => (commitMs = ms),
    })
    const { totalRefused: refused, duplicates } = this.#intake
    const timing = commitMs === undefined ? {} : { commitMs }
    const { merged, quarantined, restated } = await this.#late.settle()
    return {
      ...{ rows: this.#rowsHeld(receipt), refused, duplicates: duplicates.total },
      late: {
        merged: merged + this.#mergedAnew(receipt, settled),
        quarantined: quarantined + this.#recheck.added,
      },
      restated: [...receipt.restated, ...restated],
      ...timing,
    }
  }

  /** Rows that sessions lacked which were settled before: asked for anew, they came late as well. */
  #mergedAnew({ restated, cells }: CommitReceipt, settled: Settled): number {
    const added = restated.map(({ date, added }) => (settled.has(date) ? added : 0))
    const found = [...settled].map(([date, rows]) => (rows === 0 ? (cells.get(date)?.rows ?? 0) : 0))
    return [...added, ...found].reduce((sum, rows) => sum + rows, 0)
  }

  #rowsHeld({ cells }: CommitReceipt): number {
    const loud = this.#item.sessions.filter((date) => this.#intake.kept(date) > 0)
    return loud.reduce((sum, date) => sum + (cells.get(date)?.rows ?? 0), 0)
  }

  async *#fetch({ from, to }: SessionRange): AsyncGenerator<Batch> {
    const { source, writer, today, signal } = this.#context
    const { series } = writer.options
    const priority = urgencyOf(series.dataset, to, today)
    for await (const batch of source.read({ ...series, from, to, priority }, signal)) {
      // The disk has its answer ready by the time that the first rows are refined; more are not taken without it.
      if (this.#claim) await this.#claim
      else void this.#claimLake()
      yield batch
    }
  }

  #claimLake(): Promise<void> {
    if (!this.#claim) {
      this.#claim = claimLake(this.#context)
      this.#claim.catch(() => undefined) // whoever waits for it hears of it
    }
    return this.#claim
  }

  /** Lets the good rows of `wanted` pass, each once. */
  #refine(wanted: readonly string[], { from, to }: SessionRange = this.#item): Stage {
    const { dataset, ticker } = this.#context.writer.options.series
    const intake = this.#intake
    const sessions = new Set(wanted)
    const onRefused = intake.refuse(sessions)
    return compose(
      validate(dataset, { ticker, onRefused }),
      inRequest(dataset, {
        ...{ from, to, wanted: sessions, onRefused },
        onPassing: (rows) => this.#late.pass(rows),
      }),
      dedup(dataset, { onDuplicate: intake.duplicates.drop }),
      this.#recheck.stage(intake.keep), // they came, although the sink does not see them
    )
  }

  /** Sessions without a row: refetches what may have been cut off, and finds out what the plan covers. */
  async #askAboutSilence(refetch: Refetch): Promise<void> {
    const { judge, writer } = this.#context
    const { sessions } = this.#item
    for (const date of sessions) if (this.#intake.kept(date) > 0) judge.noteCovered(date)
    const silent = this.#intake.silent(sessions)
    if (silent.length === 0) return
    if (silent.length === sessions.length) await assertTickerKnown(this.#item.to, this.#context)
    if (writer.options.series.dataset.eventKind === 'date') return // to have none is the rule
    const lead = leadOf(sessions, silent)
    if (lead.length > 0 && !judge.isCovered(lead[0]!)) {
      if (lead.length < sessions.length) await this.#refetchLead(lead, refetch)
      await this.#judgeCoverage(this.#intake.silent(lead))
    }
    await this.#refetchSuspicious(refetch)
  }

  async #refetchLead(lead: readonly string[], refetch: Refetch): Promise<void> {
    try {
      await refetch(lead)
    } catch (error) {
      if (!(error instanceof EntitlementError)) throw error
      this.#context.judge.noteRefused(lead.at(-1)!)
    }
  }

  /** Some of the silence before the first row may be the plan's: its history begins later. */
  async #judgeCoverage(silent: readonly string[]): Promise<void> {
    const { judge, signal } = this.#context
    const refused = await judge.countRefused(silent, signal)
    for (const date of silent.slice(0, refused)) this.#uncovered.add(date)
  }

  /**
   * Suspicious sessions are asked for once more, those at the end by themselves and with the session before them:
   * an answer that was cut off ends in the middle of one. Goes on for as long as each round brings sessions.
   */
  async #refetchSuspicious(refetch: Refetch): Promise<void> {
    const last = this.#item.sessions.at(-1)!
    let wasCutOff = false
    for (let before = Infinity; ;) {
      const silent = await this.#suspicious()
      if (silent.length === 0 || silent.length >= before) break
      before = silent.length
      const tail = tailOf(this.#item.sessions, silent)
      wasCutOff ||= tail.length > 0
      await this.#askAgain(silent.slice(0, silent.length - tail.length), refetch)
      await this.#askAgain(tail, refetch)
    }
    if (wasCutOff && this.#intake.kept(last) > 0) await this.#askAgain([last], refetch)
  }

  async #askAgain(silent: readonly string[], refetch: Refetch): Promise<void> {
    if (silent.length === 0) return
    try {
      await refetch(this.#withSessionBefore(silent))
    } catch (error) {
      if (!(error instanceof EntitlementError)) throw error // then they stay as they are
    }
  }

  /**
   * Sessions that begin long after the open although much traded then: the answer may have been cut within them. Each is
   * asked for once more with the session before it, so that a cut would fall there.
   */
  async #askAboutLateStarts(refetch: Refetch): Promise<void> {
    const { dataset } = this.#context.writer.options.series
    const late = this.#item.sessions.filter((date) => {
      const [rows, firstUs] = [this.#intake.kept(date), this.#intake.firstEvent(date)]
      return rows > 0 && startsLate(dataset, date, { rows, firstUs })
    })
    for (const date of late.slice(0, MOST_LATE_STARTS)) {
      const calendar = calendarOf(dataset.calendar)
      const before = date > calendar.firstDate ? calendar.previous(date).date : date
      this.#intake.forgetRefused(date)
      try {
        await refetch([date], before)
      } catch (error) {
        if (!(error instanceof EntitlementError)) throw error // then it stays as it is
      }
    }
  }

  async #suspicious(): Promise<string[]> {
    const { judge, signal } = this.#context
    const suspicious: string[] = []
    for (const date of this.#intake.silent(this.#item.sessions)) {
      if (!this.#uncovered.has(date) && (await judge.isSuspicious(date, signal))) suspicious.push(date)
    }
    return suspicious
  }

  #withSessionBefore(silent: readonly string[]): readonly string[] {
    const { sessions } = this.#item
    const before = sessions[sessions.indexOf(silent[0]!) - 1]
    if (before === undefined || this.#uncovered.has(before)) return silent
    this.#intake.forgetRefused(before)
    return [before, ...silent]
  }

  /** Sessions of which the lake said that it has all there is, and takes what it lacks, however late. */
  #settledBefore(): Settled {
    const { cells } = this.#context.writer.ledger
    const settled = this.#item.sessions.filter(
      (date) => isSettled(cells[date]) && !this.#recheck.isTooLate(date),
    )
    return new Map(settled.map((date) => [date, cells[date]!.rows]))
  }

  async #verdicts(): Promise<ReadonlyMap<string, CellVerdict>> {
    const verdicts = new Map<string, CellVerdict>(stillWanted(this.#context))
    for (const date of this.#item.sessions) {
      const refused = [...this.#intake.refused(date), ...this.#recheck.rowsOf(date)]
      const duplicates = this.#intake.duplicates.of(date)
      verdicts.set(date, { ...(await this.#verdict(date)), refused, duplicates })
    }
    return verdicts
  }

  async #verdict(date: string): Promise<CellVerdict> {
    const { judge, signal, source } = this.#context
    const refused = this.#intake.refused(date)
    if (this.#intake.kept(date) > 0) {
      const unchanged = this.#recheck.unchanged(date)
      if (unchanged) return unchanged
      const refusal = refused.length > 0 ? `; ${refused.length} rows refused, in quarantine` : ''
      return { state: 'complete', reason: `recorded from ${source.name}${refusal}` }
    }
    if (refused.length > 0) {
      const rules = [...new Set(refused.map(({ rule }) => rule))].join(', ')
      return { state: 'quarantined', reason: `all ${refused.length} rows were refused: ${rules}` }
    }
    if (this.#uncovered.has(date)) return NOT_ENTITLED
    const verdict = await judge.verdict(date, signal)
    const isDoubtful = verdict.state === 'empty' && this.#isBetweenBusy(date)
    return isDoubtful ? { state: 'missing', reason: BETWEEN_BUSY } : verdict
  }

  #isBetweenBusy(date: string): boolean {
    const { options, ledger } = this.#context.writer
    const rowsOf = (one: string): number => this.#intake.kept(one) || (ledger.cells[one]?.rows ?? 0)
    return isBetweenBusy(options.series.dataset, date, rowsOf)
  }
}

/** The silent sessions before the first one that is not. */
function leadOf(sessions: readonly string[], silent: readonly string[]): string[] {
  const quiet = new Set(silent)
  const firstLoud = sessions.findIndex((date) => !quiet.has(date))
  return sessions.slice(0, firstLoud < 0 ? sessions.length : firstLoud)
}

/** The silent sessions after the last one that is not. */
function tailOf(sessions: readonly string[], silent: readonly string[]): readonly string[] {
  const lastLoud = sessions.findLast((date) => !silent.includes(date))
  return silent.filter((date) => lastLoud === undefined || date > lastLoud)
}
