import type { Batch } from '../core/batch.ts'
import { compose, type Stage } from '../core/flow.ts'
import { EntitlementError, messageOf, UsageError, VendorError, AuthenticationError } from '../core/errors.ts'
import { claimProvenance } from '../lake/stamp.ts'
import type { CellVerdict, CommitReceipt } from '../lake/series-contract.ts'
import type { SeriesWriter } from '../lake/series-writer.ts'
import type { HistorySource } from '../sources/history.ts'
import { dedup } from '../stages/dedup.ts'
import { inRequest } from '../stages/in-request.ts'
import { validate } from '../stages/validate.ts'
import { Intake } from './intake.ts'
import type { WorkItem } from './work-item.ts'
import type { SessionRange } from './range.ts'
import { pour, run } from './run.ts'
import type { SilenceJudge } from './silence.ts'

/** What recording needs besides the item itself. */
export interface RecordContext {
  readonly writer: SeriesWriter
  readonly source: HistorySource
  readonly judge: SilenceJudge
  readonly signal: AbortSignal
}

/** What became of a work item. */
export interface ItemResult {
  readonly receipt: CommitReceipt
  /** Rows that came and passed the rules. */
  readonly rows: number
  readonly refused: number
  readonly duplicates: number
  /** The failure that ended it, where it could not be recorded. */
  readonly failure?: VendorError
}

/**
 * Records one work item: fetches it, refines it, commits it, and settles every session of it with a reason.
 * Vendor failures end in the ledger as `failed` or `not_entitled`; they are not thrown.
 *
 * @throws {AuthenticationError} the key is refused: no other request would fare better
 * @throws {UsageError} the vendor does not know the ticker
 * @throws what the disk, the lake or an abort throws
 */
export async function recordItem(item: WorkItem, context: RecordContext): Promise<ItemResult> {
  if (context.judge.refuses(item.to)) return await settleAll(item, context, NOT_ENTITLED)
  try {
    return await new Recording(item, context).record()
  } catch (error) {
    if (error instanceof EntitlementError) return await settleRefusal(item, context, error)
    if (error instanceof AuthenticationError || !(error instanceof VendorError)) throw error
    const result = await settleAll(item, context, {
      state: 'failed',
      reason: `${error.category}: ${messageOf(error)}`,
    })
    return { ...result, failure: error }
  }
}

const NOT_ENTITLED: CellVerdict = {
  state: 'not_entitled',
  reason: "the plan's history does not reach back to this session",
}

async function settleAll(
  item: WorkItem,
  { writer }: RecordContext,
  verdict: CellVerdict,
): Promise<ItemResult> {
  const receipt = await writer.settle(new Map(item.sessions.map((date) => [date, verdict])))
  return { receipt, rows: 0, refused: 0, duplicates: 0 }
}

/** The vendor serves a finished session of today only later on some plans; all else stays refused. */
async function settleRefusal(
  item: WorkItem,
  context: RecordContext,
  error: EntitlementError,
): Promise<ItemResult> {
  const words = error.vendorMessage ?? messageOf(error)
  const newest = item.sessions.at(-1)!
  if (!/today's data|end of day/i.test(words)) {
    context.judge.noteRefused(item.to)
    return await settleAll(item, context, { state: 'not_entitled', reason: words })
  }
  const pending: CellVerdict = { state: 'pending', reason: `the vendor does not serve it yet: ${words}` }
  const today = await context.writer.settle(new Map([[newest, pending]]))
  const earlier = item.sessions.slice(0, -1)
  if (earlier.length === 0) return { receipt: today, rows: 0, refused: 0, duplicates: 0 }
  return await recordItem({ from: item.from, to: earlier.at(-1)!, sessions: earlier }, context)
}

class Recording {
  readonly #item: WorkItem
  readonly #context: RecordContext
  readonly #intake: Intake
  readonly #stage: Stage
  /** Sessions that the plan does not cover. */
  readonly #uncovered = new Set<string>()

