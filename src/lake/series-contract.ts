import type { Ledger, Cell, CellState } from './ledger.ts'
import type { SeriesId } from './layout.ts'
import type { QuarantinedRow } from './quarantine.ts'
import type { DiffCounts } from './row-diff.ts'
import type { SegmentSettings, StagedSegment } from './stage-segment.ts'

/** What a run says about one session; the lake adds the rows. */
export interface CellVerdict {
  readonly state: CellState
  /** One sentence. */
  readonly reason: string
  /** Rows refused on the way; they replace what the quarantine held of the cell. */
  readonly refused?: readonly QuarantinedRow[]
  /** Rows that came more than once. */
  readonly duplicates?: number
}
/** Verdicts by session date. */
export type Settlement = ReadonlyMap<string, CellVerdict>

/** A session whose recorded rows gave way to others; they are kept as a version. */
export interface Restatement extends DiffCounts {
  readonly date: string
  readonly rowsBefore: number
  readonly rowsAfter: number
}

/** What a commit made true. */
export interface CommitReceipt {
  /** Cells of the settlement, as the ledger now has them. */
  readonly cells: ReadonlyMap<string, Cell>
  /** Rows and bytes in the segments that were written. */
  readonly rows: number
  readonly bytes: number
  /** Sessions whose recorded rows gave way to others. */
  readonly restated: readonly Restatement[]
}

/** Rows on their way into a commit. */
export interface ReceivedRows {
  readonly staged: readonly StagedSegment[]
  /** Sessions of which rows came; those that are in no staged segment brought what the lake holds already. */
  readonly sessions: ReadonlySet<string>
  readonly lost: readonly LostSession[]
}

/** A session whose rows turned out to be damaged in the lake and are given up. */
export interface LostSession {
  readonly date: string
  /** Where the damaged file is kept, relative to the data directory; undefined: it is gone. */
  readonly aside: string | undefined
}

/** `confirmed` of a cell of which the vendor, asked once more, confirmed to have nothing at all. */
export const ALL = '*'

/** Reason of a cell whose rows were given up. */
export const LOST = 'the segment was damaged on the disk; to be recorded again'

/**
 * Reason of a cell that a run means to record and has not come to yet. Whoever goes on after a stop learns from it how
 * far the run was to go; any other verdict stands above it.
 */
export const WANTED = 'not recorded yet: a run is to record it'

export const NO_ROWS: ReceivedRows = { staged: [], sessions: new Set(), lost: [] }

/** What a sink needs from the writer of its series. */
export interface SinkHost {
  readonly options: SegmentSettings & {
    readonly root: string
    readonly series: SeriesId
    readonly runId: string
    readonly provenance: () => 'real' | 'synthetic'
  }
  readonly ledger: Ledger
  /** Throws what ended this writer, if anything did: what lies under temporary names is then the next one's. */
  assertOpen(): void
  /** Runs `work` with no other commit of this series in between. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /**
   * Makes `received` and `settlement` the truth. Call it within `exclusively`.
   *
   * @param onCommitted called at the point of no return: from then on the staged files belong to the lake
   */
  commit(settlement: Settlement, received: ReceivedRows, onCommitted: () => void): Promise<CommitReceipt>
}
