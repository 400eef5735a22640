import { readFile } from 'node:fs/promises'
import { onTestFinished } from 'vitest'
import {
  listJournals,
  openJournal,
  readJournal,
  type Journal,
  type JournalOptions,
  type JournalRecord,
  type JournalTail,
} from '../../../src/lake/journal/index.ts'
import { testRoot } from '../../support/lake.ts'

export const never = () => new AbortController().signal

/** A journal in a folder of its own, closed after the test. */
export async function newJournal(
  options: Partial<JournalOptions> = {},
): Promise<{ journal: Journal; folder: string }> {
  const folder = options.folder ?? testRoot()
  const journal = await openJournal({ fsyncEveryMs: 5, ...options, folder }, never())
  onTestFinished(() => journal.close().catch(() => undefined))
  return { journal, folder }
}

export interface ReadBack {
  readonly records: readonly JournalRecord[]
  readonly tail: JournalTail
}

export async function readBack(path: string): Promise<ReadBack> {
  const records: JournalRecord[] = []
  let tail: JournalTail | undefined
  for await (const record of readJournal(path, { onTail: (found) => (tail = found) })) records.push(record)
  return { records, tail: tail! }
}

/** Texts of all records in all files of `folder`. */
export async function textsIn(folder: string): Promise<string[]> {
  const texts: string[] = []
  for (const { path } of await listJournals(folder))
    for await (const { payload } of readJournal(path)) texts.push(payload.toString())
  return texts
}

/** The bytes of a journal with `payloads`, as it is on the disk. */
export async function bytesOf(payloads: readonly Buffer[]): Promise<Buffer> {
  const folder = testRoot()
  const journal = await openJournal({ folder }, never())
  payloads.forEach((payload, i) => journal.append((i % 255) + 1, 1_735_916_400_000.25 + i, payload))
  await journal.close()
  const [file] = await listJournals(folder)
  return file ? await readFile(file.path) : Buffer.alloc(0)
}
