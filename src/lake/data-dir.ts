import { readdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DiskError } from '../core/errors.ts'
import { makeFolder, onDisk } from './durable.ts'
import { dataPaths, TEMPORARY_SUFFIX } from './layout.ts'
import { readStamp } from './stamp.ts'

/**
 * Makes sure that the data directory can be written before anything is asked for: it exists, is ours to write
 * and has room.
 *
 * @param minFreeMb free space below which nothing is written, MiB
 * @throws {DiskError} naming the path and what is wrong with it
 * @throws {LakeMismatchError} when a newer tapelake made it
 */
export async function checkDataDir(root: string, minFreeMb: number): Promise<void> {
  const { state, scratch } = dataPaths(root)
  await makeFolder(state)
  const probe = join(state, `probe${TEMPORARY_SUFFIX}`) // one name, so that a crash leaves one at most
  try {
    await onDisk(root, () => writeFile(probe, 'probe'))
  } finally {
    await rm(probe, { force: true }).catch(() => undefined)
  }
  await sweepScratch(scratch)
  const { bavail, bsize } = await statfs(root)
  const freeMb = Math.floor((bavail * bsize) / 2 ** 20)
  if (freeMb < minFreeMb) {
    throw new DiskError(`only ${freeMb} MiB are free under ${root}, ${minFreeMb} are asked for`, {
      hint: 'Free some space, choose another --data-dir, or lower disk.minFreeMb.',
    })
  }
  await readStamp(root)
}

const SCRATCH_KEPT_MS = 3_600_000

/**
 * Removes what killed runs left in the scratch folder: entries called `…-<pid>-…` whose process is gone and that
 * nobody has written to for an hour (a process of another machine or container cannot be seen from here).
 */
async function sweepScratch(scratch: string): Promise<void> {
  for (const name of await readdir(scratch).catch(() => [])) {
    const pid = /-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || isAlive(Number(pid))) continue
    const path = join(scratch, name)
    if (Date.now() - (await lastWriteMs(path)) < SCRATCH_KEPT_MS) continue
    await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When `folder` or a file in it was written last, epoch milliseconds. */
async function lastWriteMs(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const paths = [folder, ...names.map((name) => join(folder, name))]
  const times = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  return Math.max(...times)
}
