import { mkdtemp, open, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EXIT } from '../../core/errors.ts'
import { formatBytes, formatNumber } from '../format.ts'
import { attempt, fail, ok, warn, type Check } from './check.ts'

const MIB = 1024 * 1024
/** Fewer free inodes than this and files can soon not be created, whatever the space. */
const FEW_INODES = 10_000

/** Node and what it brings. `version` as in process.versions.node. */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return ok('node', `Node ${version}`)
  return fail('node', `Node ${version} is too old`, 'Install Node 20.19 or newer.', EXIT.failed)
}

/** Whether the system knows New York's clock: 16:00 there in summer is 20:00 UTC. */
export function checkTimeZones(): Promise<Check> {
  return attempt('time-zones', 'Install a Node with full ICU data (the official builds have it).', () => {
    const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', timeStyle: 'short' })
    const shown = format.format(Date.UTC(2025, 6, 1, 20))
    if (shown !== '16:00') throw new Error(`20:00 UTC on 2025-07-01 is shown as ${shown} in New York`)
    return ok('time-zones', 'time-zone data are there')
  })
}

/** Whether files can be made, made durable and renamed below `dataDir` (or where it would be made). */
export function checkWritable(dataDir: string): Promise<Check> {
  const hint = 'Make it writable for this user, or choose another place with --data-dir or paths.data.'
  return attempt('data-dir', hint, async () => {
    const parent = await existing(dataDir)
    await inProbeFolder(parent, async (folder) => {
      const from = join(folder, 'a.tmp')
      const file = await open(from, 'w')
      await file.writeFile('tapelake doctor')
      await file.sync()
      await file.close()
      await rename(from, join(folder, 'a'))
      const handle = await open(folder, 'r')
      await handle.sync()
      await handle.close()
    })
    const made = parent === dataDir ? '' : ' (will be made)'
    return ok('data-dir', `${dataDir}${made}: files can be written, synced and renamed`)
  })
}

/** Runs `use` with a folder below `parent` that is removed afterwards. */
export async function inProbeFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, '.tapelake-doctor-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** `path`, or the nearest folder above it that exists. */
export async function existing(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined)
    if (found?.isDirectory()) return at
    if (found) throw new Error(`${at} is a file, not a folder`)
    if (dirname(at) === at) throw new Error(`${path}: no part of it exists`)
  }
}

/** Whether the folders of the lake lie on one file system: a commit renames between them. */
export function checkOneFileSystem(dataDir: string): Promise<Check> {
  return attempt('one-file-system', 'Let the whole data directory lie on one file system.', async () => {
    const devices = new Map<number, string>()
    for (const folder of ['.', 'lake', 'ledger', 'quarantine', 'state']) {
      const found = await stat(join(dataDir, folder)).catch(() => undefined)
      if (found && !devices.has(found.dev)) devices.set(found.dev, folder)
    }
    if (devices.size > 1)
      throw new Error(`${[...devices.values()].join(' and ')} lie on different file systems`)
    return ok('one-file-system', 'the data directory lies on one file system')
  })
}

/** What `statfs` tells. */
export interface DiskSpace {
  readonly freeBytes: number
  /** Undefined where the file system does not count them. */
  readonly freeInodes: number | undefined
}

export async function readDiskSpace(dataDir: string): Promise<DiskSpace> {
  const { bavail, bsize, files, ffree } = await statfs(await existing(dataDir))
  return { freeBytes: bavail * bsize, freeInodes: files > 0 ? ffree : undefined }
}

/** Judges the space under the data directory against `disk.minFreeMb`. */
export function checkSpace({ freeBytes, freeInodes }: DiskSpace, minFreeMb: number): Check {
  const name = 'disk-space'
  const free = `${formatBytes(freeBytes)} free`
  const hint = 'Free some space, or choose another place with --data-dir.'
  if (freeBytes < minFreeMb * MIB)
    return fail(name, `${free}, disk.minFreeMb asks for ${minFreeMb} MiB`, hint, EXIT.failed)
  if (freeInodes === 0) return fail(name, 'no inodes are left: no file can be made', hint, EXIT.failed)
  if (freeInodes !== undefined && freeInodes < FEW_INODES)
    return warn(name, `only ${formatNumber(freeInodes)} inodes are left`, hint)
  if (freeBytes < 4 * minFreeMb * MIB) return warn(name, `only ${free}`, hint)
  return ok(name, free)
}
