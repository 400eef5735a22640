import type { VendorError } from '../core/errors.ts'
import type { Restatement } from '../lake/series-contract.ts'
/** One vendor request to be made, pages included, and the sessions to be recorded from its answer. */
export interface WorkItem {
  /** First and last session asked for, both inclusive. */
  readonly from: string
  readonly to: string
  /** Sessions to record, ascending; sessions between them that are held already are not written again. */
  readonly sessions: readonly string[]
}

/** What became of a work item. */
export interface ItemResult {
  /** Rows that the lake holds of the sessions that brought any. */
  readonly rows: number
  readonly refused: number
  readonly duplicates: number
  /** Sessions whose recorded rows gave way to others. */
  readonly restated: readonly Restatement[]
  /** How long the commit took, milliseconds, where there was one. */
  readonly commitMs?: number
  /** Rows of sessions held already that came late: merged into them, or too late and in quarantine. */
  readonly late?: { readonly merged: number; readonly quarantined: number }
  /** The failure that ended it, where it could not be recorded. */
  readonly failure?: VendorError
}
