import { resolve } from 'node:path'
import { UsageError } from '../core/errors.ts'
import { createBackup } from '../lake/backup/backup.ts'
import { filesOf, readManifest, snapshotIds, type Manifest } from '../lake/backup/manifest.ts'
import { restoreBackup } from '../lake/backup/restore.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { openLake } from '../lake/index.ts'
import type { SeriesId } from '../lake/layout.ts'
import type { RunContext } from './context.ts'
import { formatBytes, formatNumber, plural } from './format.ts'

/** Flags of `backup`. */
export interface BackupFlags {
  readonly keep?: number
  readonly check?: boolean
  readonly wait?: number
}

/** Flags of `restore`. */
export interface RestoreFlags {
  readonly at?: string
  readonly list?: boolean
  readonly wait?: number
}

/** What `backup` does. */
export async function backup(
  context: RunContext,
  { keep, check, wait = 0 }: BackupFlags,
  dir: string,
): Promise<void> {
  const { config, out, flags, now, signals, telemetry, terminal, logger } = context
  await telemetry
    .begin({ command: 'backup', tickers: [] })
    .catch((error: unknown) =>
      logger.info({ err: error }, 'this run is not noted: the lake is for reading only'),
    )
  const folder = resolve(terminal.cwd, dir)
  await assertLake(config.dataDir)
  const result = await withProgress(context, 'backup', (onSeries) =>
    createBackup({
      ...{ root: config.dataDir, runId: context.runId, folder, keep, check: check ?? false },
      ...{ nowMs: now(), waitMs: wait * 1000, signal: signals.immediate, onSeries },
    }),
  )
  const { manifest, files, bytes, newFiles, newBytes, removed } = result
  const { id, createdAt, provenance, digest } = manifest
  const series = manifest.series.length
  if (flags.json) {
    return out.json('tapelake.backup', 1, {
      ...{
        dataDir: config.dataDir,
        folder,
        id,
        createdAt,
        provenance,
        series,
        files,
        bytes,
        newFiles,
        newBytes,
      },
      ...{ digest, verified: true, removed },
    })
  }
  out.line(
    `Backup ${id}: ${plural(series, 'series', 'series')}, ${plural(files, 'file')}, ${formatBytes(bytes)}; ` +
      `new ${plural(newFiles, 'file')}, ${formatBytes(newBytes)}, read back.`,
  )
  if (removed.length > 0) out.line(`Removed ${plural(removed.length, 'older backup')}.`)
}

/** A mistyped --data-dir must not become the newest backup. */
async function assertLake(root: string): Promise<void> {
  const lake = await openLake(root)
  try {
    if (lake.stamp || (await lake.series()).length > 0) return
  } finally {
    await lake.close()
  }
  throw new UsageError(`${root} holds no lake: there is nothing to back up`, {
    hint: 'Is --data-dir (or paths.data) right, and its disk mounted?',
  })
}

/** What `restore` does. */
export async function restore(context: RunContext, given: RestoreFlags, dir: string): Promise<void> {
  const { config, out, flags, now, signals, terminal } = context
  const folder = resolve(terminal.cwd, dir)
  if (given.list) return await list(context, folder)
  const { dataDir: root, settings } = config
  await checkDataDir(root, settings.disk.minFreeMb)
  const result = await withProgress(context, 'restore', (onSeries) =>
    restoreBackup({
      ...{ folder, root, at: given.at, nowMs: now(), waitMs: (given.wait ?? 0) * 1000 },
      ...{ signal: signals.immediate, onSeries },
    }),
  )
  const { manifest, files, bytes, written, before } = result
  const { id, createdAt, provenance, whole, digest } = manifest
  const series = manifest.series.length
  if (flags.json) {
    return out.json('tapelake.restore', 1, {
      ...{ dataDir: root, folder, id, createdAt, provenance, whole, series, files, bytes, written, digest },
      ...{ equal: true, before: before ?? null },
    })
  }
  out.line(
    `Restored ${id} into ${root}: ${plural(series, 'series', 'series')}, ${plural(files, 'file')}, ` +
      `${formatBytes(bytes)}; equal to the backup, file by file.`,
  )
  if (before !== undefined) out.line(`What was there before is backup ${before} in ${root}/backups.`)
}

async function withProgress<T>(
  context: RunContext,
  label: string,
  work: (onSeries: (done: number, total: number, series: SeriesId) => void) => Promise<T>,
): Promise<T> {
  const progress = await context.progress({ total: 1, label })
  try {
    return await work((done, total, { dataset, ticker }) => {
      progress.setTotal(total)
      progress.update(done, { at: `${dataset.name} ${ticker}` })
    })
  } finally {
    progress.stop()
  }
}

async function list({ out, flags }: RunContext, folder: string): Promise<void> {
  const backups: Manifest[] = []
  for (const id of await snapshotIds(folder)) backups.push(await readManifest(folder, id))
  const described = backups.map((one) => {
    const files = filesOf(one)
    const { id, createdAt, provenance, whole, automatic, digest } = one
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const series = one.series.length
    return {
      id,
      createdAt,
      provenance,
      whole,
      automatic: automatic ?? null,
      series,
      files: files.length,
      bytes,
      digest,
    }
  })
  if (flags.json) return out.json('tapelake.backups', 1, { folder, backups: described })
  if (described.length === 0) return out.note(`${folder} holds no backup.`)
  const rows = described.map(({ id, createdAt, series, files, bytes, automatic }) => [
    ...[id, createdAt, formatNumber(series), formatNumber(files), formatBytes(bytes)],
    automatic === null ? '' : `before ${automatic}`,
  ])
  await out.table(['id', 'made', 'series', 'files', 'size', 'why'], rows, { right: [2, 3, 4] })
}
