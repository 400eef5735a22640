import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { link, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { IntegrityError } from '../../core/errors.ts'
import { fsyncFile, fsyncFolder, makeFolder, onDisk, replaceFile, sha256File } from '../durable.ts'
import { TEMPORARY_SUFFIX } from '../layout.ts'
import type { BackedUpFile } from './manifest.ts'

/** Where the content with a checksum lies, below a backup folder: once, however many backups hold it. */
export const objectPath = (folder: string, sha256: string): string =>
  join(folder, 'objects', sha256.slice(0, 2), sha256)

/** Copies `from` to `to` durably. @returns bytes and checksum of what was copied @throws {DiskError} */
export async function copyDurably(
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<Pick<BackedUpFile, 'bytes' | 'sha256'>> {
  const hash = createHash('sha256')
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  // What a killed run left there may be a second name of a file of the lake: it must never be written to.
  await onDisk(to, () => rm(to, { force: true }))
  await onDisk(to, () => {
    // opened no earlier: where the file has gone, nobody would be there yet to take the error
    const source = createReadStream(from, { highWaterMark: 1 << 20 })
    return pipeline(source, counter, createWriteStream(to, { flags: 'wx' }), { signal })
  })
  await fsyncFile(to)
  return { bytes, sha256: hash.digest('hex') }
}

export interface ObjectStoreOptions {
  readonly folder: string
  /** Give files of the lake a second name instead of copying them, where the file system can. */
  readonly link: boolean
  /** Read objects that were there before again, too. */
  readonly check: boolean
  readonly signal: AbortSignal
}

/** Files that are only ever replaced as a whole: a second name of them keeps what they were. Journals grow in place. */
const NEVER_REWRITTEN = /^(lake|history)\//

/** Contents of files, each under its checksum, written once and read back. */
export class ObjectStore {
  readonly #options: ObjectStoreOptions
  readonly #touched = new Set<string>()
  /** Written by this run, and found there. */
  newFiles = 0
  newBytes = 0
  reused = 0

  constructor(options: ObjectStoreOptions) {
    this.#options = options
  }

  /** Takes a small content. */
  async putText(path: string, content: string | Buffer): Promise<BackedUpFile> {
    const bytes = Buffer.byteLength(content)
    const sha256 = createHash('sha256').update(content).digest('hex')
    if (await this.#holds({ bytes, sha256 })) return { path, bytes, sha256 }
    const place = await this.#place(sha256)
    await replaceFile(place, content)
    await this.#readBack(place, { bytes, sha256 })
    return { path, bytes, sha256 }
  }

  /**
   * Takes the file at `source`, which must be what `expected` says where that is given.
   *
   * @returns undefined when it is something else, or gone: a writer was faster
   */
  async putFile(
    path: string,
    source: string,
    expected?: Pick<BackedUpFile, 'bytes' | 'sha256'>,
  ): Promise<BackedUpFile | undefined> {
    if (expected && (await this.#holds(expected)))
      return { path, bytes: expected.bytes, sha256: expected.sha256 }
    const temporary = join(this.#options.folder, 'objects', `${randomUUID()}${TEMPORARY_SUFFIX}`)
    await makeFolder(dirname(temporary))
    try {
      const found = await this.#take(path, source, temporary)
      if (!found || (expected && found.sha256 !== expected.sha256)) return undefined
      if (await this.#holds(found)) return { path, ...found }
      const place = await this.#place(found.sha256)
      await onDisk(place, () => rename(temporary, place))
      await this.#readBack(place, found)
      return { path, ...found }
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }

  async #take(
    path: string,
    source: string,
    temporary: string,
  ): Promise<Pick<BackedUpFile, 'bytes' | 'sha256'> | undefined> {
    const { signal } = this.#options
    const wanted = this.#options.link && NEVER_REWRITTEN.test(path)
    try {
      const linked =
        wanted &&
        (await link(source, temporary).then(
          () => true,
          () => false,
        ))
      if (!linked) return await copyDurably(source, temporary, signal)
      return { bytes: (await stat(temporary)).size, sha256: await sha256File(temporary) }
    } catch (error) {
      const cause = (error as { cause?: NodeJS.ErrnoException }).cause ?? (error as NodeJS.ErrnoException)
      if (cause.code === 'ENOENT' && !(await stat(source).catch(() => undefined))) return undefined
      throw error
    }
  }

  async #holds({ bytes, sha256 }: Pick<BackedUpFile, 'bytes' | 'sha256'>): Promise<boolean> {
    const place = objectPath(this.#options.folder, sha256)
    const held = await stat(place).catch(() => undefined)
    const fresh = this.#touched.has(place)
    if (held?.size !== bytes) return false
    if (this.#options.check && !fresh && (await sha256File(place)) !== sha256) return false // it is written anew
    if (!fresh) this.reused++
    this.#touched.add(place)
    return true
  }

  async #place(sha256: string): Promise<string> {
    const place = objectPath(this.#options.folder, sha256)
    await makeFolder(dirname(place))
    return place
  }

  /** @throws {IntegrityError} when the disk does not give back what was written */
  async #readBack(place: string, { bytes, sha256 }: Pick<BackedUpFile, 'bytes' | 'sha256'>): Promise<void> {
    this.newFiles++
    this.newBytes += bytes
    this.#touched.add(place)
    if ((await sha256File(place)) === sha256) return
    throw new IntegrityError(`${place}: read back something else than was written`, {
      hint: 'Check the disk of the backup; this backup was not completed.',
    })
  }

  /** Makes the names of everything that was written durable. */
  async sync(): Promise<void> {
    for (const folder of new Set([...this.#touched].map((path) => dirname(path)))) await fsyncFolder(folder)
  }
}

/** Removes objects that no backup in `kept` holds, and what killed runs left. @returns how many */
export async function sweepObjects(folder: string, kept: ReadonlySet<string>): Promise<number> {
  const objects = join(folder, 'objects')
  let removed = 0
  for (const entry of await readdir(objects, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile() || kept.has(entry.name)) continue
    const path = join(entry.parentPath, entry.name)
    await onDisk(path, () => rm(path, { force: true }))
    removed++
  }
  return removed
}
