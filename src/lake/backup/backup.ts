import { setMaxListeners } from 'node:events'
import { rm, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import pLimit from 'p-limit'
import { throwIfAborted } from '../../core/abort.ts'
import { messageOf, UsageError } from '../../core/errors.ts'
import { fsyncFolder, makeFolder, onDisk, replaceFile, sha256File } from '../durable.ts'
import { openLake, type Lake } from '../index.ts'
import { dataPaths, type SeriesId } from '../layout.ts'
import { takeLock } from '../lock.ts'
import { sweepStaged } from '../staged-file.ts'
import { collectJournals, collectRest, collectSeries } from './collect.ts'
import {
  digestOf,
  filesOf,
  manifestVersion,
  readManifest,
  snapshotIds,
  snapshotsFolder,
  type BackedUpFile,
  type Manifest,
} from './manifest.ts'
import { ObjectStore, sweepObjects } from './objects.ts'

/** Series in hand at the same time: copies mostly wait for the disk. */
const SERIES_AT_ONCE = 6
/** Each copy under way listens for the signal, several times. */
const MOST_LISTENERS = 200

export interface BackupOptions {
  readonly root: string
  readonly folder: string
  readonly runId?: string
  /** Undefined: the whole lake. */
  readonly only?: SeriesId
  /** Why it is made, where no person asked for it. */
  readonly automatic?: string
  /** Keep the newest so many backups; undefined keeps all. */
  readonly keep?: number | undefined
  /** Give files a second name instead of copying them, where the file system can. */
  readonly link?: boolean
  /** Read what earlier backups wrote again, too; what is damaged is written anew. */
  readonly check?: boolean
  /** Epoch milliseconds. */
  readonly nowMs: number
  /** How long to wait for another backup into the same folder, in milliseconds. */
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly onSeries?: (done: number, total: number, series: SeriesId) => void
}

export interface BackupResult {
  readonly manifest: Manifest
  readonly files: number
  readonly bytes: number
  /** Written now; the others were there from earlier backups. */
  readonly newFiles: number
  readonly newBytes: number
  /** Names of backups that were removed since newer ones are kept. */
  readonly removed: readonly string[]
}

/**
 * Backs the lake up into `folder`: every series as one ledger tells it, while writers go on. Contents are kept once
 * under their checksums, so a further backup writes only what is new; what is written is read back. The backup is
 * there when its manifest is; a crash before that leaves contents that the next one uses.
 *
 * @throws {LockedError} when another backup into the folder is under way
 * @throws {LakeError} when the lake itself is damaged
 */
export async function createBackup(options: BackupOptions): Promise<BackupResult> {
  const { root, folder, waitMs, signal } = options
  assertPlace(root, folder)
  setMaxListeners(MOST_LISTENERS, signal)
  await makeFolder(folder)
  const lock = await takeLock({ folder, name: 'backup', purpose: `backup of ${root}`, waitMs }, signal)
  try {
    // What killed runs left; nobody else writes here while the lock is held.
    await sweepStaged(join(folder, 'objects'))
    await sweepStaged(snapshotsFolder(folder))
    const store = new ObjectStore({
      folder,
      link: options.link ?? false,
      check: options.check ?? false,
      signal,
    })
    await assertSameLake(options)
    const manifest = await collect(options, store)
    await store.sync()
    await makeFolder(snapshotsFolder(folder))
    await replaceFile(join(snapshotsFolder(folder), `${manifest.id}.json`), `${JSON.stringify(manifest)}\n`)
    const removed = options.keep === undefined ? [] : await retire(folder, options.keep)
    const files = filesOf(manifest)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const { newFiles, newBytes } = store
    return { manifest, files: files.length, bytes, newFiles, newBytes, removed }
  } finally {
    await lock.release()
  }
}

/** A backup among the files that it backs up would back itself up. */
function assertPlace(root: string, folder: string): void {
  const paths = dataPaths(resolve(root))
  const taken = [paths.lake, paths.ledger, paths.history, paths.quarantine, paths.raw, paths.state]
  const inside = (outer: string): boolean => {
    const path = relative(outer, resolve(folder))
    return path === '' || (path !== '..' && !path.startsWith(`..${sep}`) && resolve(outer, path) !== path)
  }
  if (resolve(folder) !== paths.root && !taken.some(inside)) return
  throw new UsageError(`${folder} is a part of the lake itself`, {
    hint: 'Name a folder outside it, on another disk.',
  })
}

/**
 * Nothing, or another lake, is no further backup of what the folder holds: with --keep it would push the good ones out,
 * and a restore of the newest would empty the lake. The stamp goes with a lake through every restore; where it was lost
 * and made anew, a file that both have tells.
 */
async function assertSameLake({ root, folder, only, automatic }: BackupOptions): Promise<void> {
  if (only || automatic !== undefined) return // those of a restore are of whatever was there
  for (const id of (await snapshotIds(folder)).toReversed()) {
    const { files, series } = await readManifest(folder, id)
    const stamp = files.find(({ path }) => path === 'lake.json')
    if (!stamp) continue // backups of single series have none
    if (await isHeld(root, stamp)) return
    for (const file of series.flatMap((one) => one.files)) {
      if (file.path.startsWith('lake/') && (await isHeld(root, file))) return
    }
    throw new UsageError(`${folder} holds backups of another lake than ${root}`, {
      hint: 'Is --data-dir right, and its disk mounted? Every lake needs a folder of its own.',
    })
  }
}

/** Whether the data directory has the very file. */
async function isHeld(root: string, { path, bytes, sha256 }: BackedUpFile): Promise<boolean> {
  const held = await stat(join(root, path)).catch(() => undefined)
  return held?.size === bytes && (await sha256File(join(root, path)).catch(() => undefined)) === sha256
}

async function collect(options: BackupOptions, store: ObjectStore): Promise<Manifest> {
  const { root, only, nowMs, automatic } = options
  const lake = await openLake(root)
  try {
    const journals = only ? [] : await collectJournals(root, store)
    const wanted = only ? [only] : await lake.series()
    const series = await collectAll(lake, wanted, store, options)
    const files = only ? [] : [...journals, ...(await collectRest(root, store, options.runId))]
    const createdAt = new Date(nowMs).toISOString()
    return {
      schema: manifestVersion,
      id: await freeId(options, createdAt),
      createdAt,
      ...(automatic !== undefined && { automatic }),
      provenance: lake.stamp?.provenance ?? null,
      whole: !only,
      digest: digestOf({ series, files }),
      series,
      files,
    }
  } finally {
    await lake.close()
  }
}

/** All of `wanted`, in its order, several at once; the first failure ends it when those in hand are over. */
async function collectAll(
  lake: Lake,
  wanted: readonly SeriesId[],
  store: ObjectStore,
  { signal, onSeries }: BackupOptions,
): Promise<Manifest['series']> {
  const limit = pLimit(SERIES_AT_ONCE)
  let failure: Error | undefined
  let done = 0
  const take = async (one: SeriesId): Promise<Manifest['series']> => {
    if (failure) return []
    try {
      throwIfAborted(signal)
      const found = await collectSeries(lake, one, store)
      onSeries?.(++done, wanted.length, one)
      return [found]
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(messageOf(error))
      return []
    }
  }
  const found = await Promise.all(wanted.map((one) => limit(() => take(one))))
  if (failure) throw failure
  return found.flat()
}

/** Names sort by time, also where two backups are made in one millisecond. */
async function freeId({ folder }: BackupOptions, createdAt: string): Promise<string> {
  const base = createdAt.replace(/[-:.]/g, '')
  const taken = await snapshotIds(folder)
  for (let count = 1; ; count++) {
    const id = count === 1 ? base : `${base}-${count}`
    if (!taken.includes(id)) return id
  }
}

/** Removes all but the newest `keep` backups, and the contents that only they held. */
async function retire(folder: string, keep: number): Promise<readonly string[]> {
  const ids = await snapshotIds(folder)
  const old = ids.slice(0, Math.max(0, ids.length - keep))
  if (old.length === 0) return []
  const kept = new Set<string>()
  for (const id of ids.slice(old.length)) {
    for (const { sha256 } of filesOf(await readManifest(folder, id))) kept.add(sha256)
  }
  for (const id of old) {
    const path = join(snapshotsFolder(folder), `${id}.json`)
    await onDisk(path, () => rm(path, { force: true }))
  }
  await fsyncFolder(snapshotsFolder(folder))
  await sweepObjects(folder, kept)
  return old
}

/** Backups that are made by themselves, the newest of which are kept. */
const AUTOMATIC_KEPT = 5

/** Where {@link backUpFirst} puts them. */
export const automaticFolder = (root: string): string => join(root, 'backups')

/**
 * Backs up what a destructive command is about to change, below the data directory, by second names of the files
 * where the file system can.
 *
 * @returns the name of the backup
 */
export async function backUpFirst(
  options: Pick<BackupOptions, 'root' | 'only' | 'nowMs' | 'signal'> & { readonly automatic: string },
): Promise<string> {
  const folder = automaticFolder(options.root)
  const { manifest } = await createBackup({
    ...options,
    folder,
    keep: AUTOMATIC_KEPT,
    link: true,
    waitMs: 60_000,
  })
  return manifest.id
}
