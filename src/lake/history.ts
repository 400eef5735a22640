import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, copyFile, link, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { IntegrityError } from '../core/errors.ts'
import { fsyncFile, fsyncFolder, makeFolder, onDisk, sha256File } from './durable.ts'
import type { ParquetEngine } from './engine.ts'
import { historyFolder, partitionOf, segmentPath, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import { parseVersions, type Ledger, type Version } from './ledger.ts'
import { scanContent } from './scan.ts'

/**
 * The files of versions that gave way, below `history/`. A superseded segment is not copied: its file gets a second
 * name there before the new one takes its place in the lake.
 */

/**
 * Gives every version that `next` keeps, and `old` did not, its file, durably.
 *
 * @param replaceable live paths whose file still is the superseded one
 */
export async function keepVersions(
  root: string,
  series: SeriesId,
  old: Ledger | undefined,
  next: Ledger,
  replaceable: ReadonlySet<string>,
): Promise<void> {
  const known = namedBy(old)
  const fresh = (next.history ?? []).filter(({ kept, diff }) => isNew(kept, known) || isNew(diff, known))
  if (fresh.length === 0) return
  await makeFolder(join(root, historyFolder(series)))
  const done = new Set<string>()
  for (const { date, kept, diff } of fresh) {
    if (kept && !done.has(kept.path)) {
      const live = segmentPath(series, partitionOf(series.dataset, date))
      await publishTemporary(join(root, kept.path)) // what compact merged
      if (replaceable.has(live)) await keepFile(join(root, live), join(root, kept.path), kept.bytes)
      done.add(kept.path)
    }
    if (diff && !done.has(diff.path)) {
      await publishTemporary(join(root, diff.path))
      done.add(diff.path)
    }
  }
  await fsyncFolder(join(root, historyFolder(series)))
}

const isNew = (file: { path: string } | undefined, known: ReadonlySet<string>): boolean =>
  file !== undefined && !known.has(file.path)

/** Files of the history that `ledger` names, relative to the data directory. */
function namedBy(ledger: Ledger | undefined): ReadonlySet<string> {
  const paths = (ledger?.history ?? []).flatMap(({ kept, diff }) => [kept?.path, diff?.path])
  return new Set(paths.filter((path) => path !== undefined))
}

/** Gives the file at `live` the name `kept` besides; a copy where the file system has no links. */
export async function keepFile(live: string, kept: string, bytes: number): Promise<void> {
  const held = await stat(kept).catch(() => undefined)
  if (held?.size === bytes) return
  await onDisk(kept, async () => {
    try {
      await link(live, kept)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined || !NO_LINKS.has(code)) throw error
      await copyFile(live, kept + TEMPORARY_SUFFIX)
      await fsyncFile(kept + TEMPORARY_SUFFIX)
      await rename(kept + TEMPORARY_SUFFIX, kept)
    }
  })
}

/** What file systems without hard links answer. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EMLINK', 'ENOSYS'])

async function publishTemporary(path: string): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX
  const isThere = await access(temporary, constants.F_OK).then(
    () => true,
    () => false,
  )
  if (isThere) await onDisk(path, () => rename(temporary, path)) // else a crash came after it
}

/** Removes the files of versions that `old` named and `next` does not. */
export async function dropForgotten(
  root: string,
  series: SeriesId,
  old: Ledger | undefined,
  next: Ledger,
): Promise<void> {
  const named = namedBy(next)
  const forgotten = [...namedBy(old)].filter((path) => !named.has(path))
  for (const path of forgotten) await onDisk(path, () => rm(join(root, path), { force: true }))
  if (forgotten.length > 0) await fsyncFolder(join(root, historyFolder(series)))
}

/** Files below the history of a series, relative to the data directory, in order of name. */
export async function historyFiles(root: string, series: SeriesId): Promise<string[]> {
  const folder = historyFolder(series)
  const names = await readdir(join(root, folder)).catch(() => [])
  return names.sort().map((name) => `${folder}/${name}`)
}

/**
 * The versions that the diffs of a series tell of: what a lost ledger knew of versions with rows. Sessions whose
 * state changed without rows are forgotten, and so are versions whose file is gone.
 */
export async function versionsFromDiffs(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
): Promise<readonly Version[]> {
  const versions: Version[] = []
  const files = await historyFiles(root, series)
  for (const path of files.filter((name) => name.endsWith('.diff.jsonl'))) {
    const bytes = await readFile(join(root, path))
    const text = bytes.toString('utf8')
    const told = parseVersions(text.slice(text.lastIndexOf('\n', text.length - 2) + 1))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    versions.push(
      ...told.map(({ diff, ...rest }) => ({ ...rest, ...(diff && { diff: { ...diff, sha256 } }) })),
    )
  }
  const known = new Set(files)
  const merged = files.filter((name) => !versions.some(({ kept }) => kept?.path === name))
  const found: Version[] = []
  const places = await placesOf(
    root,
    series,
    merged.filter((name) => name.endsWith('.parquet')),
    engine,
  )
  for (const version of versions) {
    if (!version.kept || known.has(version.kept.path)) found.push(version)
    else {
      const kept = places.get(contentKey(version))
      if (kept) found.push({ ...version, kept })
    }
  }
  return found.sort((a, b) => (a.until < b.until ? -1 : 1))
}

const contentKey = ({
  date,
  rows,
  digest,
}: {
  date: string
  rows: number
  digest?: string | undefined
}): string => `${date} ${rows} ${digest}`

/** Which of `files`, made by compaction, has which version. One that cannot be read has none. */
async function placesOf(
  root: string,
  { dataset }: SeriesId,
  files: readonly string[],
  engine: () => Promise<ParquetEngine>,
): Promise<ReadonlyMap<string, NonNullable<Version['kept']>>> {
  const places = new Map<string, NonNullable<Version['kept']>>()
  for (const path of files) {
    const file = join(root, path)
    const content = await scanContent(dataset, (await engine()).read(dataset, [file])).catch(
      (error: unknown) => {
        if (error instanceof IntegrityError) return undefined
        throw error
      },
    )
    if (!content) continue
    const kept = { path, bytes: (await stat(file)).size, sha256: await sha256File(file) }
    for (const [date, session] of content.sessions) places.set(contentKey({ date, ...session }), kept)
  }
  return places
}

/** Whether `version` was the truth at `instant` (ISO 8601, UTC). */
export const wasTrueAt = ({ at, until }: Version, instant: string): boolean =>
  at <= instant && instant < until
