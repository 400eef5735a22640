import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DiskError, LakeMismatchError } from '../../src/core/errors.ts'
import { checkDataDir } from '../../src/lake/data-dir.ts'
import { LAKE_FORMAT } from '../../src/lake/stamp.ts'
import { killHard, startOther } from '../support/holder.ts'
import { filesBelow, testRoot } from '../support/lake.ts'

describe('checkDataDir', () => {
  test('makes the folder, however deep, and leaves no file in it', async () => {
    const root = join(testRoot(), 'a', 'b')
    await checkDataDir(root, 0)
    await checkDataDir(root, 0)
    expect(await filesBelow(root)).toEqual([])
  })

  test('refuses too little room, naming how much is free, and the folder', async () => {
    const root = testRoot()
    const refused = checkDataDir(root, 2 ** 40)
    await expect(refused).rejects.toThrow(DiskError)
    await expect(refused).rejects.toThrow(
      new RegExp(`only \\d+ MiB are free under ${root}, 1099511627776 are`),
    )
    await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining('minFreeMb') as string })
  })

  test('refuses a path that is a file, naming it', async () => {
    const root = join(testRoot(), 'file')
    await writeFile(root, '')
    await expect(checkDataDir(root, 0)).rejects.toThrow(DiskError)
    await expect(checkDataDir(root, 0)).rejects.toThrow(root)
  })

  test('refuses the directory of a newer tapelake before anything is asked for', async () => {
    const root = testRoot()
    const schema = { name: 'tapelake.lake', version: LAKE_FORMAT + 1 }
    await writeFile(join(root, 'lake.json'), JSON.stringify({ schema, provenance: 'real', createdAt: '' }))
    await expect(checkDataDir(root, 0)).rejects.toThrow(LakeMismatchError)
  })

  test('removes what killed runs left in the scratch folder, and nothing that may be in use', async () => {
    const root = testRoot()
    const scratch = join(root, 'state', 'scratch')
    const other = await startOther(`console.log('ready'); setInterval(() => undefined, 1000)`)
    await killHard(other)
    const longAgo = new Date(Date.now() - 2 * 3600_000)
    const make = async (name: string, when: Date) => {
      await mkdir(join(scratch, name), { recursive: true })
      await writeFile(join(scratch, name, 'spill'), 'rows')
      await utimes(join(scratch, name, 'spill'), when, when)
      await utimes(join(scratch, name), when, when)
    }
    await make(`duckdb-${other.pid}-1`, longAgo)
    await make(`duckdb-${other.pid}-2`, new Date())
    await make(`duckdb-${process.pid}-1`, longAgo)
    await make('somebody-elses', longAgo)
    await checkDataDir(root, 0)
    expect((await readdir(scratch)).sort()).toEqual(
      [`duckdb-${other.pid}-2`, `duckdb-${process.pid}-1`, 'somebody-elses'].sort(),
    )
  })
})
