import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throwIfAborted } from '../../core/abort.ts'
import { IntegrityError, LakeMismatchError } from '../../core/errors.ts'
import { datasetNamed } from '../../market/datasets/index.ts'
import { announceCommit, publishCommit } from '../commit.ts'
import { fsyncFolder, makeFolder, onDisk, sha256File } from '../durable.ts'
import { historyFiles } from '../history.ts'
import { openLake } from '../index.ts'
import {
  dataPaths,
  encodeTicker,
  historyFolder,
  ledgerPath,
  quarantinePath,
  seriesFolder,
  TEMPORARY_SUFFIX,
  type SeriesId,
} from '../layout.ts'
import { emptyLedger, parseLedger, type Ledger } from '../ledger.ts'
import { takeLock } from '../lock.ts'
import { recoverSeries } from '../recovery.ts'
import { segmentFiles } from '../series-store.ts'
import { readStamp } from '../stamp.ts'
import { backUpFirst } from './backup.ts'
import { looseFiles } from './collect.ts'
import { filesOf, readManifest, type BackedUpFile, type Manifest } from './manifest.ts'
import { waitForRecorders } from './no-recorder.ts'
import { copyDurably, objectPath } from './objects.ts'

export interface RestoreOptions {
  readonly folder: string
  readonly root: string
  /** Name of the backup; undefined: the newest. */
  readonly at?: string | undefined
  readonly nowMs: number
  /** How long to wait for a writer of a series, in milliseconds. */
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly onSeries?: (done: number, total: number, series: SeriesId) => void
}

export interface RestoreResult {
  readonly manifest: Manifest
  readonly files: number
  readonly bytes: number
  /** Files that had to be written; the others were there. */
  readonly written: number
  /** Name of the backup of what was there before, in the folder `backups` of the data directory. */
  readonly before: string | undefined
}

