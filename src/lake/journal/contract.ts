import type { PipelineError } from '../../core/errors.ts'
import type { JournalFile } from './files.ts'

export interface JournalOptions {
  /** Where the journals of one cluster are; see {@link journalFolder}. Made if it is missing. */
  readonly folder: string
  /** What is received becomes durable after this time at the latest, ms; default 200. It is the loss bound. */
  readonly fsyncEveryMs?: number
  /** A file that has grown beyond this is followed by another, bytes; default 256 MiB. */
  readonly maxFileBytes?: number
  /** With more than this waiting for the disk, `append` asks the caller to wait, bytes; default 16 MiB. */
  readonly maxPendingBytes?: number
  /** Called once when the disk refuses: nothing that was not durable by then has been received. */
  readonly onFailure?: (error: PipelineError) => void
}

/** Files that were closed by {@link Journal.cut}. */
export interface JournalCut {
  /** Every file not yet discarded that holds only records appended before the cut, oldest first. */
  readonly paths: readonly string[]
  /** Deletes them. Only for a caller who knows that the lake holds their rows. */
  discard(): Promise<void>
}

/**
 * An append-only journal of what was received, on the disk before it counts. Records are gathered and written
 * with one fsync for all (group commit).
 */
export interface Journal {
  /** Journals that were there when this one was opened: a recorder died, or could not commit. Oldest first. */
  readonly found: readonly JournalFile[]
  /**
   * Appends a record. It counts as received once {@link durable}, called after it, resolves.
   *
   * @param kind 1–255, see {@link RECORD_KIND}
   * @param receivedMs ms since the Unix epoch, UTC
   * @returns false when so much waits for the disk that the caller should await `durable()` before going on
   * @throws {DiskError} what the disk refused earlier: the journal is of no use any more
   */
  append(kind: number, receivedMs: number, payload: Buffer): boolean
  /**
   * Resolves when everything appended so far is on the disk: `fsyncEveryMs` after the first of it at the latest.
   *
   * @throws {DiskError} when the disk refused some of it
   */
  durable(): Promise<void>
  /** The same at once, without waiting for the interval. */
  sync(): Promise<void>
  /** Makes everything durable and goes on in a new file; see {@link JournalCut}. */
  cut(): Promise<JournalCut>
  stats(): JournalStats
  /** Makes everything durable and ends. Files not discarded stay for the next start. */
  close(): Promise<void>
}

export interface JournalStats {
  readonly records: number
  /** Bytes handed to `append`, with record headers. */
  readonly bytes: number
  readonly fsyncs: number
  /** Bytes that are not on the disk yet. */
  readonly pendingBytes: number
  /** Files not yet discarded, those found at the start not counted. */
  readonly files: number
}
