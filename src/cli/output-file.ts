import { createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { UsageError } from '../core/errors.ts'
import { asDiskError, fsyncFile } from '../lake/durable.ts'
import type { RunContext } from './context.ts'

/**
 * Writes the file `path` (relative to where the program was started) by `write`, so that it is there
 * whole or not at all; an older file of that name stays until then.
 *
 * @throws {UsageError} when it would lie inside the data directory, where only the lake writes; when its folder does
 *   not exist or it is a folder itself
 * @throws {DiskError} what the operating system refuses
 */
export async function writeWhole(
  path: string,
  { terminal, config }: Pick<RunContext, 'terminal' | 'config'>,
  write: (file: Writable) => Promise<void>,
): Promise<void> {
  const target = resolve(terminal.cwd, path)
  const inside = relative(config.dataDir, target)
  if (!inside.startsWith('..') && !isAbsolute(inside))
    throw new UsageError(`--output ${path} lies inside the data directory`, { hint: 'Choose another place.' })
  await assertPlace(path, target)
  const temporary = `${target}.${process.pid}.tmp`
  const file = createWriteStream(temporary)
  try {
    await write(file)
    file.end()
    await finished(file)
    await fsyncFile(temporary)
    await rename(temporary, target)
  } catch (error) {
    file.destroy()
    await rm(temporary, { force: true })
    throw asDiskError(error, target)
  }
}

/** @throws {UsageError} when no file can be put at `target`, which `--output` calls `path` */
async function assertPlace(path: string, target: string): Promise<void> {
  const folder = dirname(target)
  const hint = 'Make the folder first, or choose another place.'
  if ((await isFolder(folder)) !== true)
    throw new UsageError(`--output ${path}: there is no folder ${folder}`, { hint })
  if ((await isFolder(target)) === true)
    throw new UsageError(`--output ${path} is a folder`, { hint: 'Name a file in it.' })
}

/** Undefined where there is nothing. @throws {DiskError} where it may not be looked at */
async function isFolder(path: string): Promise<boolean | undefined> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw asDiskError(error, path)
  }
}
