import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { throwIfAborted } from '../../core/abort.ts'
import { messageOf } from '../../core/errors.ts'
import { refuseFile } from './import-error.ts'

/** What a file holds, by its first bytes; the name does not matter. */
export type ImportKind = 'csv' | 'json' | 'parquet'

export interface ImportFile {
  readonly path: string
  readonly kind: ImportKind
  readonly gzipped: boolean
  readonly bytes: number
  /** Names in the first line of a CSV file; none for other kinds. */
  readonly header: readonly string[]
}

const HEAD_BYTES = 64 * 1024

/**
 * Looks at the file at `path`. A gzipped one is read to its end, since only its last bytes tell whether it is whole.
 *
 * @throws {ImportRefusedError} when it cannot be read, is empty, or is a damaged or cut-off gzip file
 */
export async function inspectFile(path: string, signal: AbortSignal): Promise<ImportFile> {
  const raw = await readHead(path)
  if (raw.length === 0) throw refuseFile(path, 'the file is empty')
  const { size: bytes } = await stat(path)
  const gzipped = raw[0] === 0x1f && raw[1] === 0x8b
  const head = gzipped ? await unpackAll(path, signal) : raw
  const kind = kindOf(head)
  const header = kind === 'csv' ? headerOf(head, path) : []
  return { path, kind, gzipped, bytes, header }
}

async function readHead(path: string): Promise<Buffer> {
  try {
    const handle = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw refuseFile(path, `cannot be read: ${messageOf(error)}`, error)
  }
}

/** Unpacks the whole file, which checks its checksum and its end, and keeps the beginning. */
async function unpackAll(path: string, signal: AbortSignal): Promise<Buffer> {
  const head: Buffer[] = []
  let kept = 0
  try {
    const source = createReadStream(path, { highWaterMark: 1 << 20 })
    const unpacked = createGunzip({ chunkSize: 1 << 20 })
    source.on('error', (error) => unpacked.destroy(error))
    for await (const chunk of source.pipe(unpacked)) {
      throwIfAborted(signal)
      const part = (chunk as Buffer).subarray(0, HEAD_BYTES - kept)
      if (part.length > 0) head.push(Buffer.from(part))
      kept += part.length
    }
  } catch (error) {
    throwIfAborted(signal)
    throw refuseFile(path, `damaged or cut-off gzip: ${messageOf(error)}`, error)
  }
  if (kept === 0) throw refuseFile(path, 'the gzip file holds nothing')
  return Buffer.concat(head)
}

function kindOf(head: Buffer): ImportKind {
  if (head.subarray(0, 4).toString('latin1') === 'PAR1') return 'parquet'
  const first = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart()[0]
  return first === '{' || first === '[' ? 'json' : 'csv'
}

function headerOf(head: Buffer, path: string): string[] {
  const [line = ''] = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/, 1)
  const names = line.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw refuseFile(`${path}:1`, `the header names '${twice}' twice`)
  if (names.includes('')) throw refuseFile(`${path}:1`, 'the header has a column without a name')
  return names
}
