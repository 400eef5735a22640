import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ERROR_CATEGORIES } from '../../src/core/errors.ts'
import { pruneRuns } from '../../src/lake/run-store.ts'
import { NOW, simulate, vendorEnv } from '../end-to-end/world.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

interface RunDocument {
  readonly id: string
  readonly state: string
  readonly errors: Readonly<Record<string, number>>
}

const WEEK = ['--from', '2025-06-02', '--to', '2025-06-06']

/** A data directory whose vendor answers at `url`. */
function place(url: string) {
  const dataDir = freshFolder()
  const env = vendorEnv(url, 'SECRETKEYOFMINE')
  const at = ['--data-dir', dataDir]
  return {
    dataDir,
    run: (...args: string[]) => runHere([...args, ...at], { env }),
    json: (...args: string[]) => runCliJson([...args, ...at], { env, here: true }),
    runs: async () =>
      (await runCliJson(['runs', ...at], { env, here: true })).document['runs'] as RunDocument[],
  }
}

describe('runs', () => {
  test('tells of each run, newest first, what it did, cost and left', async () => {
    const simulator = await simulate(['500:first=2', 'invalid-rows'])
    const here = place(simulator.url)
    await here.run('backfill', '--ticker', 'SPY', ...WEEK)
    await here.run('backfill', '--ticker', 'SPY', ...WEEK)
    const runs = await here.runs()
    expect(runs.map(({ state }) => state)).toEqual(['ok', 'ok'])
    const { document } = await here.json('runs', 'show', runs[1]!.id)
    expect(document).toMatchObject({
      schema: { name: 'tapelake.run', version: 1 },
      command: 'backfill',
      tickers: ['SPY'],
      state: 'ok',
      exitCode: 0,
      calls: simulator.stats().calls,
      retries: 2,
      sessions: { complete: 5 },
      left: [],
    })
    const { errors, quarantined, rows, durationMs } = document as Record<string, number> & {
      errors: Record<string, number>
    }
    expect(Object.keys(errors)).toEqual(ERROR_CATEGORIES)
    expect(errors).toMatchObject({ server: 2, network: 0, validation: quarantined })
    expect(quarantined).toBeGreaterThan(0)
    expect(rows).toBeGreaterThan(1000)
    expect(durationMs).toBeGreaterThan(0)
    expect(await here.json('runs', 'show', 'last')).toMatchObject({ document: { calls: 0, rows: 0 } })
  })

  test('tells for people what failed and why', async () => {
    const here = place((await simulate(['401'])).url)
    expect(await here.run('backfill', '--ticker', 'SPY', ...WEEK)).toMatchObject({ code: 4 })
    const { stdout } = await here.run('runs', 'show', 'last')
    expect(stdout).toMatch(/backfill of SPY: failed\n/)
    expect(stdout).toMatch(/exit code 4/)
    expect(stdout).toMatch(/errors: authentication 1\n/)
    expect(stdout).toMatch(/ended by authentication: /)
    expect((await here.run('runs', '--state', 'failed')).stdout).toMatch(/backfill +SPY +failed +4 /)
    expect((await here.run('runs', '--ticker', 'QQQ')).stderr).toContain('No run yet')
    expect(await here.run('runs', 'show', 'nonsense')).toMatchObject({ code: 2 })
  })

  test('has no run of a command that recorded nothing, and no secret in any', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill', '--ticker', 'SPY', '--plan')
    await here.run('backfill', '--ticker', 'SPY', '--from', 'never')
    expect(await here.runs()).toEqual([])
    await here.run('backfill', '--ticker', 'SPY', '--last-session', '--config', '/SECRETKEYOFMINE')
    await here.run('backfill', '--ticker', 'SPY,SECRETKEYOFMINE', '--last-session')
    const folder = join(here.dataDir, 'state/runs')
    const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
    expect(texts).toHaveLength(1)
    expect(texts[0]).not.toContain('SECRETKEYOFMINE')
  })

  test('shows a run whose process is gone as died, also where another process has its pid now', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill', '--ticker', 'SPY', '--last-session')
    const [run] = await here.runs()
    const path = join(here.dataDir, 'state/runs', `${run!.id}.json`)
    const record = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    const left = { ...record, state: 'running', exitCode: null, endedAt: null }
    writeFileSync(path, JSON.stringify(left))
    expect(await here.runs()).toMatchObject([{ state: 'running' }])
    writeFileSync(path, JSON.stringify({ ...left, processStart: 'another boot:1' }))
    expect(await here.runs()).toMatchObject([{ state: 'died' }])
    writeFileSync(path, JSON.stringify({ ...left, processStart: null, pid: 2 ** 22 + 1 }))
    expect(await here.runs()).toMatchObject([{ state: 'died' }])
    writeFileSync(path, JSON.stringify({ ...left, host: 'elsewhere', updatedAt: NOW }))
    expect(await here.runs()).toMatchObject([{ state: 'died' }])
    writeFileSync(path, '{"torn')
    expect(await here.runs()).toEqual([])
  })

  test('keeps the newest and forgets the oldest, and what killed runs left half-written', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill', '--ticker', 'SPY', '--last-session')
    const folder = join(here.dataDir, 'state/runs')
    mkdirSync(folder, { recursive: true })
    const record = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as object
    for (let day = 1; day <= 60; day++) {
      const startedAt = new Date(Date.UTC(2020, 0, day)).toISOString()
      writeFileSync(
        join(folder, `old-${day}.json`),
        JSON.stringify({ ...record, id: `old-${day}`, startedAt }),
      )
    }
    const dead = spawnSync('true').pid
    for (const pid of [dead, process.ppid]) writeFileSync(join(folder, `torn.json.${pid}.tmp`), '{"sch')
    await pruneRuns(here.dataDir, 10)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([
      `torn.json.${process.ppid}.tmp`,
    ])
    const left = (await here.runs()).map(({ id }) => id)
    expect(left).toHaveLength(10)
    expect(left.slice(1, 3)).toEqual(['old-60', 'old-59'])
  })
})