/**
 * Makes the lake below `root` what a backup says it was, and proves it by reading every file again. The backup is read
 * to its end first. Each series changes by one commit under its lock; what else the lake held is backed up by itself
 * and then removed. Cut off anywhere, the same restore again finishes it.
 *
 * @throws {IntegrityError} when the backup is damaged (then nothing was changed), or the lake is not equal to it
 * @throws {LakeMismatchError} when `root` holds data of the other provenance
 * @throws {LockedError} when another process writes one of the series, or records a live session into `root`
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const { folder, root, at, signal } = options
  const manifest = await readManifest(folder, at)
  await assertWhole(folder, manifest, signal)
  await assertFits(root, manifest)
  await waitForRecorders(root, options.waitMs, signal)
  const held = await seriesOf(root)
  const { nowMs } = options
  const before =
    held.length > 0 ? await backUpFirst({ root, nowMs, signal, automatic: 'restore' }) : undefined
  const restore = new Restore(options, manifest)
  await restore.placeStamp()
  const total = manifest.series.length
  for (const [done, one] of manifest.series.entries()) {
    throwIfAborted(signal)
    const series: SeriesId = { dataset: datasetNamed(one.dataset), ticker: one.ticker }
    await restore.series(series, one.files)
    options.onSeries?.(done + 1, total, series)
  }
  if (manifest.whole) await restore.removeOthers(held)
  await restore.placeLoose()
  await assertEqual(root, manifest)
  const files = filesOf(manifest)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return { manifest, files: files.length, bytes, written: restore.written, before }
}

async function assertWhole(folder: string, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const seen = new Set<string>()
  for (const { path, sha256 } of filesOf(manifest)) {
    throwIfAborted(signal)
    if (seen.has(sha256)) continue
    seen.add(sha256)
    const object = objectPath(folder, sha256)
    const found = await sha256File(object).catch(() => 'missing')
    if (found === sha256) continue
    throw new IntegrityError(
      `the backup's copy of ${path} is ${found === 'missing' ? found : 'damaged'}: ${object}`,
      {
        hint: 'Nothing was changed. Restore an older backup with --at, or back up again with --check to mend it.',
      },
    )
  }
}

async function assertFits(root: string, { provenance }: Manifest): Promise<void> {
  const stamp = await readStamp(root)
  if (!stamp || provenance === null || stamp.provenance === provenance) return
  throw new LakeMismatchError(`${root} holds ${stamp.provenance} data, the backup ${provenance} data`, {
    hint: 'Synthetic and real data never share a lake: restore into another --data-dir.',
  })
}

async function seriesOf(root: string): Promise<readonly SeriesId[]> {
  const lake = await openLake(root)
  try {
    return await lake.series()
  } finally {
    await lake.close()
  }
}

const keyOf = (dataset: string, ticker: string): string => `${dataset} ${ticker}`

class Restore {
  readonly #options: RestoreOptions
  readonly #manifest: Manifest
  written = 0

  constructor(options: RestoreOptions, manifest: Manifest) {
    this.#options = options
    this.#manifest = manifest
  }

  /** First of all: a lake without its stamp would take anything. */
  async placeStamp(): Promise<void> {
    const stamp = this.#manifest.files.find(({ path }) => path === 'lake.json')
    if (stamp) await this.#place(stamp)
  }

  /** Files that belong to no series; in a whole restore, others of their kind go. */
  async placeLoose(): Promise<void> {
    const { root } = this.#options
    for (const file of this.#manifest.files) await this.#place(file)
    if (!this.#manifest.whole) return
    const named = new Set(this.#manifest.files.map(({ path }) => path))
    for (const path of await looseFiles(root, ['raw', 'quarantine/live', 'journal'])) {
      if (!named.has(path)) await onDisk(path, () => rm(join(root, path), { force: true }))
    }
  }

  /** Commits what the backup says of a series. */
  async series(series: SeriesId, files: readonly BackedUpFile[]): Promise<void> {
    await this.#locked(series, async () => {
      const { root, folder } = this.#options
      const place = ledgerPath(series)
      const entry = files.find(({ path }) => path === place)
      if (!entry)
        throw new IntegrityError(`the backup names no ledger of ${series.dataset.name} ${series.ticker}`)
      const missing = []
      for (const file of files) if (!(await this.#isThere(file))) missing.push(file)
      if (missing.length === 0) return await this.#clean(series, new Set(files.map(({ path }) => path)))
      const text = await readFile(objectPath(folder, entry.sha256), 'utf8')
      const ledger = parseLedger(text, place, series)
      await this.#commit(series, ledger, files)
      await this.#place(entry) // as it was, whichever tapelake wrote it
      await this.#clean(series, new Set(files.map(({ path }) => path)))
      await fsyncFolder(dirname(join(root, place)))
    })
  }

  async #commit(series: SeriesId, ledger: Ledger, files: readonly BackedUpFile[]): Promise<void> {
    const { root } = this.#options
    const live = new Set(ledger.segments.map(({ path }) => path))
    const kept = files.filter(({ path }) => path.startsWith(`${historyFolder(series)}/`))
    const staged: string[] = []
    for (const file of files) {
      if (file.path === ledgerPath(series)) continue
      if (kept.includes(file)) await this.#stage(file)
      else if (!live.has(file.path)) await this.#place(file)
      else if (await this.#stage(file)) staged.push(file.path)
    }
    await announceCommit(root, series, ledger)
    await publishCommit(root, series, ledger, staged)
    for (const file of kept) await this.#place(file) // of those that the commit did not: they were damaged
  }

  /** Series that the backup does not have. */
  async removeOthers(held: readonly SeriesId[]): Promise<void> {
    const { root } = this.#options
    const known = new Set(this.#manifest.series.map(({ dataset, ticker }) => keyOf(dataset, ticker)))
    for (const series of held) {
      if (known.has(keyOf(series.dataset.name, series.ticker))) continue
      await this.#locked(series, async () => {
        await announceCommit(root, series, emptyLedger(series))
        await publishCommit(root, series, emptyLedger(series), [])
        await this.#clean(series, new Set())
        const rest = [ledgerPath(series), seriesFolder(series), historyFolder(series)]
        for (const path of rest)
          await onDisk(path, () => rm(join(root, path), { recursive: true, force: true }))
      })
    }
  }

  /** Moves files of a series out of the lake that the backup does not name: nobody has a copy of some of them. */
  async #clean(series: SeriesId, named: ReadonlySet<string>): Promise<void> {
    const { root } = this.#options
    const refused = dirname(quarantinePath(series, 'x'))
    const names = await readdir(join(root, refused)).catch(() => [])
    const found = [
      ...(await segmentFiles(root, series)),
      ...(await historyFiles(root, series)),
      ...names.map((name) => `${refused}/${name}`),
    ]
    for (const path of found.filter((one) => !named.has(one))) {
      const aside = join(root, 'backups', 'aside', path)
      await makeFolder(dirname(aside))
      await onDisk(path, () => rename(join(root, path), aside))
    }
  }

  async #locked(series: SeriesId, work: () => Promise<void>): Promise<void> {
    const { root, waitMs, signal } = this.#options
    const name = `${series.dataset.name}/${encodeTicker(series.ticker)}`
    const purpose = `restore of ${series.ticker} ${series.dataset.name}`
    const lock = await takeLock({ folder: dataPaths(root).locks, name, purpose, waitMs }, signal)
    try {
      await recoverSeries(root, series)
      await work()
    } finally {
      await lock.release()
    }
  }

  async #isThere({ path, bytes, sha256 }: BackedUpFile): Promise<boolean> {
    const place = join(this.#options.root, path)
    const held = await stat(place).catch(() => undefined)
    return held?.size === bytes && (await sha256File(place)) === sha256
  }

  /** Puts a file under its temporary name, unless it is in its place. @returns whether it was put there */
  async #stage(file: BackedUpFile): Promise<boolean> {
    if (await this.#isThere(file)) return false
    const { root, folder, signal } = this.#options
    const temporary = join(root, file.path + TEMPORARY_SUFFIX)
    await makeFolder(dirname(temporary))
    await copyDurably(objectPath(folder, file.sha256), temporary, signal)
    this.written++
    return true
  }

  async #place(file: BackedUpFile): Promise<void> {
    if (!(await this.#stage(file))) return
    const place = join(this.#options.root, file.path)
    await onDisk(place, () => rename(place + TEMPORARY_SUFFIX, place))
    await fsyncFolder(dirname(place))
  }
}

/**
 * The proof: every file of the backup is there, byte for byte, and the lake has no others.
 *
 * @throws {IntegrityError} naming what differs
 */
async function assertEqual(root: string, manifest: Manifest): Promise<void> {
  for (const { path, sha256 } of filesOf(manifest)) {
    const found = await sha256File(join(root, path)).catch(() => 'missing')
    if (found !== sha256)
      throw unequal(`${path} is ${found === 'missing' ? found : 'not what was backed up'}`)
  }
  if (!manifest.whole) return
  const known = new Set(manifest.series.map(({ dataset, ticker }) => keyOf(dataset, ticker)))
  const named = new Set(filesOf(manifest).map(({ path }) => path))
  for (const series of await seriesOf(root)) {
    if (!known.has(keyOf(series.dataset.name, series.ticker)))
      throw unequal(`${series.dataset.name} ${series.ticker} is not in the backup`)
    const extra = (await segmentFiles(root, series)).find((path) => !named.has(path))
    if (extra !== undefined) throw unequal(`${extra} is not in the backup`)
  }
}

const unequal = (why: string): IntegrityError =>
  new IntegrityError(`the restored lake is not equal to the backup: ${why}`, {
    hint: 'Let no other command write to it and run the same restore again.',
  })
