import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attempt, exitCodeOfChecks, fail, ok, warn } from '../../src/cli/doctor/check.ts'
import {
  checkNode,
  checkOneFileSystem,
  checkSpace,
  checkTimeZones,
  checkWritable,
} from '../../src/cli/doctor/machine.ts'
import { startSimulator, type Simulator } from '../../src/simulator/index.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

const KEY = 'sEcReT0123456789'

interface Report {
  readonly ok: boolean
  readonly exitCode: number
  readonly checks: readonly { name: string; level: string; message: string; hint?: string }[]
}

async function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, document } = await runCliJson(['doctor', ...args], { here: true, env })
  const report = document as unknown as Report
  const levels = Object.fromEntries(report.checks.map(({ name, level }) => [name, level]))
  const of = (name: string) => report.checks.find((check) => check.name === name)
  return { code, report, levels, of }
}

describe('doctor, about the machine and the configuration', () => {
  test('finds a healthy machine without a key: exit 4, with both ways out', async () => {
    const { code, report, levels, of } = await doctor(['--offline'])
    expect(levels).toEqual({
      node: 'ok',
      'time-zones': 'ok',
      config: 'ok',
      'data-dir': 'ok',
      'one-file-system': 'ok',
      'disk-space': 'ok',
      lake: 'ok',
      engine: 'ok',
      key: 'fail',
    })
    expect(of('key')?.hint).toMatch(/POLYGON_API_KEY.*--source simulator/)
    expect(report.ok).toBe(false)
    expect(code).toBe(4)
  })

  test('says where the key came from, never the key', async () => {
    const { stdout, stderr, code } = await runHere(['doctor', '--offline'], { env: { POLYGON_API_KEY: KEY } })
    expect(stdout).toContain('ok    key: a key is given by environment POLYGON_API_KEY')
    expect(stdout + stderr).not.toContain(KEY)
    expect(code).toBe(0)
  })

  test('leaves nothing behind', async () => {
    const dataDir = freshFolder()
    await doctor(['--offline', '--data-dir', dataDir], { POLYGON_API_KEY: KEY })
    expect(readdirSync(dataDir)).toEqual([])
  })

  test('names a broken configuration and stops there: exit 2', async () => {
    const config = freshFolder()
    writeFileSync(join(config, 'settings.yaml'), 'paths:\n  date: x\n')
    const { code, levels, of } = await doctor(['--config', config])
    expect(levels).toEqual({ node: 'ok', 'time-zones': 'ok', config: 'fail' })
    expect(of('config')?.message).toContain('settings.yaml:2: paths.date: unknown setting')
    expect(code).toBe(2)
  })

  test('names a data directory that cannot be one: exit 1', async () => {
    const file = join(freshFolder(), 'file')
    writeFileSync(file, '')
    const { code, levels, of } = await doctor(['--offline', '--data-dir', join(file, 'data')], {
      POLYGON_API_KEY: KEY,
    })
    expect(levels).toMatchObject({ 'data-dir': 'fail', 'disk-space': 'fail', engine: 'fail' })
    expect(of('data-dir')?.message).toBe(`${file} is a file, not a folder`)
    expect(of('engine')?.hint).toMatch(/see data-dir/)
    expect(code).toBe(1)
  })

  test('names a lake of a newer version: exit 2', async () => {
    const root = freshFolder()
    const stamp = { schema: { name: 'tapelake.lake', version: 99 }, provenance: 'real', createdAt: 'now' }
    writeFileSync(join(root, 'lake.json'), JSON.stringify(stamp))
    const { code, of } = await doctor(['--offline', '--data-dir', root], { POLYGON_API_KEY: KEY })
    expect(of('lake')).toMatchObject({ level: 'fail', hint: expect.stringContaining('Upgrade') as string })
    expect(code).toBe(2)
  })

  test('tries the engine that is chosen', async () => {
    const env = { POLYGON_API_KEY: KEY, TAPELAKE__SINKS__PARQUET__ENGINE: 'parquetjs-lite' }
    const { of } = await doctor(['--offline'], env)
    expect(of('engine')).toMatchObject({
      level: 'ok',
      message: 'parquetjs-lite writes and reads snappy files',
    })
  })
})

