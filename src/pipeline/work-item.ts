/** One vendor request to be made, pages included, and the sessions to be recorded from its answer. */
export interface WorkItem {
  /** First and last session asked for, both inclusive. */
  readonly from: string
  readonly to: string
  /** Sessions to record, ascending; sessions between them that are held already are not written again. */
  readonly sessions: readonly string[]
}
