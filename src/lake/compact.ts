import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { IntegrityError, LockedError } from '../core/errors.ts'
import { fsyncFolder, sealFile } from './durable.ts'
import { historyFolder, mergedPath, partitionOf, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import type { Version } from './ledger.ts'
import { rowsOfSessions } from './row-diff.ts'
import { scanContent } from './scan.ts'
import { SeriesWriter } from './series-writer.ts'
import { viewSeries } from './series-store.ts'
import type { SegmentSettings } from './stage-segment.ts'

export interface CompactOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly nowMs: number
  /** Versions that gave way longer ago are dropped; 0: none. */
  readonly keepDays: number
  /** How long to wait for another writer of a series, ms. */
  readonly lockWaitMs: number
}

/** What compaction did to one series. */
export interface CompactedSeries {
  readonly dataset: string
  readonly ticker: string
  /** Versions of sessions that were dropped. */
  readonly dropped: number
  /** Files and bytes of kept versions, before and after. */
  readonly filesBefore: number
  readonly filesAfter: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** Why nothing was done: another process writes the series. */
  readonly skipped?: string
}

const MS_PER_DAY = 86_400_000

/**
 * Makes what is kept of earlier versions of `series` small: drops versions that are older than the retention, and
 * rewrites files of whole months of which single sessions are versions, several of them into one. Live segments are
 * one file per partition always; they are not touched. A crash at any instant leaves the old files or the new ones.
 *
 * @throws what the disk refuses, and what {@link SeriesWriter.open} throws but for {@link LockedError}
 */
export async function compactSeries(
  series: SeriesId,
  options: CompactOptions,
  signal: AbortSignal,
): Promise<CompactedSeries> {
  const { root, lockWaitMs: waitMs, engine } = options
  const { ledger } = await viewSeries(root, series, async () => engine)
  const before = sizeOf(ledger.history ?? [])
  const result = (history: readonly Version[], dropped: number): CompactedSeries => {
    const after = sizeOf(history)
    return {
      ...{ dataset: series.dataset.name, ticker: series.ticker, dropped },
      ...{ filesBefore: before.files, filesAfter: after.files },
      ...{ bytesBefore: before.bytes, bytesAfter: after.bytes },
    }
  }
  if (!ledger.history) return result([], 0)
  try {
    const how = { provenance: () => 'real' as const, purpose: 'compaction', waitMs } // no segment is written
    const writer = await SeriesWriter.open({ ...options, ...how, series }, signal)
    try {
      return await writer.exclusively(async () => {
        const dropped = await dropExpired(writer, options)
        await new Merging(writer, options).run()
        return result(writer.ledger.history ?? [], dropped)
      })
    } finally {
      await writer.close()
    }
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    return { ...result(ledger.history, 0), skipped: error.message }
  }
}

function sizeOf(history: readonly Version[]): { files: number; bytes: number } {
  const files = new Map(history.flatMap(({ kept }) => (kept ? [[kept.path, kept.bytes] as const] : [])))
  return { files: files.size, bytes: [...files.values()].reduce((sum, bytes) => sum + bytes, 0) }
}

async function dropExpired(writer: SeriesWriter, { keepDays, nowMs }: CompactOptions): Promise<number> {
  const { history = [], forgottenBefore: earlier } = writer.ledger
  if (keepDays === 0) return 0
  const limit = new Date(nowMs - keepDays * MS_PER_DAY).toISOString()
  const expired = history.filter(({ until }) => until < limit)
  if (expired.length === 0) return 0
  const instants = [...expired.map(({ until }) => until), ...(earlier === undefined ? [] : [earlier])].sort()
  const kept = history.filter(({ until }) => until >= limit)
  await writer.replaceHistory({
    forgottenBefore: instants.at(-1)!,
    ...(kept.length > 0 ? { history: kept } : {}),
  })
  return expired.length
}

/** Rewrites the kept files of the partitions where that saves files or rows. */
class Merging {
  readonly #writer: SeriesWriter
  readonly #options: CompactOptions
  readonly #staged: string[] = []

  constructor(writer: SeriesWriter, options: CompactOptions) {
    this.#writer = writer
    this.#options = options
  }