describe('doctor, about the vendor', () => {
  let simulator: Simulator
  beforeAll(async () => {
    simulator = await startSimulator({ keys: [KEY], plan: 'starter' })
  })
  afterAll(() => simulator.close())

  test('tells what the plan covers', async () => {
    const { code, levels, of } = await doctor([], { POLYGON_API_KEY: KEY, POLYGON_REST_URL: simulator.url })
    expect(levels).toMatchObject({ vendor: 'ok', clock: 'ok', budget: 'ok', 'plan:minute_bars': 'ok' })
    expect(of('budget')?.message).toMatch(/^(\d+ of \d+ calls? left|no call limit)/)
    expect(of('plan:minute_bars')?.message).toBe('minute bars: covered by the plan')
    expect(of('plan:trades')?.message).toBe('trades: not covered by the plan')
    expect(code).toBe(0)
  })

  test('tells that the key is wrong: exit 4, in the words of the vendor', async () => {
    const { code, report, of } = await doctor([], {
      POLYGON_API_KEY: 'wrong-key-0123',
      POLYGON_REST_URL: simulator.url,
    })
    expect(of('vendor')).toMatchObject({
      level: 'fail',
      message: expect.stringMatching(/API Key/i) as string,
    })
    expect(JSON.stringify(report)).not.toContain('wrong-key-0123')
    expect(code).toBe(4)
  })

  test('tells that nobody answers: exit 1', async () => {
    const { code, of } = await doctor([], { POLYGON_API_KEY: KEY, POLYGON_REST_URL: 'http://127.0.0.1:9' })
    expect(of('vendor')?.level).toBe('fail')
    expect(of('vendor')?.hint).toBeDefined()
    expect(code).toBe(1)
  })

  describe('with a clock of its own', () => {
    let server: Server
    beforeAll(async () => {
      server = createServer((request, response) => {
        const serverTime = new Date(Date.now() + 90_000).toISOString()
        const asksTheTime = request.url?.includes('marketstatus') === true
        if (!asksTheTime) response.statusCode = 500
        const answer = asksTheTime
          ? { market: 'open', serverTime }
          : { status: 'ERROR', error: 'out of order' }
        response.end(JSON.stringify(answer))
      }).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
    })
    afterAll(() => void server.close())

    test('warns of a wrong clock and of a vendor with a bad day, and ends well', async () => {
      const { port } = server.address() as AddressInfo
      const env = { POLYGON_API_KEY: KEY, POLYGON_REST_URL: `http://127.0.0.1:${port}` }
      const { code, of, levels } = await doctor([], env)
      expect(of('clock')?.message).toMatch(/^this clock is 1 min \d+ s behind the vendor's$/)
      expect(levels).toMatchObject({ clock: 'warn', 'plan:trades': 'warn' })
      expect(code).toBe(0)
    })
  })
})

describe('single checks', () => {
  test.each([
    ['20.18.9', 'fail'],
    ['18.20.0', 'fail'],
    ['20.19.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('Node %s is %s', (version, level) => expect(checkNode(version).level).toBe(level))

  const GIB = 1024 ** 3
  test.each([
    [{ freeBytes: 100 * GIB, freeInodes: 1_000_000 }, 'ok'],
    [{ freeBytes: 100 * GIB, freeInodes: undefined }, 'ok'],
    [{ freeBytes: GIB, freeInodes: 1_000_000 }, 'warn'],
    [{ freeBytes: GIB / 4, freeInodes: 1_000_000 }, 'fail'],
    [{ freeBytes: 100 * GIB, freeInodes: 0 }, 'fail'],
    [{ freeBytes: 100 * GIB, freeInodes: 500 }, 'warn'],
  ])('%o on the disk is %s', (space, level) => expect(checkSpace(space, 512).level).toBe(level))

  test('a folder that will be made is judged by the one above it', async () => {
    const root = freshFolder()
    const check = await checkWritable(join(root, 'a/b'))
    expect(check).toMatchObject({ level: 'ok', message: expect.stringContaining('(will be made)') as string })
    expect(readdirSync(root)).toEqual([])
  })

  test('a lake on one file system is fine, and so is one that is not there', async () => {
    const root = freshFolder()
    mkdirSync(join(root, 'lake'))
    expect((await checkOneFileSystem(root)).level).toBe('ok')
    expect((await checkOneFileSystem(join(root, 'none'))).level).toBe('ok')
  })

  test('the time zones are those of New York', async () => expect((await checkTimeZones()).level).toBe('ok'))

  test('what is thrown is a failure with a hint', async () => {
    const thrown = await attempt('x', 'do this', () => {
      throw new Error('bad')
    })
    expect(thrown).toEqual({ name: 'x', level: 'fail', message: 'bad', hint: 'do this', exitCode: 1 })
  })

  test('the exit code is the one that tells most', () => {
    const disk = fail('disk', '', '', 1)
    const key = fail('key', '', '', 4)
    const config = fail('config', '', '', 2)
    expect(exitCodeOfChecks([ok('a', ''), warn('b', '', '')])).toBe(0)
    expect(exitCodeOfChecks([disk])).toBe(1)
    expect(exitCodeOfChecks([disk, key])).toBe(4)
    expect(exitCodeOfChecks([disk, key, config])).toBe(2)
  })
})
