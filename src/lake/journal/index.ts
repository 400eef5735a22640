export { discardJournals, journalFolder, listJournals, type JournalFile } from './files.ts'
export {
  openJournal,
  type Journal,
  type JournalCut,
  type JournalOptions,
  type JournalStats,
} from './journal.ts'
export { readJournal, type JournalTail, type ReadJournalOptions } from './read-journal.ts'
export { RECORD_KIND, type JournalRecord } from './record.ts'
