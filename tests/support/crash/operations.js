import fs from 'node:fs'
import fsp from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

/**
 * Puts a hook before every file operation that writes, in this process, whoever calls it: those of node:fs/promises, and
 * of node:fs those that the lake uses.
 * Typings and meaning: operations.d.ts.
 */
export async function interceptOperations({ before, torn, handles = false }) {
  const handle = await fsp.open('/dev/null', 'r')
  const prototype = Object.getPrototypeOf(handle)
  await handle.close()
  const { open, writeFile, rename } = fsp
  const { write } = prototype
  const undo = []

  const wrap = (owner, name, wrapper) => {
    const original = owner[name]
    owner[name] = wrapper(original)
    undo.push(() => (owner[name] = original))
  }
  /** Half of `content` gets into `file`, after what an append finds there. */
  const tear = async (file, content) => {
    const whole = Buffer.from(content)
    await write.call(file, whole.subarray(0, Math.floor(whole.length / 2)))
    await torn()
  }

  for (const name of ['mkdir', 'rm', 'unlink']) {
    wrap(fsp, name, (original) => async (path, ...rest) => {
      await before({ name, path: String(path) })
      return await original(path, ...rest)
    })
  }
  wrap(fsp, 'link', (original) => async (from, to) => {
    await before({ name: 'link', path: String(from), to: String(to) })
    return await original(from, to)
  })
  wrap(fsp, 'rename', () => async (from, to) => {
    await before({ name: 'rename', path: String(from), to: String(to) })
    return await rename(from, to)
  })
  wrap(fsp, 'writeFile', () => async (path, content, ...rest) => {
    const what = await before({ name: 'writeFile', path: String(path) })
    if (what === 'tear') await tear(await open(path, 'w'), content)
    return await writeFile(path, content, ...rest)
  })
  wrap(fs, 'mkdirSync', (original) => (path, ...rest) => {
    before({ name: 'mkdir', path: String(path) })
    return original(path, ...rest)
  })
  wrap(fs, 'renameSync', (original) => (from, to) => {
    before({ name: 'rename', path: String(from), to: String(to) })
    return original(from, to)
  })
  const opened = new Map()
  wrap(fs, 'openSync', (original) => (path, ...rest) => {
    const descriptor = original(path, ...rest) // itself changes nothing on the disk: the lake opens for reading and to sync
    opened.set(descriptor, String(path))
    return descriptor
  })
  wrap(fs, 'fsync', (original) => (descriptor, done) => {
    try {
      before({ name: 'sync', path: opened.get(descriptor) ?? '' })
    } catch (error) {
      return done(error)
    }
    return original(descriptor, done)
  })
  const paths = new WeakMap()
  wrap(fsp, 'open', () => async (path, ...rest) => {
    await before({ name: 'open', path: String(path) })
    const file = await open(path, ...rest)
    paths.set(file, String(path))
    return file
  })
  for (const name of ['sync', 'writeFile']) {
    wrap(
      prototype,
      name,
      (original) =>
        async function (...args) {
          const path = paths.get(this) ?? ''
          const what = await before({ name, path })
          if (what === 'tear' && name === 'writeFile') await tear(this, args[0])
          return await original.apply(this, args)
        },
    )
  }
  if (handles) {
    wrap(
      prototype,
      'datasync',
      (original) =>
        async function (...args) {
          await before({ name: 'sync', path: paths.get(this) ?? '' })
          return await original.apply(this, args)
        },
    )
    wrap(
      prototype,
      'write',
      (original) =>
        async function (bytes, offset, length, ...rest) {
          const what = await before({ name: 'write', path: paths.get(this) ?? '' })
          const isShort = what === 'short' && length > 1
          return await original.call(this, bytes, offset, isShort ? length >> 1 : length, ...rest)
        },
    )
  }
  syncBuiltinESMExports()
  return () => {
    for (const restore of undo) restore()
    syncBuiltinESMExports()
  }
}
