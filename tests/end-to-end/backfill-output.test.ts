import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { invalid, minuteBars } from '../support/bar-vendor.ts'
import { CLI_BIN, cliEnv, freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { simulate, vendor, vendorEnv } from './world.ts'

const WEEK = '--ticker SPY --from 2025-06-02 --to 2025-06-06'

/** Runs a command inside this process. */
const here = async (args: string, url: string, dataDir = freshFolder(), env: Record<string, string> = {}) =>
  await runHere([...args.split(' '), '--data-dir', dataDir], { env: { ...vendorEnv(url), ...env } })

describe('where nobody reads what is printed', () => {
  test('a backfill goes on to its end, is noted as it ended, and keeps its exit code', async () => {
    const { url } = await vendor({
      bars: (date) => (date === '2025-06-02' ? minuteBars(date).map(invalid) : minuteBars(date)),
    })
    const dataDir = freshFolder()
    const words = `backfill ${WEEK} --no-progress --data-dir ${dataDir}`
    const command = `"${process.execPath}" "${CLI_BIN}" ${words} | true; exit \${PIPESTATUS[0]}`
    const child = spawn('bash', ['-c', command], {
      env: cliEnv({ ...vendorEnv(url), PATH: process.env['PATH'] }),
      stdio: 'ignore',
    })
    expect(await once(child, 'exit')).toEqual([3, null])
    const { document } = await runCliJson(['runs', 'show', 'last', '--data-dir', dataDir], { here: true })
    expect(document).toMatchObject({ state: 'partial', exitCode: 3 })
  })
})

describe('what a backfill tells people', () => {
  test('is what it recorded, refused and dropped, and every kind of hole', async () => {
    const { url } = await vendor({
      bars: (date) => {
        const rows = minuteBars(date)
        if (date === '2025-06-02') return rows.map(invalid)
        return date === '2025-06-03' ? [] : [...rows, rows[0]!, invalid(rows[1]!)]
      },
      hasDailyBar: () => true,
    })
    const { code, stdout, stderr } = await here(`backfill ${WEEK}`, url)
    expect(code).toBe(3)
    expect(stdout).toMatch(
      /^9 rows recorded, \d calls, 6 rows refused \(quarantine\), 3 duplicates dropped$/m,
    )
    expect(stdout).toMatch(
      /^quarantined: SPY equity_bars_1m 2025-06-02: all 3 rows were refused: high_below_low$/m,
    )
    expect(stdout).toMatch(/^missing: SPY equity_bars_1m 2025-06-03: the vendor has a daily bar/m)
    expect(stderr).toMatch(/rows refused, see quarantine/)
    expect(stderr).toMatch(/^quarantined: `tapelake quarantine list` shows/m)
  })

  test('says what to do where the plan does not reach, also when the ledger answers', async () => {
    const { url } = await simulate(['entitlement'])
    const dataDir = freshFolder()
    for (const calls of ['1 call', '0 calls']) {
      const { code, stdout, stderr } = await here(`backfill ${WEEK}`, url, dataDir)
      expect(code).toBe(4)
      expect(stdout).toContain(`0 rows recorded, ${calls}`)
      expect(stderr).toMatch(/^not_entitled: .*after an upgrade, --force asks again/m)
    }
  })

  test('names a failure with its request, and neighbouring sessions as one hole', async () => {
    const { url } = await vendor({
      instead: () => ({ status: 400, body: { error: 'no', request_id: 'vendor-400' } }),
    })
    const { code, stdout, stderr } = await here(`backfill ${WEEK}`, url)
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^failed: SPY .* 2025-06-02 to 2025-06-06 \(5 sessions\): validation: polygon answered 400: no$/m,
    )
    expect(stderr).toContain('vendor-400')
    expect(stderr).toMatch(/^failed: .*tapelake doctor/m)
  })

  test('shows the first holes and counts the others', async () => {
    const { url } = await vendor({
      bars: (date) => (Number(date.slice(-2)) % 2 ? [] : minuteBars(date)),
      hasDailyBar: () => true,
    })
    const { stdout } = await here('backfill --ticker SPY --from 2025-01-02 --to 2025-06-06', url)
    expect(stdout.match(/^missing: /gm)).toHaveLength(20)
    expect(stdout).toMatch(/^… and \d+ more holes; --json lists all$/m)
  })

  test('with -v and -vv: every item, every request, every wait', async () => {
    const simulator = await simulate(['503:first=1'])
    const { code, stderr } = await here(`backfill ${WEEK} -vv`, simulator.url)
    expect(code).toBe(0)
    expect(stderr).toMatch(/5 sessions to record, 1 call/)
    expect(stderr).toMatch(/"path":"\/v2\/aggs/)
    expect(stderr).toMatch(/answered 503.*next try in/)
    expect(stderr).toMatch(/2025-06-02 to 2025-06-06: [\d,]+ rows/)
  })

  test('that a lost ledger was rebuilt', async () => {
    const { url } = await simulate()
    const dataDir = freshFolder()
    await here(`backfill ${WEEK}`, url, dataDir)
    rmSync(`${dataDir}/ledger/equity_bars_1m/SPY.json`)
    const { code, stderr, stdout } = await here(`backfill ${WEEK} --json`, url, dataDir)
    expect(code).toBe(0)
    expect(stderr).toMatch(/equity_bars_1m\/SPY.*ledger was lost.*rebuilt/)
    expect(JSON.parse(stdout)).toMatchObject({ calls: 0, states: { complete: 5 } })
  })
})

describe('a plan', () => {
  test('prints sessions, calls, rows and bytes per series, and the minutes under the limit', async () => {
    const limit = { TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '5' }
    const { url } = await simulate()
    const { code, stdout } = await here('plan --ticker SPY,QQQ --from 2021-01-04', url, freshFolder(), limit)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^equity_bars_1m +SPY +2021-01-04 +2025-06-10 +1,114 +0 +0 +0 +22 +~[\d,]+ +~[\d.]+ MiB$/m,
    )
    expect(stdout).toMatch(/^44 calls, about 8 min at 5 calls a minute$/m)
    const free = await here(`backfill --plan ${WEEK}`, url)
    expect(free.stdout).toMatch(/^1 call, without a call limit$/m)
    const synthetic = await here(`plan ${WEEK} --source simulator`, url, freshFolder(), limit)
    expect(synthetic.stdout).toMatch(/^1 call, without a call limit$/m)
  })

  test('says what is held and what has not ended', async () => {
    const { url } = await simulate()
    const dataDir = freshFolder()
    await here(`backfill ${WEEK}`, url, dataDir)
    const noon = { TAPELAKE_NOW: '2025-06-10T16:00:00Z' }
    const { stdout } = await here(
      'plan --ticker SPY --from 2025-06-02 --to 2025-06-10 --json',
      url,
      dataDir,
      noon,
    )
    expect(JSON.parse(stdout)).toMatchObject({
      schema: { name: 'tapelake.plan', version: 1 },
      calls: 1,
      series: [
        {
          held: 5,
          pending: 1,
          toRecord: 1,
          requests: [{ from: '2025-06-09', to: '2025-06-09', sessions: 1 }],
        },
      ],
    })
  })
})

describe('the embedded simulator', () => {
  test('needs no key and no server, and says that its data is synthetic', async () => {
    const dataDir = freshFolder()
    const { code, stdout } = await runHere(
      [
        'backfill',
        '--ticker',
        'SPY',
        '--last-session',
        '--source',
        'simulator',
        '--data-dir',
        dataDir,
        '--json',
      ],
      { env: { TAPELAKE_NOW: '2025-06-11T02:00:00Z' } },
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ source: 'simulator', states: { complete: 1 } })
  })

  test('a vendor without a key is refused', async () => {
    const { code, stderr } = await runHere([
      'backfill',
      '--ticker',
      'SPY',
      '--days',
      '1',
      '--data-dir',
      freshFolder(),
    ])
    expect(code).toBe(4)
    expect(stderr).toMatch(/no API key/)
  })
})
