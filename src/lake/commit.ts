import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fsyncFolder, makeFolder, onDisk, replaceFile, sha256File } from './durable.ts'
import { ledgerPath, nextLedgerPath, seriesFolder, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import { formatLedger, parseLedger, type Ledger } from './ledger.ts'

/**
 * The commit. Whole, checked segments lie beside their final places as `….parquet.tmp`. Then
 *
 *   1. the ledger-to-be is made durable as `<ticker>.next`   ← the commit: from here on it is the truth
 *   2. each new segment is renamed over the one it replaces
 *   3. segments that are no longer live are removed
 *   4. `<ticker>.next` is renamed over `<ticker>.json`
 *
 * A crash before 1 leaves the old truth and some temporary files; a crash after it is finished by
 * {@link recoverSeries}, since everything it needs is on the disk. A partition keeps one path, so a glob over
 * the lake never sees old and new rows side by side, not even in a crash.
 *
 * This is step 1. When it throws, nothing was committed.
 */
export async function announceCommit(root: string, series: SeriesId, next: Ledger): Promise<void> {
  const path = join(root, nextLedgerPath(series))
  await makeFolder(dirname(path))
  try {
    await replaceFile(path, formatLedger(next))
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined) // it may be there, only not known to be durable
    throw error
  }
}

/**
 * Finishes a commit that a crash cut off and removes temporary files. Call it with the series locked.
 *
 * @returns true when a commit was finished
 */
export async function recoverSeries(root: string, series: SeriesId): Promise<boolean> {
  const next = await readNext(root, series)
  if (next) await publishCommit(root, series, next, await stagedSegments(root, next))
  await sweepTemporary(join(root, seriesFolder(series)))
  for (const path of [ledgerPath(series), nextLedgerPath(series)]) {
    await rm(join(root, path + TEMPORARY_SUFFIX), { force: true })
  }
  return next !== undefined
}

/** The ledger of a commit that is under way or was cut off, if there is one. */
export async function readNext(root: string, series: SeriesId): Promise<Ledger | undefined> {
  const path = join(root, nextLedgerPath(series))
  const text = await readOptional(path)
  return text === undefined ? undefined : parseLedger(text, path)
}

/**
 * Steps 2 to 4; see {@link announceCommit}.
 *
 * @param staged paths of the segments that have a temporary file, relative to `root`
 */
export async function publishCommit(
  root: string,
  series: SeriesId,
  next: Ledger,
  staged: readonly string[],
): Promise<void> {
  const folders = new Set<string>()
  for (const path of staged.map((relative) => join(root, relative))) {
    await onDisk(path, () => rename(path + TEMPORARY_SUFFIX, path))
    folders.add(dirname(path))
  }
  for (const path of await supersededPaths(root, series, next)) {
    await onDisk(path, () => rm(path, { force: true }))
    folders.add(dirname(path))
  }
  for (const folder of folders) await fsyncFolder(folder)
  const ledger = join(root, ledgerPath(series))
  await onDisk(ledger, () => rename(join(root, nextLedgerPath(series)), ledger))
  await fsyncFolder(dirname(ledger))
}

/** Segments of a cut-off commit that still wait under their temporary names; other leftovers are not theirs. */
async function stagedSegments(root: string, next: Ledger): Promise<string[]> {
  const staged: string[] = []
  for (const { path, sha256 } of next.segments) {
    const temporary = join(root, path + TEMPORARY_SUFFIX)
    if (existsSync(temporary) && (await sha256File(temporary)) === sha256) staged.push(path)
  }
  return staged
}

async function supersededPaths(root: string, series: SeriesId, next: Ledger): Promise<string[]> {
  const old = await readLedgerFile(root, series).catch(() => undefined) // a torn one names nothing to remove
  const live = new Set(next.segments.map((segment) => segment.path))
  const dead = old?.segments.filter((segment) => !live.has(segment.path)) ?? []
  return dead.map((segment) => join(root, segment.path))
}

/** The committed ledger file, if there is one. @throws {IntegrityError} when it is torn */
export async function readLedgerFile(root: string, series: SeriesId): Promise<Ledger | undefined> {
  const path = join(root, ledgerPath(series))
  const text = await readOptional(path)
  return text === undefined ? undefined : parseLedger(text, path)
}

/** Removes everything below `folder` whose name says that it was never finished. */
async function sweepTemporary(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith(TEMPORARY_SUFFIX)) continue
    await rm(join(entry.parentPath, entry.name), { force: true })
  }
}

/** The text of a file, or undefined where it does not exist. */
export async function readOptional(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}
