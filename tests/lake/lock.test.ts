import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DiskError, EXIT, InterruptedError, LockedError } from '../../src/core/errors.ts'
import { takeLock, type LockOptions } from '../../src/lake/lock.ts'
import { killHard, startOther } from '../support/holder.ts'
import { testRoot } from '../support/lake.ts'

const never = () => new AbortController().signal
const options = (folder: string, waitMs = 0): LockOptions => ({
  ...{ folder, name: 'equity_bars_1m/SPY', purpose: 'backfill of SPY equity_bars_1m', waitMs },
})

/** Another process that holds the lock until it is killed. */
async function otherHolder(folder: string) {
  const child = await startOther(`
    import { takeLock } from './src/lake/lock.ts'
    const options = ${JSON.stringify(options(folder))}
    globalThis.held = await takeLock(options, new AbortController().signal)
    console.log('ready')
    setInterval(() => undefined, 1000)
  `)
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

describe('a lock', () => {
  test('is refused while another process holds it, naming its pid and purpose and a way out', async () => {
    const folder = testRoot()
    const other = await otherHolder(folder)
    const refused = takeLock(options(folder), never())
    await expect(refused).rejects.toThrow(LockedError)
    await expect(refused).rejects.toThrow(`process ${other.pid} (backfill of SPY equity_bars_1m, since 20`)
    await expect(refused).rejects.toMatchObject({
      exitCode: EXIT.locked,
      hint: expect.stringContaining('--wait') as string,
    })
  })

  test('of a process killed with SIGKILL is free at once, with nothing to remove', async () => {
    const folder = testRoot()
    await killHard(await otherHolder(folder))
    const lock = await takeLock(options(folder), never())
    await lock.release()
    expect((await readdir(join(folder, 'equity_bars_1m'))).sort()).toEqual(['SPY.lock'])
  })

  test('is waited for as long as asked, and taken when its holder dies', async () => {
    const folder = testRoot()
    const other = await otherHolder(folder)
    const waiting = takeLock(options(folder, 60_000), never())
    let taken = false
    void waiting.then(() => (taken = true))
    await expect(takeLock(options(folder, 150), never())).rejects.toThrow('after waiting 0 s')
    expect(taken).toBe(false)
    await killHard(other)
    await (await waiting).release()
  })

  test('is refused within one process as well, and free after release', async () => {
    const folder = testRoot()
    const first = await takeLock(options(folder), never())
    await expect(takeLock(options(folder), never())).rejects.toThrow(`process ${process.pid} `)
    await first.release()
    const second = await takeLock(options(folder), never())
    await second.release()
  })

  test('of one series does not hold up another', async () => {
    const folder = testRoot()
    const one = await takeLock(options(folder), never())
    const other = await takeLock({ ...options(folder), name: 'equity_bars_1m/QQQ' }, never())
    await Promise.all([one.release(), other.release()])
  })

  test('is given up on as soon as the run is interrupted, also before it began', async () => {
    const folder = testRoot()
    const first = await takeLock(options(folder), never())
    onTestFinished(() => first.release())
    const abort = new AbortController()
    const waiting = takeLock(options(folder, 60_000), abort.signal)
    abort.abort()
    await expect(waiting).rejects.toThrow(InterruptedError)
    await expect(takeLock(options(testRoot()), abort.signal)).rejects.toThrow(InterruptedError)
  })

  test.each(['', '{"pid":', 'null', '{"pid":"x"}'])(
    'is refused as locked, not as a fault, while its note reads %j',
    async (note) => {
      const folder = testRoot()
      const first = await takeLock(options(folder), never())
      onTestFinished(() => first.release())
      await writeFile(join(folder, 'equity_bars_1m', 'SPY.lock.holder'), note)
      await expect(takeLock(options(folder), never())).rejects.toThrow('written by another process')
    },
  )

  test('that cannot be made is a disk error naming the path', async () => {
    const folder = testRoot()
    await mkdir(join(folder, 'equity_bars_1m', 'SPY.lock'), { recursive: true })
    const refused = takeLock(options(folder), never())
    await expect(refused).rejects.toThrow(DiskError)
    await expect(refused).rejects.toThrow(join(folder, 'equity_bars_1m', 'SPY.lock'))
  })
})
