import type { LateOptions, TakesLate } from '../lake/late-rows.ts'
import { WANTED, type CellVerdict } from '../lake/series-contract.ts'
import type { SeriesWriter } from '../lake/series-writer.ts'
import { claimProvenance } from '../lake/stamp.ts'
import type { HistorySource } from '../sources/history.ts'
import type { SilenceJudge } from './silence.ts'

/** What recording needs besides the item itself. */
export interface RecordContext {
  readonly writer: SeriesWriter
  readonly source: HistorySource
  readonly judge: SilenceJudge
  /** The newest session of the run, `YYYY-MM-DD`. */
  readonly newest: string
  /** Today's date in New York. */
  readonly today: string
  readonly signal: AbortSignal
  /** Every session that the run is to record of the series, this item's or not. */
  readonly wanted?: readonly string[]
  /**
   * What to do with rows of settled sessions that the lake lacks. Default: those that come along pass by, and a session
   * that is asked for anew takes them.
   */
  readonly late?: LateOptions
  /** Sessions that are asked for anew become what the vendor has now, however late; default: they do not. */
  readonly takesLate?: TakesLate
}

export const NOT_ENTITLED: CellVerdict = {
  state: 'not_entitled',
  reason: "the plan's history does not reach back to this session",
}

/**
 * A verdict on each session that the run is still to come to and that the ledger does not know: with the first commit
 * of a run the ledger tells all that it is meant to hold, so that a run that is stopped leaves holes, not silence.
 */
export const stillWanted = ({ wanted = [], writer }: RecordContext): readonly [string, CellVerdict][] =>
  wanted
    .filter((date) => writer.ledger.cells[date] === undefined)
    .map((date) => [date, { state: 'missing', reason: WANTED }])

/**
 * Makes sure that what the source says may enter the lake; verdicts count like rows.
 *
 * @throws {LakeMismatchError} when the lake holds data of the other kind
 */
export async function claimLake({ source, writer }: RecordContext): Promise<void> {
  if (source.provenance) await claimProvenance(writer.options.root, source.provenance)
}
