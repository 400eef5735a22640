import { UsageError } from '../core/errors.ts'
import { collect, compose } from '../core/flow.ts'
import type { Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { dedupLastWins } from '../core/sort.ts'
import { heldRows } from '../lake/held-rows.ts'
import { SeriesWriter } from '../lake/series-writer.ts'
import type { SegmentSettings } from '../lake/stage-segment.ts'
import { claimProvenance } from '../lake/stamp.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { optionChain } from '../market/datasets/option-chain.ts'
import { newYorkDate } from '../market/time.ts'
import type { Underlying } from '../market/underlyings.ts'
import type { OptionSource } from '../sources/options.ts'
import { optionSymbols } from '../stages/option-symbols.ts'
import { validate } from '../stages/validate.ts'
import { Intake } from './intake.ts'

export interface SnapshotOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly source: OptionSource
  readonly nowMs: number
  /** How long to wait for another writer, in milliseconds. */
  readonly lockWaitMs: number
  readonly onMended?: (note: string) => void
}

/** One recorded snapshot. */
export interface SnapshotResult {
  readonly underlying: string
  /** Session that it belongs to, `YYYY-MM-DD`. */
  readonly sessionDate: string
  /** UTC epoch milliseconds; the `snapshot_time` of all its rows. */
  readonly snapshotMs: number
  readonly contracts: number
  /** Contracts with an implied volatility, with a quote, with a trade in the session. */
  readonly withVolatility: number
  readonly withQuote: number
  readonly traded: number
  /** Rows that broke a rule; they are in quarantine. */
  readonly refused: number
}

/**
 * Records the chain of an underlying as it is now, beside the snapshots that the session has already. All or
 * nothing: a page that does not come leaves the lake as it was.
 *
 * @throws {UsageError} when the vendor lists no contract
 * @throws {VendorError} when any page does not come
 */
export async function snapshotChain(
  underlying: Underlying,
  options: SnapshotOptions,
  signal: AbortSignal,
): Promise<SnapshotResult> {
  const { root, source, nowMs, onMended } = options
  const writer = await SeriesWriter.open(
    {
      ...options,
      series: { dataset: optionChain, ticker: underlying.symbol },
      provenance: () => source.provenance ?? 'real',
      waitMs: options.lockWaitMs,
      purpose: `snapshot of the ${underlying.symbol} chain`,
      ...(onMended ? { onMended } : {}),
    },
    signal,
  )
  try {
    const sessionDate = sessionDateAt(underlying, nowMs)
    const intake = new Intake(optionChain, [sessionDate], options.runId)
    const batch = await fetchChain(underlying, sessionDate, options, intake, signal)
    await claimProvenance(root, source.provenance ?? 'real')
    await addToSession(writer, sessionDate, batch, intake)
    return describe(underlying, sessionDate, nowMs, batch, intake)
  } finally {
    await writer.close()
  }
}

/**
 * The session under way, else the last one: a chain asked for at night shows how that ended. Only options on indices
 * trade at night, for the date that follows; all others from the open of the stock exchanges on.
 */
function sessionDateAt({ isIndex }: Underlying, nowMs: number): string {
  const calendar = calendarOf(optionChain.calendar)
  if (isIndex) return (calendar.at(nowMs) ?? calendar.lastFinished(nowMs)).date
  const today = newYorkDate(nowMs)
  const session = calendar.on(today)
  return session && nowMs >= session.openMs ? today : calendar.previous(today).date
}

async function fetchChain(
  underlying: Underlying,
  sessionDate: string,
  { source, nowMs: snapshotMs }: SnapshotOptions,
  intake: Intake,
  signal: AbortSignal,
): Promise<Batch> {
  const onRefused = intake.refuse(new Set([sessionDate]))
  const stage = compose(
    validate(optionChain, { ticker: underlying.symbol, onRefused }),
    optionSymbols(onRefused),
  )
  const batches = await collect(stage(source.chain({ underlying, snapshotMs, sessionDate }, signal)))
  if (batches.length > 0) return dedupLastWins(concatBatches(batches), optionChain.key)
  throw new UsageError(`the vendor lists no options on '${underlying.symbol}'`, {
    hint: 'Underlyings are written as the exchange lists them: SPY, BRK.B, SPX (or I:SPX).',
  })
}

async function addToSession(
  writer: SeriesWriter,
  sessionDate: string,
  batch: Batch,
  intake: Intake,
): Promise<void> {
  const sink = writer.openSink([sessionDate])
  try {
    for await (const held of heldRows(writer, sessionDate)) await sink.write(held)
    await sink.write(batch)
    const reason = 'snapshots of the chain recorded'
    const refused = intake.refused(sessionDate)
    await sink.commit(new Map([[sessionDate, { state: 'complete', reason, refused }]]))
  } catch (error) {
    await sink.abort()
    throw error
  }
}

function describe(
  { symbol }: Underlying,
  sessionDate: string,
  snapshotMs: number,
  batch: Batch,
  intake: Intake,
): SnapshotResult {
  const known = (column: string): number =>
    (batch.columns[column] as Float64Array).reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : 1), 0)
  return {
    underlying: symbol,
    sessionDate,
    snapshotMs,
    contracts: batch.length,
    withVolatility: known('implied_volatility'),
    withQuote: known('bid'),
    traded: known('day_volume'),
    refused: intake.refused(sessionDate).length,
  }
}
