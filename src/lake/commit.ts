import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { allEnded } from '../core/all-ended.ts'
import { IntegrityError } from '../core/errors.ts'
import { fsyncFolder, makeFolder, onDisk, renameFile, replaceFile } from './durable.ts'
import { dropForgotten, keepVersions } from './history.ts'
import { ledgerPath, nextLedgerPath, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import { formatLedger, parseLedger, type Ledger, type Segment } from './ledger.ts'

/**
 * The commit. Whole, checked segments lie beside their final places as `….parquet.tmp`. Then
 *
 *   1. the ledger-to-be is made durable as `<ticker>.next`   ← the commit: from here on it is the truth
 *   2. segments whose rows are kept as a version get a second name below history/
 *   3. each new segment is renamed over the one it replaces
 *   4. segments that are no longer live are removed, and so are versions that nobody keeps any more
 *   5. `<ticker>.next` is renamed over `<ticker>.json`
 *
 * A crash before 1 leaves the old truth and some temporary files; a crash after it is finished by the next
 * writer (recovery.ts), since everything it needs is on the disk. A partition keeps one path, so a glob over
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
 * Steps 2 to 5; see {@link announceCommit}.
 *
 * @param staged paths of the segments that have a temporary file, relative to `root`
 * @param published the ledger that gives way, where the caller knows it: reading a long one takes its time
 */
export async function publishCommit(
  root: string,
  series: SeriesId,
  next: Ledger,
  staged: readonly string[],
  published?: Ledger,
): Promise<void> {
  const old = published ?? (await readLedgerFile(root, series).catch(forgiveDamage))
  const dead = supersededSegments(old, next)
  const replaceable = new Set([...staged, ...dead.map(({ path }) => path)])
  await keepVersions(root, series, old, next, replaceable)
  for (const path of staged.map((relative) => join(root, relative))) {
    await renameFile(path + TEMPORARY_SUFFIX, path)
  }
  for (const { path } of dead) await onDisk(path, () => rm(join(root, path), { force: true }))
  // Also those that a crash left renamed but not yet durable.
  const folders = new Set([...changedSegments(old, next), ...dead].map(({ path }) => dirname(path)))
  await allEnded([...folders].map((folder) => fsyncFolder(join(root, folder))))
  await dropForgotten(root, series, old, next)
  const ledger = join(root, ledgerPath(series))
  await renameFile(join(root, nextLedgerPath(series)), ledger)
  await fsyncFolder(dirname(ledger))
}

/** Segments of `next` that are not, as they are, in `old`. */
export function changedSegments(old: Ledger | undefined, next: Ledger): readonly Segment[] {
  const known = new Map(old?.segments.map(({ path, sha256 }) => [path, sha256]))
  return next.segments.filter(({ path, sha256 }) => known.get(path) !== sha256)
}

/** Segments of `old` whose place is not used any more. A damaged ledger names none. */
function supersededSegments(old: Ledger | undefined, next: Ledger): readonly Segment[] {
  const live = new Set(next.segments.map(({ path }) => path))
  return old?.segments.filter(({ path }) => !live.has(path)) ?? []
}

/** The committed ledger file, if there is one. @throws {IntegrityError} when it is damaged */
export async function readLedgerFile(root: string, series: SeriesId): Promise<Ledger | undefined> {
  return await readLedgerAt(join(root, ledgerPath(series)), series)
}

/** The ledger of a commit under way or cut off, if there is one. @throws {IntegrityError} when it is damaged */
export async function readNext(root: string, series: SeriesId): Promise<Ledger | undefined> {
  return await readLedgerAt(join(root, nextLedgerPath(series)), series)
}

async function readLedgerAt(path: string, series: SeriesId): Promise<Ledger | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  return text === undefined ? undefined : parseLedger(text, path, series)
}

/** For `catch`: a damaged ledger counts as none; everything else is thrown on. */
export function forgiveDamage(error: unknown): undefined {
  if (error instanceof IntegrityError) return undefined
  throw error
}
