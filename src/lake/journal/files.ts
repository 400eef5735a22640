import { readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fsyncFolder, onDisk } from '../durable.ts'

const SUFFIX = '.journal'

/** Where the journals of one cluster are, below the data directory. */
export const journalFolder = (root: string, cluster: string): string => join(root, 'journal', cluster)

/** A journal file on the disk. */
export interface JournalFile {
  readonly path: string
  readonly bytes: number
}

/** `20250103T143000123Z-0001.journal`: names sort as the files were opened. */
export function journalName(openedMs: number, sequence: number): string {
  const instant = new Date(openedMs).toISOString().replace(/[-:.]/g, '')
  return `${instant}-${String(sequence).padStart(4, '0')}${SUFFIX}`
}

/** The journals in `folder`, oldest first; none if it does not exist. */
export async function listJournals(folder: string): Promise<readonly JournalFile[]> {
  const names = (await readdir(folder).catch(missingIsEmpty)).filter((name) => name.endsWith(SUFFIX)).sort()
  return await onDisk(folder, () =>
    Promise.all(
      names.map(async (name) => {
        const path = join(folder, name)
        return { path, bytes: (await stat(path)).size }
      }),
    ),
  )
}

function missingIsEmpty(error: unknown): string[] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
  throw error
}

/** Deletes journals whose rows are in the lake; that is for the caller to know. Those already gone are no fault. */
export async function discardJournals(paths: readonly string[]): Promise<void> {
  for (const path of paths) await onDisk(path, () => rm(path, { force: true }))
  for (const folder of new Set(paths.map((path) => dirname(path)))) await fsyncFolder(folder)
}
