import type { CallPriority } from '../core/budget/contract.ts'
import type { Source } from '../core/flow.ts'
import type { DatasetDefinition } from '../market/dataset.ts'

/** A stretch of one series to be fetched in one go. */
export interface HistoryRequest {
  readonly dataset: DatasetDefinition
  readonly ticker: string
  /** First session, YYYY-MM-DD, inclusive. */
  readonly from: string
  /** Last session, YYYY-MM-DD, inclusive. */
  readonly to: string
  /** How urgent it is where the vendor's calls are scarce; default: what the source was opened with. */
  readonly priority?: CallPriority
}

/** Whether rows describe a real market or were made up by the simulator. */
export type Provenance = 'real' | 'synthetic'

/** How much one vendor request may cover; the planner packs sessions by it. */
export interface RequestLimits {
  /** Most base aggregates (or rows) in one page. */
  readonly pageRows: number
  /** Seconds of one base aggregate; undefined: rows are events, one session is one request. */
  readonly baseSeconds: number | undefined
  /** True when any range fits one request (corporate actions). */
  readonly anyRange: boolean
}

/** Where recorded history comes from. Batches arrive page by page, in the vendor's order. */
export interface HistorySource extends Source<HistoryRequest> {
  limits(dataset: DatasetDefinition): RequestLimits
  /** Vendor requests sent so far, retries included. */
  readonly calls: number
  /** Known after the first answer. */
  readonly provenance: Provenance | undefined
  /** Whether the vendor knows `ticker` on `date`. */
  knowsTicker(ticker: string, date: string, signal: AbortSignal): Promise<boolean>
  close(): Promise<void>
}
