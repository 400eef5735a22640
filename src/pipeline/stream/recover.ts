import { discardJournals, readJournal, RECORD_KIND, type Journal } from '../../lake/journal/index.ts'
import type { StreamVendor } from './contract.ts'
import type { SessionBook } from './session-book.ts'

/** Rows gathered before they are taken into the book. */
const ROWS_AT_ONCE = 50_000

/** What was found in the journals of an earlier run. */
export interface Recovered {
  readonly rows: number
  /** Bytes that could not be read: what was being written when the run died. */
  readonly lostBytes: number
  /** Deletes them; only when the lake holds their rows. */
  discard(): Promise<void>
}

/**
 * Takes what an earlier run had received, but perhaps not committed, into `book`. The same rows twice do no harm.
 *
 * @throws {DiskError} when a journal cannot be read
 */
export async function recoverJournals(
  { found }: Journal,
  book: SessionBook,
  vendor: StreamVendor,
): Promise<Recovered> {
  const parser = vendor.createParser()
  let rows = 0
  let lostBytes = 0
  const take = async (): Promise<void> => {
    for (const { dataset, batch, receivedMs } of parser.take().rows) {
      rows += batch.length
      await book.take(dataset, batch, receivedMs)
    }
  }
  for (const { path } of found) {
    const records = readJournal(path, { onTail: (tail) => (lostBytes += tail.lostBytes) })
    for await (const { kind, payload, receivedMs } of records) {
      if (kind === RECORD_KIND.frame) parser.add(payload, receivedMs)
      if (parser.rows >= ROWS_AT_ONCE) await take()
    }
    await take()
  }
  return { rows, lostBytes, discard: () => discardJournals(found.map(({ path }) => path)) }
}
