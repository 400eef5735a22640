import { existsSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DiskError } from '../../src/core/errors.ts'
import { asDiskError, fsyncFolder, makeFolder, replaceFile, sha256File } from '../../src/lake/durable.ts'
import { interceptOperations, type Operation } from '../support/crash/operations.js'
import { filesBelow, testRoot } from '../support/lake.ts'

class Cut extends Error {}

/** Runs `work`; at its operation number `at` the process is as good as dead: that one and all later ones fail. */
async function cutOff(at: number, work: () => Promise<unknown>, how: 'before' | 'tear' = 'before') {
  const seen: Operation[] = []
  const stop = () => {
    throw new Cut()
  }
  const restore = await interceptOperations({
    before: (operation) => {
      seen.push(operation)
      if (seen.length === at && how === 'tear' && operation.name === 'writeFile') return 'tear'
      return seen.length < at ? undefined : stop()
    },
    torn: stop,
  })
  try {
    await work().catch(() => undefined)
    return seen
  } finally {
    restore()
  }
}

describe('replaceFile', () => {
  const [before, after] = ['old '.repeat(2000), 'new content '.repeat(3000)]

  test('leaves the old file or the new one, never a mixture, cut off at any operation', async () => {
    const folder = testRoot()
    const path = join(folder, 'file')
    const outcomes = new Set<string>()
    const all = await cutOff(Infinity, () => replaceFile(path, after))
    for (const how of ['before', 'tear'] as const) {
      for (let at = 1; at <= all.length; at++) {
        await writeFile(path, before)
        await cutOff(at, () => replaceFile(path, after), how)
        const found = await readFile(path, 'utf8')
        expect([before, after]).toContain(found)
        outcomes.add(found)
      }
    }
    expect(outcomes.size).toBe(2)
  })

  test('is on the disk before it has its name, and its name is before it returns', async () => {
    const path = join(testRoot(), 'file')
    const operations = await cutOff(Infinity, () => replaceFile(path, 'x'))
    const folder = join(path, '..')
    expect(operations.map(({ name, path: at }) => [name, relative(folder, at)])).toEqual([
      ['open', 'file.tmp'],
      ['writeFile', 'file.tmp'],
      ['sync', 'file.tmp'],
      ['rename', 'file.tmp'],
      ['sync', ''],
    ])
  })

  test('writes bytes as well as text, and over what a crash left', async () => {
    const folder = testRoot()
    await writeFile(join(folder, 'file.tmp'), 'left over and longer')
    await replaceFile(join(folder, 'file'), Uint8Array.of(0, 255, 10))
    expect([...(await readFile(join(folder, 'file')))]).toEqual([0, 255, 10])
    expect(await filesBelow(folder)).toEqual(['file'])
  })

  test('that fails leaves nothing behind and names the path', async () => {
    const folder = testRoot()
    await mkdir(join(folder, 'taken', 'full'), { recursive: true }) // a folder stands where the file should go
    await expect(replaceFile(join(folder, 'taken'), 'x')).rejects.toThrow(join(folder, 'taken'))
    expect(await filesBelow(folder)).toEqual([])
  })

  test('into something that is no folder says what to do', async () => {
    const folder = testRoot()
    await writeFile(join(folder, 'file'), '')
    const refused = replaceFile(join(folder, 'file', 'below'), 'x')
    await expect(refused).rejects.toThrow(DiskError)
    await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining('--data-dir') as string })
  })
})

describe('makeFolder', () => {
  test.each(['one', 'one/two/three', 'one/', 'one/two/', './one/./two', 'one/../two'])(
    'makes %s, durably in each parent, given whole or relative',
    async (name) => {
      const root = testRoot()
      const cwd = process.cwd()
      onTestFinished(() => process.chdir(cwd))
      process.chdir(root)
      for (const folder of [name, `${root}/whole/${name}`]) {
        const synced = await cutOff(Infinity, () => makeFolder(folder))
        expect((await stat(resolve(folder))).isDirectory()).toBe(true)
        expect(synced.filter(({ name: what }) => what === 'sync').map(({ path }) => path)).toContain(root)
      }
    },
  )

  test('costs no write where the folder is there already', async () => {
    const root = testRoot()
    expect(await cutOff(Infinity, () => makeFolder(root))).toEqual([])
  })

  test('refuses where a file stands in the way, naming it', async () => {
    const root = testRoot()
    await writeFile(join(root, 'file'), '')
    await expect(makeFolder(join(root, 'file', 'sub'))).rejects.toThrow(DiskError)
    await expect(makeFolder(join(root, 'file'))).rejects.toThrow(`${join(root, 'file')} is a file`)
    await expect(fsyncFolder(join(root, 'nowhere'))).rejects.toThrow('ENOENT')
  })

  test.skipIf(!existsSync('/proc/self'))('ends where the system allows no folder', async () => {
    await expect(makeFolder('/proc/nowhere/data')).rejects.toThrow(/cannot create \/proc\/nowhere/)
  })
})

describe('what the operating system refuses', () => {
  test.each(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EMFILE'])(
    '%s becomes an error that names the path and what to do',
    (code) => {
      const cause = Object.assign(new Error(`${code}: refused`), { code })
      const error = asDiskError(cause, '/data/x')
      expect(error).toBeInstanceOf(DiskError)
      expect(error).toMatchObject({ message: `cannot write /data/x: ${code}: refused`, exitCode: 1, cause })
      expect((error as DiskError).hint).toMatch(/^[A-Z].*\.$/)
    },
  )

  test('everything else stays what it was', () => {
    const own = new DiskError('mine')
    expect(asDiskError(own, 'x')).toBe(own)
    const other = new TypeError('no disk')
    expect(asDiskError(other, 'x')).toBe(other)
  })
})

test('sha256File gives the SHA-256 of a file of any size, links followed', async () => {
  const root = testRoot()
  for (const size of [0, 1, 1 << 20, (1 << 20) + 1, 3_000_000]) {
    const content = Buffer.alloc(size, 'tapelake')
    await writeFile(join(root, `${size}`), content)
    await symlink(join(root, `${size}`), join(root, `${size}.link`))
    expect(await sha256File(join(root, `${size}.link`))).toBe(
      createHash('sha256').update(content).digest('hex'),
    )
  }
})
