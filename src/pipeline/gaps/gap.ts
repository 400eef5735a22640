import type { ParquetEngine } from '../../lake/engine.ts'
import type { SeriesId } from '../../lake/layout.ts'
import type { CellState } from '../../lake/ledger.ts'
import type { SeriesView } from '../../lake/series-store.ts'

/** Why something is not there. */
export type GapReason =
  /** Nothing traded: supported by evidence. */
  | 'no_trade'
  /** Nobody asked for it, or the run was cut off. */
  | 'missing'
  /** The vendor was asked and does not have it, although there are signs of trading. */
  | 'vendor_missing'
  /** The vendor has not published it yet, or the session has not ended. */
  | 'not_published'
  | 'not_entitled'
  | 'failed'
  /** Rows came and were refused; they are in quarantine. */
  | 'quarantined'
  /** Recorded once and gone, or too much traded around it to be true. */
  | 'suspected'
  /** Rows that have no business where they are. */
  | 'wrong_ticker'
  | 'wrong_day'

/** Reasons that the state of a cell stands for; undefined for `complete`. */
export const STATE_REASONS: Readonly<Partial<Record<CellState, GapReason>>> = {
  empty: 'no_trade',
  missing: 'vendor_missing',
  pending: 'not_published',
  failed: 'failed',
  not_entitled: 'not_entitled',
  quarantined: 'quarantined',
}

/** Where in its session a gap lies; `rows`: rows too many, or too few where minutes tell nothing. */
export type GapKind = 'session' | 'start' | 'inside' | 'end' | 'rows'

/** Something that should be in the lake and is not, or is and should not. */
export interface Gap {
  readonly dataset: string
  readonly ticker: string
  /** `YYYY-MM-DD`. */
  readonly session: string
  /** [fromMs, toMs), UTC milliseconds. */
  readonly fromMs: number
  readonly toMs: number
  /** Minutes without rows; for `rows` the number of rows. */
  readonly minutes: number
  readonly reason: GapReason
  readonly kind: GapKind
  /** One sentence. */
  readonly detail: string
  /** The vendor was asked again and said the same: nothing more can be done. */
  readonly confirmed?: true
  /** Of options: the contract. */
  readonly contract?: string
}

export interface GapScanOptions {
  readonly root: string
  readonly engine: ParquetEngine
  /** How another series of the lake stands: its daily bars and trades are evidence. */
  readonly view: (series: SeriesId) => Promise<SeriesView>
  /** Sessions, both inclusive; default: from the first to the last one that the ledger knows. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** The present instant, UTC epoch milliseconds. */
  readonly nowMs: number
}

/** What the scan of one series found. */
export interface SeriesGaps {
  readonly dataset: string
  readonly ticker: string
  /** First and last session looked at, both inclusive. */
  readonly from: string
  readonly to: string
  readonly sessions: number
  /** Rows in the files, of these sessions. */
  readonly rows: number
  readonly gaps: readonly Gap[]
}

/** True for a gap of which nothing is known to lack: nothing traded, or it is not there yet. */
export const isQuiet = ({ reason }: Gap): boolean => reason === 'no_trade' || reason === 'not_published'

/** True for a gap that nobody need act on: quiet, or the vendor confirmed that it has nothing there. */
export const isExplained = (gap: Gap): boolean => isQuiet(gap) || gap.confirmed === true

/** True for a gap that asking the vendor again may close. */
export const isRepairable = (gap: Gap): boolean => !isExplained(gap) && gap.reason !== 'not_entitled'
