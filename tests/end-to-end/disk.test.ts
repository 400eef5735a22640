import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshFolder, runCli } from '../support/cli.ts'
import { expectSameLake, expectVerified } from '../support/crash/witness.ts'
import { BARS, engine, openWriter, visibleRows } from '../support/lake.ts'
import { CAN_MOUNT, smallDisk } from '../support/small-disk.ts'

const DATASETS = ['equity_bars_1m', 'equity_trades']
const SERIES = { ...BARS, ticker: 'THNY' }
const ENV = { TAPELAKE__DISK__MIN_FREE_MB: '0' }

const work = (from: string, to: string, dataDir: string, ...more: readonly string[]) => [
  ...['backfill', '--ticker', 'THNY', '--dataset', DATASETS.join(), '--from', from, '--to', to],
  ...['--source', 'simulator', '--data-dir', dataDir, ...more],
]
const december = (dataDir: string) => runCli(work('2024-12-30', '2024-12-30', dataDir), { env: ENV })
const all = (dataDir: string, ...more: readonly string[]) =>
  runCli(work('2024-12-30', '2025-01-03', dataDir, ...more), { env: ENV })

const homes: string[] = []
function home(): string {
  const folder = freshFolder()
  homes.push(folder)
  return folder
}

let undisturbed: string
let begun: string
beforeAll(async () => {
  ;[undisturbed, begun] = [home(), home()]
  expect((await december(begun)).code).toBe(0)
  cpSync(begun, undisturbed, { recursive: true })
  expect((await all(undisturbed)).code).toBe(0)
})
afterAll(async () => {
  await engine.close()
  for (const folder of homes) rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(!CAN_MOUNT)('a disk that is full (needs permission to mount one)', () => {
  test.each([0, 4, 8, 16, 28, 40])(
    'with %i KiB left: exit 1 names the path and the way out, what is committed stays, the rerun completes',
    async (freeKib) => {
      const disk = smallDisk(4)
      const dataDir = join(disk.path, 'data')
      cpSync(begun, dataDir, { recursive: true })
      const before = await visibleRows(dataDir, SERIES)
      await disk.fill(freeKib * 1024)
      const full = await all(dataDir)
      expect(full.code).toBe(1)
      expect(full.stderr).toContain(`cannot write ${dataDir}`)
      expect(full.stderr).toMatch(/The disk is full\. Free some space and run the same command again/)
      expect((await visibleRows(dataDir, SERIES)).slice(0, before.length)).toEqual(before)
      disk.free()
      await expectVerified(dataDir)
      const again = await all(dataDir)
      expect([again.code, again.stderr]).toEqual([0, expect.not.stringContaining('cannot') as string])
      await expectSameLake(dataDir, undisturbed, DATASETS)
    },
  )

  test('with enough left for the work it is not refused', async () => {
    const disk = smallDisk(4)
    cpSync(begun, join(disk.path, 'data'), { recursive: true })
    await disk.fill(1 << 20)
    expect((await all(join(disk.path, 'data'))).code).toBe(0)
    await expectSameLake(join(disk.path, 'data'), undisturbed, DATASETS)
  })
})

describe.skipIf(!CAN_MOUNT)('a read-only data directory (needs permission to mount one)', () => {
  test('refuses a backfill with exit 1, names the path and another way, and is as before once writable', async () => {
    const disk = smallDisk(4)
    cpSync(begun, join(disk.path, 'data'), { recursive: true })
    disk.readOnly(true)
    for (const dataDir of [join(disk.path, 'data'), join(disk.path, 'new')]) {
      const { code, stderr } = await all(dataDir)
      expect(code).toBe(1)
      expect(stderr).toContain(`cannot write ${dataDir}`)
      expect(stderr).toMatch(/The file system is read-only\. Choose another place with --data-dir/)
    }
    disk.readOnly(false)
    expect((await all(join(disk.path, 'data'))).code).toBe(0)
    await expectSameLake(join(disk.path, 'data'), undisturbed, DATASETS)
  })

  test('can be read in every way, also where only lake and ledger were copied', async () => {
    const disk = smallDisk(4)
    const dataDir = join(disk.path, 'data')
    cpSync(begun, dataDir, { recursive: true })
    rmSync(join(dataDir, 'state'), { recursive: true })
    disk.readOnly(true)
    for (const command of [['status'], ['verify'], ['query', 'SELECT count(*) FROM equity_bars_1m']]) {
      const { code, stderr } = await runCli([...command, '--data-dir', dataDir])
      expect([command[0], code, stderr.includes('cannot')]).toEqual([command[0], 0, false])
    }
  })
})

describe('a series that another process writes', () => {
  test('ends a backfill with exit 6 that names the other pid, and harms nothing', async () => {
    const dataDir = home()
    cpSync(begun, dataDir, { recursive: true })
    const writer = await openWriter(dataDir, SERIES, { purpose: 'backfill of THNY equity_bars_1m' })
    const { code, stderr } = await all(dataDir)
    expect(code).toBe(6)
    expect(stderr).toContain(`written by process ${process.pid} (backfill of THNY equity_bars_1m`)
    await writer.close()
    await expectVerified(dataDir)
    expect((await all(dataDir)).code).toBe(0)
    await expectSameLake(dataDir, undisturbed, DATASETS)
  })

  test('is waited for with --wait', async () => {
    const dataDir = home()
    cpSync(begun, dataDir, { recursive: true })
    const writer = await openWriter(dataDir, SERIES)
    let ended = false
    const waiting = all(dataDir, '--wait', '60').finally(() => (ended = true))
    expect((await all(dataDir, '--wait', '1')).stderr).toContain('after waiting 1 s')
    expect(ended).toBe(false)
    await writer.close()
    expect((await waiting).code).toBe(0)
    await expectSameLake(dataDir, undisturbed, DATASETS)
  })
})
