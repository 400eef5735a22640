import { createHash, webcrypto } from 'node:crypto'
import { existsSync, fstatSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { allEnded } from '../core/all-ended.ts'
import { DiskError, isDiskErrno, PipelineError } from '../core/errors.ts'
import { flush, readPart, withDescriptor } from './descriptor.ts'
import { TEMPORARY_SUFFIX } from './layout.ts'

/**
 * File operations that are on the disk, not only in the page cache, when they return. Errors of the operating
 * system become {@link DiskError} naming the path and what to do.
 */

/** Makes the directory entries of `folder` durable; a rename is not until then. */
export async function fsyncFolder(folder: string): Promise<void> {
  await onDisk(folder, () => withDescriptor(folder, 'r', flush))
}

/** Makes the content of the file at `path` durable. */
export async function fsyncFile(path: string): Promise<void> {
  await onDisk(path, () => withDescriptor(path, 'r+', flush))
}

/** Puts the file at `from` in the place of the one at `to`; durable once the folder is. */
export async function renameFile(from: string, to: string): Promise<void> {
  await onDisk(to, async () => renameSync(from, to))
}

/**
 * Creates `folder` and its parents, one by one; each new entry is durable in its parent. (Node's own recursive
 * mkdir never ends where the system refuses with ENOENT below a folder that exists, as under /proc.)
 */
export async function makeFolder(folder: string): Promise<void> {
  const whole = resolve(folder)
  const missing: string[] = []
  for (let at = whole; !existsSync(at); at = dirname(at)) missing.unshift(at)
  const durable = parentsOf(whole).flatMap((parent) => flushes.get(parent)?.done ?? [])
  try {
    for (const one of missing) {
      await makeEntry(one)
      durable.push(flushSoon(dirname(one)))
    }
  } finally {
    await allEnded(durable)
  }
  if (!statSync(whole).isDirectory()) {
    throw new DiskError(`${whole} is a file, a folder is needed there`, {
      hint: 'Choose another --data-dir, or move the file.',
    })
  }
}

function parentsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...parentsOf(parent)]
}

async function makeEntry(folder: string): Promise<void> {
  try {
    await onDisk(folder, async () => mkdirSync(folder))
  } catch (error) {
    refuseUnlessThere(folder, error)
  }
}

/** Folders whose entries are being made durable: one time for the folders of several months that are made in it. */
const flushes = new Map<string, { started: boolean; readonly done: Promise<void> }>()

function flushSoon(folder: string): Promise<void> {
  const planned = flushes.get(folder)
  if (planned && !planned.started) return planned.done
  const flushing = async (): Promise<void> => {
    await nextTurn()
    plan.started = true
    try {
      await fsyncFolder(folder)
    } finally {
      if (flushes.get(folder) === plan) flushes.delete(folder)
    }
  }
  const plan = { started: false, done: flushing() }
  flushes.set(folder, plan)
  return plan.done
}

function refuseUnlessThere(folder: string, error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EEXIST') return // another process was faster
  if (code !== 'ENOENT') throw error
  throw new DiskError(`cannot create ${folder}: the system allows no folder there`, {
    cause: error,
    hint: 'Choose another --data-dir.',
  })
}

/** Replaces `path` by `content` so that a crash leaves the old file or the new one, never a mixture. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  temporary = path + TEMPORARY_SUFFIX,
): Promise<void> {
  try {
    await onDisk(path, async () => {
      const handle = await open(temporary, 'w')
      try {
        await handle.writeFile(content)
        await handle.sync()
      } finally {
        await handle.close()
      }
      renameSync(temporary, path)
    })
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
  await fsyncFolder(dirname(path))
}

/** Memory that files are hashed through, kept: a new piece for every read would soon be garbage. */
const pieces: Buffer[] = []
const PIECE_BYTES = 512 * 1024

/** What a file is, told by all of its bytes. */
export interface FileSum {
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** SHA-256 of the file at `path`, hexadecimal, read in bounded memory; of small files off the main thread. */
export async function sha256File(path: string): Promise<string> {
  return (await withDescriptor(path, 'r', sumOf)).sha256
}

/** Makes the content of the file at `path` durable, and reads it back. */
export async function sealFile(path: string): Promise<FileSum> {
  const seal = async (descriptor: number): Promise<FileSum> =>
    (await allEnded([sumOf(descriptor), flush(descriptor)]))[0]
  return await onDisk(path, () => withDescriptor(path, 'r+', seal))
}

async function sumOf(descriptor: number): Promise<FileSum> {
  const piece = pieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)
  try {
    const { size } = fstatSync(descriptor)
    const first = await fill(descriptor, piece, size)
    if (first === size && first < PIECE_BYTES) {
      const digest = await webcrypto.subtle.digest('SHA-256', piece.subarray(0, first))
      return { bytes: first, sha256: Buffer.from(digest).toString('hex') }
    }
    const hash = createHash('sha256')
    let total = 0
    for (let bytes = first; bytes > 0; bytes = await fill(descriptor, piece, PIECE_BYTES)) {
      hash.update(piece.subarray(0, bytes))
      total += bytes
    }
    return { bytes: total, sha256: hash.digest('hex') }
  } finally {
    pieces.push(piece)
  }
}

/** Reads on until `piece` is full, `most` bytes are there, or the file ends. @returns how many */
async function fill(descriptor: number, piece: Buffer, most: number): Promise<number> {
  const wanted = Math.min(piece.length, most)
  let filled = 0
  while (filled < wanted) {
    const bytes = await readPart(descriptor, piece, { offset: filled, length: wanted - filled })
    if (bytes === 0) break
    filled += bytes
  }
  return filled
}

/** Runs `work`; what the operating system refuses becomes a DiskError about `path`. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asDiskError(error, path)
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full. Free some space and run the same command again: committed sessions are kept.',
  EDQUOT: 'The disk quota is used up. Free some space and run the same command again.',
  EROFS: 'The file system is read-only. Choose another place with --data-dir or paths.data.',
  EACCES: 'This user may not write there. Change the permissions or choose another --data-dir.',
  EPERM: 'This user may not write there. Change the permissions or choose another --data-dir.',
  ENOTDIR: 'A part of the path is a file. Choose another --data-dir.',
  EIO: 'The device reported an error. Check its health before going on.',
  EMFILE: 'Too many open files. Raise the limit (ulimit -n).',
}

/** `error` as a DiskError about `path` if the operating system raised it, otherwise unchanged. */
export function asDiskError(error: unknown, path: string): unknown {
  if (error instanceof PipelineError || !isDiskErrno(error)) return error
  const hint = HINTS[String(error.code)]
  return new DiskError(`cannot write ${path}: ${error.message}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}
