import { open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fsyncFolder, makeFolder, onDisk, renameFile } from './durable.ts'
import { TEMPORARY_SUFFIX } from './layout.ts'

/** A file that is whole and durable under a temporary name. */
export interface StagedFile {
  /** Puts it in its place, durably: readers see the old file or this one. */
  publish(): Promise<void>
  /** Removes it. Never throws. */
  discard(): Promise<void>
}

/**
 * Writes `content` beside `path`, to be put in its place later: what can fail has then failed already.
 *
 * @throws {DiskError} when the disk refuses
 */
export async function stageFile(path: string, content: string): Promise<StagedFile> {
  const temporary = path + TEMPORARY_SUFFIX
  const discard = (): Promise<void> => rm(temporary, { force: true }).catch(() => undefined)
  await makeFolder(dirname(path))
  try {
    await onDisk(path, async () => {
      const handle = await open(temporary, 'w')
      try {
        await handle.writeFile(content)
        await handle.sync()
      } finally {
        await handle.close()
      }
    })
  } catch (error) {
    await discard()
    throw error
  }
  return {
    discard,
    publish: async () => {
      await renameFile(temporary, path)
      await fsyncFolder(dirname(path))
    },
  }
}

/** Removes what killed runs left under temporary names in `folder`, not below it. */
export async function sweepStaged(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await rm(join(folder, name), { force: true }).catch(() => undefined)
  }
}
