import { rm, statfs, writeFile } from 'node:fs/promises'
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
  const { state } = dataPaths(root)
  await makeFolder(state)
  const probe = join(state, `probe-${process.pid}${TEMPORARY_SUFFIX}`)
  try {
    await onDisk(root, () => writeFile(probe, 'probe'))
  } finally {
    await rm(probe, { force: true }).catch(() => undefined)
  }
  const { bavail, bsize } = await statfs(root)
  const freeMb = Math.floor((bavail * bsize) / 2 ** 20)
  if (freeMb < minFreeMb) {
    throw new DiskError(`only ${freeMb} MiB are free under ${root}, ${minFreeMb} are asked for`, {
      hint: 'Free some space, choose another --data-dir, or lower disk.minFreeMb.',
    })
  }
  await readStamp(root)
}
