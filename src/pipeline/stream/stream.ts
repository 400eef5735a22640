import { journalFolder, openJournal } from '../../lake/journal/index.ts'
import { messageOf } from '../../core/errors.ts'
import { calendarOf } from '../../market/calendar/index.ts'
import type { StreamOptions, StreamSummary } from './contract.ts'
import { sessionToRecord, waitForOpen } from './hours.ts'
import { LiveRun } from './live-run.ts'

/**
 * Records one live session: frames go into the journal, then into the book, from there into the lake by size and
 * time; what was not received is fetched over REST; at the end the session is compared with REST and settled.
 * What an earlier run left in the journal comes first.
 *
 * Ends with the session, when `graceful` aborts, or when the feed cannot go on.
 *
 * @throws {LockedError} when another process records this cluster into the same data directory
 * @throws {DiskError} when the journal cannot be opened
 * @throws as soon as `immediate` aborts; the journal keeps what was received
 */
export async function streamSession(options: StreamOptions): Promise<StreamSummary> {
  const { lake, cluster, times, immediate } = options
  const journal = await openJournal(
    { folder: journalFolder(lake.root, cluster), fsyncEveryMs: times.fsyncMs },
    immediate,
  )
  const run = new LiveRun(options, journal)
  try {
    await run.recover()
    return await record(run, options)
  } finally {
    await journal.close().catch((error: unknown) => options.hooks?.onProblem?.('journal', error))
  }
}

async function record(run: LiveRun, options: StreamOptions): Promise<StreamSummary> {
  const { channels, date, ignoreHours, now, hooks, graceful, immediate } = options
  if (ignoreHours) return await run.record(undefined)
  const today = sessionToRecord(calendarOf(channels[0]!.dataset.calendar), now(), date)
  if ('closed' in today)
    return await run.finish('closed', `${today.closed}; the next session is ${today.next.date}`)
  const { session } = today
  const patience = AbortSignal.any([graceful, immediate])
  try {
    await waitForOpen(session, now, (waitMs) => hooks?.onWaiting?.({ session, waitMs }), patience)
  } catch (error) {
    if (!graceful.aborted || immediate.aborted) throw error
    return await run.finish('interrupted', `stopped before the open: ${messageOf(error)}`)
  }
  return await run.record(session)
}