  async run(): Promise<void> {
    const { history = [] } = this.#writer.ledger
    const moved = new Map<Version, Version>()
    try {
      for (const versions of this.#partitions(history)) {
        for (const [from, to] of await this.#merge(versions)) moved.set(from, to)
      }
      if (moved.size === 0) return
      const { root } = this.#options
      await fsyncFolder(join(root, historyFolder(this.#writer.options.series)))
      const { forgottenBefore } = this.#writer.ledger
      await this.#writer.replaceHistory({
        history: history.map((version) => moved.get(version) ?? version),
        ...(forgottenBefore === undefined ? {} : { forgottenBefore }),
      })
    } catch (error) {
      for (const path of this.#staged) await rm(path, { force: true }).catch(() => undefined)
      throw error
    }
  }

  /** Versions that have a file, by the partition that they come from. */
  #partitions(history: readonly Version[]): readonly (readonly Version[])[] {
    const { dataset } = this.#writer.options.series
    if (dataset.partition === 'date') return [] // each file is one session already
    const partitions = new Map<string, Version[]>()
    for (const version of history.filter(({ kept }) => kept)) {
      const partition = partitionOf(dataset, version.date)
      partitions.set(partition, [...(partitions.get(partition) ?? []), version])
    }
    return [...partitions.values()]
  }

  async #merge(versions: readonly Version[]): Promise<readonly (readonly [Version, Version])[]> {
    const layers = layersOf(versions)
    if (await this.#isTight(versions, layers.length)) return []
    const at = new Date().toISOString()
    const moved: (readonly [Version, Version])[] = []
    for (const [number, layer] of layers.entries()) {
      const kept = await this.#write(layer, at, number)
      moved.push(...layer.map((version) => [version, { ...version, kept }] as const))
    }
    return moved
  }

  /** Whether no file could go, and no file has rows that are no version. */
  async #isTight(versions: readonly Version[], layers: number): Promise<boolean> {
    const { root, engine } = this.#options
    const rows = new Map<string, number>()
    for (const { kept, rows: own } of versions) rows.set(kept!.path, (rows.get(kept!.path) ?? 0) + own)
    if (rows.size > layers) return false
    for (const [path, own] of rows) {
      if ((await engine.inspect(join(root, path))).rows > own) return false
    }
    return true
  }

  /** Writes one file with the rows of `versions`, checked against the ledger, under its temporary name. */
  async #write(
    versions: readonly Version[],
    at: string,
    number: number,
  ): Promise<NonNullable<Version['kept']>> {
    const { root, engine, compression, rowGroupRows } = this.#options
    const { series } = this.#writer.options
    const { dataset } = series
    const partition = partitionOf(dataset, versions[0]!.date)
    const path = mergedPath(series, partition, at, number)
    const file = join(root, path + TEMPORARY_SUFFIX)
    this.#staged.push(file)
    const { metadata } = await engine.inspect(join(root, versions.at(-1)!.kept!.path)) // the story of the newest
    const segment = await engine.openSegment({ dataset, path: file, compression, rowGroupRows, metadata })
    try {
      for (const { kept, date } of versions) {
        const rows = rowsOfSessions(dataset, engine.read(dataset, [join(root, kept!.path)]), new Set([date]))
        for await (const batch of rows) await segment.append(batch)
      }
      await segment.finish()
    } catch (error) {
      await segment.abort()
      throw error
    }
    const sum = await sealFile(file)
    await this.#check(file, versions)
    return { path, ...sum }
  }

  async #check(file: string, versions: readonly Version[]): Promise<void> {
    const { engine } = this.#options
    const { dataset } = this.#writer.options.series
    const { sessions } = await scanContent(dataset, engine.read(dataset, [file]))
    const wrong = versions.find(({ date, rows, digest }) => {
      const found = sessions.get(date)
      return found?.rows !== rows || found.digest !== digest
    })
    if (!wrong && sessions.size === versions.length) return
    throw new IntegrityError(`${wrong?.kept?.path ?? file} no longer holds the rows that it was kept for`, {
      hint: 'Nothing was changed. Run `tapelake verify --deep`, and restore the file from a backup.',
    })
  }
}

/** The n-th version of every session goes into the n-th file: no session twice in one. */
function layersOf(versions: readonly Version[]): readonly (readonly Version[])[] {
  const layers: Version[][] = []
  const depth = new Map<string, number>()
  for (const version of versions) {
    const layer = depth.get(version.date) ?? 0
    depth.set(version.date, layer + 1)
    ;(layers[layer] ??= []).push(version)
  }
  return layers
}
