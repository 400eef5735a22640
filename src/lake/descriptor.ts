import { closeSync, fsync, openSync, read } from 'node:fs'

/**
 * File operations by descriptor. Opening and closing takes a tenth of the time that handing it to another thread
 * does, and is done here; what waits for the disk is handed over.
 */

/** Opens the file or folder at `path`, and closes it after `work`. */
export async function withDescriptor<T>(
  path: string,
  flags: 'r' | 'r+',
  work: (descriptor: number) => Promise<T>,
): Promise<T> {
  const descriptor = openSync(path, flags)
  try {
    return await work(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes content or, of a folder, entries durable. */
export const flush = (descriptor: number): Promise<void> =>
  new Promise((resolve, reject) => fsync(descriptor, (error) => (error ? reject(error) : resolve())))

/** Reads up to `length` bytes from where the file stands to `offset` of `into`. @returns how many */
export const readPart = (
  descriptor: number,
  into: Buffer,
  { offset, length }: { offset: number; length: number },
): Promise<number> =>
  new Promise((resolve, reject) =>
    read(descriptor, into, offset, length, null, (error, bytes) => (error ? reject(error) : resolve(bytes))),
  )
