import { readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { changedSegments, forgiveDamage, publishCommit, readLedgerFile, readNext } from './commit.ts'
import { onDisk, sha256File } from './durable.ts'
import {
  historyFolder,
  ledgerPath,
  nextLedgerPath,
  quarantinePath,
  seriesFolder,
  TEMPORARY_SUFFIX,
  type SeriesId,
} from './layout.ts'
import type { Ledger, Segment } from './ledger.ts'

/**
 * Makes a series writable again after whatever happened to it: finishes a commit that a crash cut off, puts
 * damaged ledgers aside under another name (they are never deleted), and removes temporary files. Call it with
 * the series locked.
 *
 * @returns a sentence for each thing that had to be mended; none after a clean end
 * @throws {LakeMismatchError} when a newer tapelake wrote the series; then nothing was touched
 */
export async function recoverSeries(root: string, series: SeriesId): Promise<readonly string[]> {
  const notes: string[] = []
  await putDamagedAside(root, series, notes)
  const next = await readNext(root, series)
  if (next) await finishCommit(root, series, next, notes)
  for (const folder of [seriesFolder(series), dirname(quarantinePath(series, '')), historyFolder(series)]) {
    await sweepTemporary(join(root, folder))
  }
  for (const path of [ledgerPath(series), nextLedgerPath(series)]) {
    await rm(join(root, path + TEMPORARY_SUFFIX), { force: true })
  }
  return notes
}

/** A damaged ledger makes room for a rebuilt one; so does a ledger whose successor is damaged. */
async function putDamagedAside(root: string, series: SeriesId, notes: string[]): Promise<void> {
  const next = await isDamaged(() => readNext(root, series))
  const held = await isDamaged(() => readLedgerFile(root, series))
  if (next) await putAside(root, nextLedgerPath(series), notes)
  if (next || held) await putAside(root, ledgerPath(series), notes)
}

async function isDamaged(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read()
    return false
  } catch (error) {
    forgiveDamage(error)
    return true
  }
}

async function putAside(root: string, path: string, notes: string[]): Promise<void> {
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '')}`
  try {
    await onDisk(path, () => rename(join(root, path), join(root, aside)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  notes.push(`${path} was damaged; it is kept as ${aside}, and the ledger was rebuilt from the segments`)
}

async function finishCommit(root: string, series: SeriesId, next: Ledger, notes: string[]): Promise<void> {
  const changed = changedSegments(await readLedgerFile(root, series), next)
  const found = await locateSegments(root, changed, hasChecksum)
  if (found) {
    const staged = changed.filter((_, i) => found[i]!.endsWith(TEMPORARY_SUFFIX))
    await publishCommit(
      root,
      series,
      next,
      staged.map(({ path }) => path),
    )
    notes.push('finished a commit that was cut off')
    return
  }
  // Not the work of a crash: files were removed or changed since. What is on the disk is all there is.
  await putAside(root, nextLedgerPath(series), notes)
  await putAside(root, ledgerPath(series), notes)
}

/**
 * Where each of `segments` lies now, below `root`: under its temporary name or at its final place. Undefined
 * when one is at neither.
 */
export async function locateSegments(
  root: string,
  segments: readonly Segment[],
  isSame: (file: string, segment: Segment) => Promise<boolean>,
): Promise<readonly string[] | undefined> {
  const found: string[] = []
  for (const segment of segments) {
    const path = join(root, segment.path)
    if (await isSame(path + TEMPORARY_SUFFIX, segment)) found.push(path + TEMPORARY_SUFFIX)
    else if (await isSame(path, segment)) found.push(path)
    else return undefined
  }
  return found
}

/** Quick, for readers. */
export const hasSize = async (file: string, { bytes }: Pick<Segment, 'bytes'>): Promise<boolean> =>
  await stat(file).then(
    ({ size }) => size === bytes,
    () => false,
  )

/** Sure, where another file may have the same size: minutes of other prices often do. */
export const hasChecksum = async (
  file: string,
  segment: Pick<Segment, 'bytes' | 'sha256'>,
): Promise<boolean> => (await hasSize(file, segment)) && (await sha256File(file)) === segment.sha256

/** Removes everything below `folder` whose name says that it was never finished. */
async function sweepTemporary(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith(TEMPORARY_SUFFIX)) continue
    const path = join(entry.parentPath, entry.name)
    await onDisk(path, () => rm(path, { force: true }))
  }
}
