import { DiskError, IntegrityError, PipelineError, messageOf } from '../../core/errors.ts'
import { asDiskError } from '../durable.ts'

/** DuckDB reports what the operating system refused in words only; these are the words of strerror(3). */
const ERRNO_WORDS: Readonly<Record<string, string>> = {
  'No space left on device': 'ENOSPC',
  'Disk quota exceeded': 'EDQUOT',
  'Read-only file system': 'EROFS',
  'Permission denied': 'EACCES',
  'Operation not permitted': 'EPERM',
  'Input/output error': 'EIO',
  'Not a directory': 'ENOTDIR',
  'Too many open files': 'EMFILE',
}

/** `error` of DuckDB while it wrote `path`: a {@link DiskError} where the disk refused, otherwise unchanged. */
export function writeError(error: unknown, path: string): unknown {
  if (error instanceof PipelineError) return error
  const message = messageOf(error)
  const words = Object.keys(ERRNO_WORDS).find((text) => message.includes(text))
  if (words) {
    const code = ERRNO_WORDS[words]!
    return asDiskError(Object.assign(new Error(`${code}: ${words}`, { cause: error }), { code }), path)
  }
  if (!message.startsWith('Out of Memory Error')) return error
  return new DiskError(`cannot write ${path}: no room in memory nor for temporary data`, {
    cause: error,
    hint: 'Free some disk space for temporary data below the data directory and run the same command again.',
  })
}

/** `error` of DuckDB while it read `paths`, as an {@link IntegrityError} naming the file where DuckDB does. */
export function readError(error: unknown, paths: readonly string[]): unknown {
  if (error instanceof PipelineError) return error
  const message = messageOf(error)
  const path = paths.find((candidate) => message.includes(candidate)) ?? (paths.length === 1 ? paths[0]! : '')
  const where = path === '' ? '' : `${path}: `
  return new IntegrityError(`${where}not a whole Parquet file (${message.split('\n')[0]})`, {
    cause: error,
    hint: 'Run `tapelake verify` to see what differs from the ledger; `backfill --force` records it again.',
  })
}