  constructor(item: WorkItem, context: RecordContext) {
    this.#item = item
    this.#context = context
    const { series, runId } = context.writer.options
    const intake = new Intake(series.dataset, item.sessions, runId)
    this.#intake = intake
    this.#stage = compose(
      validate(series.dataset, { ticker: series.ticker, onRefused: intake.refuse }),
      inRequest(series.dataset, { ...item, wanted: new Set(item.sessions), onRefused: intake.refuse }),
      dedup(series.dataset, { onDuplicate: (count) => (intake.duplicates += count) }),
    )
  }

  async record(): Promise<ItemResult> {
    const { writer } = this.#context
    const sink = writer.openSink(this.#item.sessions)
    const receipt = await run({
      batches: this.#fetch(this.#item),
      stage: this.#stage,
      sink,
      onWritten: this.#intake.keep,
      settle: async () => {
        await this.#askAboutSilence((range) =>
          pour({ stage: this.#stage, sink, onWritten: this.#intake.keep }, this.#fetch(range)),
        )
        return await this.#verdicts()
      },
    })
    const { totalKept: rows, totalRefused: refused, duplicates } = this.#intake
    return { receipt, rows, refused, duplicates }
  }

  async *#fetch({ from, to }: SessionRange): AsyncGenerator<Batch> {
    const { source, writer, signal } = this.#context
    const { series, root } = writer.options
    let claimed = false
    for await (const batch of source.read({ ...series, from, to }, signal)) {
      if (!claimed) await claimProvenance(root, source.provenance ?? 'real')
      claimed = true
      yield batch
    }
  }

  /** Sessions without a row: refetches what may have been cut off, and finds out what the plan covers. */
  async #askAboutSilence(refetch: (range: SessionRange) => Promise<void>): Promise<void> {
    const { judge, signal } = this.#context
    const { sessions } = this.#item
    for (const date of sessions) if (this.#intake.kept(date) > 0) judge.noteCovered(date)
    const silent = this.#intake.silent(sessions)
    if (silent.length === 0) return
    if (silent.length === sessions.length) await this.#assertTickerKnown()
    if (this.#isEventual()) return
    const lead = leadOf(sessions, silent)
    if (lead.length > 0 && !judge.isCovered(lead[0]!)) {
      if (lead.length < sessions.length) await this.#refetchLead(lead, refetch)
      await this.#judgeCoverage(this.#intake.silent(lead), signal)
    }
    await this.#refetchTraded(refetch)
  }

  /** Corporate actions are rare: a session without one is the rule and needs no questions. */
  #isEventual(): boolean {
    return this.#context.writer.options.series.dataset.eventKind === 'date'
  }

  async #refetchLead(
    lead: readonly string[],
    refetch: (range: SessionRange) => Promise<void>,
  ): Promise<void> {
    try {
      await refetch({ from: lead[0]!, to: lead.at(-1)! })
    } catch (error) {
      if (!(error instanceof EntitlementError)) throw error
      this.#context.judge.noteRefused(lead.at(-1)!)
    }
  }

  /** If the plan refuses the oldest silent session by itself, the silence before the first row is the plan's. */
  async #judgeCoverage(silent: readonly string[], signal: AbortSignal): Promise<void> {
    const { judge } = this.#context
    const oldest = silent[0]
    if (oldest === undefined || judge.isCovered(oldest)) return
    const refused = judge.refuses(oldest) || !(await judge.asksAlone(oldest, signal))
    if (!refused) return
    judge.noteRefused(silent.at(-1)!)
    for (const date of silent) this.#uncovered.add(date)
  }

  /** Sessions that traded by the daily bars but brought no row are asked for once more. */
  async #refetchTraded(refetch: (range: SessionRange) => Promise<void>): Promise<void> {
    const { judge, signal } = this.#context
    const traded: string[] = []
    for (const date of this.#intake.silent(this.#item.sessions)) {
      if (this.#uncovered.has(date)) continue
      if ((await judge.verdict(date, signal)).state === 'missing') traded.push(date)
    }
    if (traded.length === 0) return
    try {
      await refetch({ from: traded[0]!, to: traded.at(-1)! })
    } catch (error) {
      if (!(error instanceof EntitlementError)) throw error // then they stay missing
    }
  }

  async #assertTickerKnown(): Promise<void> {
    const { source, writer, signal } = this.#context
    const { ticker } = writer.options.series
    if (Object.keys(writer.ledger.cells).length > 0) return
    const known = await source.knowsTicker(ticker, this.#item.to, signal).catch((error: unknown) => {
      if (error instanceof VendorError && !(error instanceof AuthenticationError)) return true // cannot tell
      throw error
    })
    if (known) return
    throw new UsageError(`unknown ticker '${ticker}': the vendor does not know it on ${this.#item.to}`, {
      hint: 'Tickers are written as the exchange lists them: SPY, BRK.B, I:VIX.',
    })
  }

  async #verdicts(): Promise<ReadonlyMap<string, CellVerdict>> {
    const verdicts = new Map<string, CellVerdict>()
    for (const date of this.#item.sessions) verdicts.set(date, await this.#verdict(date))
    return verdicts
  }

  async #verdict(date: string): Promise<CellVerdict> {
    const { judge, signal, source } = this.#context
    const refused = this.#intake.refused(date)
    const kept = this.#intake.kept(date)
    if (kept > 0) {
      const refusal = refused.length > 0 ? `; ${refused.length} rows refused, in quarantine` : ''
      return { state: 'complete', reason: `recorded from ${source.name}${refusal}`, refused }
    }
    if (refused.length > 0) {
      const rules = [...new Set(refused.map(({ rule }) => rule))].join(', ')
      return { state: 'quarantined', reason: `all ${refused.length} rows were refused: ${rules}`, refused }
    }
    if (this.#uncovered.has(date)) return { ...NOT_ENTITLED, refused }
    if (this.#isEventual()) return { state: 'empty', reason: 'none on this date', refused }
    return { ...(await judge.verdict(date, signal)), refused }
  }
}

/** The silent sessions before the first one that is not. */
function leadOf(sessions: readonly string[], silent: readonly string[]): string[] {
  const quiet = new Set(silent)
  const firstLoud = sessions.findIndex((date) => !quiet.has(date))
  return sessions.slice(0, firstLoud < 0 ? sessions.length : firstLoud)
}
