import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { CLI_BIN, cliEnv } from '../support/cli.ts'
import { minuteBars } from '../support/bar-vendor.ts'
import { runProgram } from './program.ts'
import { NOW, Place, simulate, vendor } from './world.ts'

const WEEK = '--from 2025-06-02 --to 2025-06-06'

describe('a backfill', () => {
  test('says in one document what it did, and the lake holds exactly that', async () => {
    const place = new Place((await simulate()).url)
    const { code, document, stderr } = await place.backfill(`--ticker SPY ${WEEK}`)
    expect(code).toBe(0)
    expect(Object.keys(document)[0]).toBe('schema')
    expect(document).toMatchObject({
      schema: { name: 'tapelake.backfill', version: 1 },
      calls: 1,
      quarantined: 0,
      holes: [],
      states: { complete: 5 },
    })
    expect(document.sessions.map(({ date }) => date)).toEqual([
      '2025-06-02',
      '2025-06-03',
      '2025-06-04',
      '2025-06-05',
      '2025-06-06',
    ])
    const counted = document.sessions.reduce((sum, { rows }) => sum + rows, 0)
    expect(counted).toBe(document.rows)
    expect(await place.rows()).toHaveLength(counted)
    expect(stderr).not.toContain('{')
  })

  test('run again asks for nothing and changes no file; forced, it rewrites no file that is the same', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url)
    await place.backfill(`--ticker SPY ${WEEK}`)
    const before = place.files()
    const asked = simulator.stats().calls

    const again = await place.backfill(`--ticker SPY ${WEEK}`)
    expect(again).toMatchObject({ code: 0, document: { calls: 0, rows: 0 } })
    expect(simulator.stats().calls).toBe(asked)
    expect(place.files()).toEqual(before)

    const forced = await place.backfill(`--ticker SPY ${WEEK} --force`)
    expect(forced).toMatchObject({ code: 0, document: { calls: 1 } })
    expect(place.files()).toEqual(before)
  })

  test('goes on where it stands: later days cost only themselves, holes are filled, nothing is written twice', async () => {
    const place = new Place((await simulate()).url)
    await place.backfill('--ticker SPY --from 2025-06-04 --to 2025-06-04')
    const more = await place.backfill(`--ticker SPY ${WEEK}`)
    expect(more.document.states).toEqual({ complete: 5 })
    const whole = new Place((await simulate()).url)
    const { document } = await whole.backfill(`--ticker SPY ${WEEK}`)
    expect(await place.rows()).toEqual(await whole.rows())
    expect(more.document.rows).toBeLessThan(document.rows)
  })

  test('makes as many calls as the plan says, and the plan makes none', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url)
    const flags = '--ticker SPY,QQQ --from 2025-02-03 --to 2025-06-06'
    const plan = JSON.parse((await place.run(`plan --json ${flags}`)).stdout) as {
      calls: number
      schema: object
    }
    const dry = JSON.parse((await place.run(`backfill --plan --json ${flags}`)).stdout) as { calls: number }
    expect(Object.keys(plan)[0]).toBe('schema')
    expect(dry).toEqual(plan)
    expect(simulator.stats().calls).toBe(0)
    expect(place.paths()).toEqual([])
    const { document } = await place.backfill(flags)
    expect(document.calls).toBe(plan.calls)
    expect(simulator.stats().calls).toBe(plan.calls)
    const rest = JSON.parse((await place.run(`plan --json ${flags}`)).stdout) as { calls: number }
    expect(rest.calls).toBe(0)
  })

  test('takes several tickers and datasets at once, each a series of its own', async () => {
    const place = new Place((await simulate()).url)
    const { code, document } = await place.backfill(
      '--ticker SPY --ticker THNY --dataset equity_bars_1d,equity_bars_1h,dividends,splits --from 2025-03-03 --to 2025-06-06',
    )
    expect(code).toBe(0)
    const series = new Set(document.sessions.map(({ ticker, dataset }) => `${ticker} ${dataset}`))
    expect(series.size).toBe(8)
    for (const dataset of ['equity_bars_1d', 'equity_bars_1h', 'dividends', 'splits']) {
      const told = document.sessions
        .filter((one) => one.dataset === dataset)
        .reduce((sum, { rows }) => sum + rows, 0)
      expect([dataset, (await place.rows(dataset)).length]).toEqual([dataset, told])
    }
    expect(document.states).toEqual({
      complete: document.sessions.filter(({ rows }) => rows > 0).length,
      empty: document.sessions.filter(({ rows }) => rows === 0).length,
    })
  })

  test('keeps ticks page after page, every one of them', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url)
    const { document } = await place.backfill(
      '--ticker THNY --dataset trades,quotes --from 2025-06-05 --to 2025-06-06',
    )
    expect(document.states).toEqual({ complete: 4 })
    for (const dataset of ['equity_trades', 'equity_quotes']) {
      const told = document.sessions
        .filter((one) => one.dataset === dataset)
        .reduce((sum, { rows }) => sum + rows, 0)
      expect(await place.rows(dataset)).toHaveLength(told)
    }
  })

  test('of the last session before the close of extended hours takes the day before', async () => {
    const place = new Place((await simulate()).url)
    const early = await place.backfill('--ticker SPY --last-session', {
      env: { TAPELAKE_NOW: '2025-06-10T23:59:59Z' },
    })
    const late = await place.backfill('--ticker SPY --last-session')
    expect([early, late].map(({ document }) => document.sessions.map(({ date }) => date))).toEqual([
      ['2025-06-09'],
      ['2025-06-10'],
    ])
  })

  test("takes today's unfinished session as pending, and completes it when it has ended", async () => {
    const place = new Place((await simulate()).url)
    const flags = '--ticker SPY --from 2025-06-09 --to 2025-06-10'
    const noon = await place.backfill(flags, { env: { TAPELAKE_NOW: '2025-06-10T16:00:00Z' } })
    expect(noon.code).toBe(0)
    expect(noon.document.states).toEqual({ complete: 1, pending: 1 })
    const evening = await place.backfill(flags)
    expect(evening.document.states).toEqual({ complete: 2 })
  })

  test('prints a table for people and progress on stderr, without a bar where there is no terminal', async () => {
    const place = new Place((await simulate()).url)
    const { code, stdout, stderr } = await place.run(`backfill --ticker SPY ${WEEK}`)
    expect(code).toBe(0)
    expect(stdout).toMatch(/SPY +2025-06-02 +2025-06-06 +5 .*5 complete/)
    expect(stdout).toMatch(/rows recorded, 1 call$/m)
    expect(stderr).toMatch(/^backfill: 5 of 5 .*rows · 1 calls?/m)
    expect(stdout + stderr).not.toContain('\u001b[')
    const quiet = await place.run(`backfill --ticker SPY ${WEEK} --quiet`)
    expect(quiet.stderr).toBe('')
  })

  test('does not take the local time zone of the machine for that of the exchange', async () => {
    const server = await vendor()
    const runs = ['Asia/Tokyo', 'UTC', 'Pacific/Honolulu'].map(async (TZ) => {
      const place = new Place(server.url, { TZ })
      await place.backfill('--ticker SPY --days 2')
      return await place.rows()
    })
    const [first, ...others] = await Promise.all(runs)
    expect(first).toHaveLength(2 * minuteBars('2025-06-10').length)
    for (const other of others) expect(other).toEqual(first)
  })
})

const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0

describe.skipIf(!hasPython)('on a terminal', () => {
  test('a backfill draws a bar with sessions, rows and calls', async () => {
    const place = new Place((await simulate()).url)
    const args = ['backfill', '--ticker', 'SPY', '--days', '60', '--data-dir', place.dataDir]
    // The bar goes to stderr: only that is given the terminal.
    const script = [
      'import os, pty, subprocess, sys',
      'parent, child = pty.openpty()',
      'run = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=child)',
      'os.close(child)',
      'seen = b""',
      'while True:',
      '  try: part = os.read(parent, 4096)',
      '  except OSError: break',
      '  if not part: break',
      '  seen += part',
      'sys.stdout.buffer.write(seen)',
      'sys.exit(run.wait())',
    ].join('\n')
    const env = cliEnv({ ...place.env, TERM: 'xterm', COLUMNS: '120', TAPELAKE_NOW: NOW })
    const { code, stdout } = await runProgram(
      'python3',
      ['-c', script, process.execPath, CLI_BIN, ...args],
      env,
    )
    expect(code).toBe(0)
    expect(stdout).toContain('█')
    expect(stdout).toMatch(/60\/60 .*rows · 2 calls/)
  })
})
