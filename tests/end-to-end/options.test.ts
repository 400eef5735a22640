import { readFileSync, existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { parseFault } from '../../src/simulator/faults/parse.ts'
import { startSimulator, type Simulator } from '../../src/simulator/index.ts'
import { discoveredDates, loadContracts } from '../../src/pipeline/discovery.ts'
import { freshFolder, runCli, runHere } from '../support/cli.ts'
import { getAll, minutes } from '../simulator/support.ts'

/** Friday 2025-06-06 17:30 in New York: the session of options is over. */
const NOW = '2025-06-06T21:30:00Z'
const DAY = '2025-06-05'

const open: Simulator[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((simulator) => simulator.close()))
})

interface Desk {
  readonly simulator: Simulator
  readonly folder: string
  readonly env: Record<string, string>
}

/** A vendor whose clock and faults are ours, and an empty folder. */
async function desk(faults: readonly string[] = [], now = NOW, folder = freshFolder()): Promise<Desk> {
  const simulator = await startSimulator({ now: () => Date.parse(now), faults: faults.map(parseFault) })
  open.push(simulator)
  const env = {
    POLYGON_API_KEY: 'a-key',
    POLYGON_REST_URL: simulator.url,
    TAPELAKE_NOW: now,
    TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '0',
    TAPELAKE__RETRY__SERVER__RETRIES: '0',
    TAPELAKE__RETRY__NETWORK__BASE_MS: '1',
    TAPELAKE__RETRY__NETWORK__MAX_MS: '5',
    TAPELAKE__RETRY__MALFORMED__BASE_MS: '1',
    TAPELAKE__RETRY__MALFORMED__MAX_MS: '5',
  }
  return { simulator, folder, env }
}

async function run({ folder, env }: Desk, args: readonly string[], built = false) {
  const start = built ? runCli : runHere
  const result = await start([...args, '--json', '--data-dir', folder], { env })
  const document = (result.stdout === '' ? {} : JSON.parse(result.stdout)) as Record<string, never>
  return { ...result, document }
}

const query = async (at: Desk, sql: string): Promise<Record<string, unknown>[]> => {
  const { stdout } = await runHere(['query', sql, '--format', 'json', '--data-dir', at.folder], {
    env: at.env,
  })
  const parsed = JSON.parse(stdout) as { rows?: Record<string, unknown>[] } | Record<string, unknown>[]
  return Array.isArray(parsed) ? parsed : (parsed.rows ?? [])
}

const fileOf = ({ folder }: Desk, underlying: string, date = DAY): string =>
  join(folder, 'raw', 'options', 'contracts', underlying, `${date}.json`)

describe('discover', () => {
  test('finds exactly the contracts that the vendor lists around the opening price', async () => {
    const at = await desk()
    const { code, document } = await run(at, ['discover', '--date', DAY], true)
    expect(code).toBe(0)
    const list = `/v3/reference/options/contracts?underlying_ticker=SPY&as_of=${DAY}&expiration_date=${DAY}&limit=1000`
    const price = Number(document['price'])
    const expected = (await getAll(at.simulator, list))
      .filter((row) => Math.abs(Number(row['strike_price']) - price) <= price * 0.01)
      .map((row) => row['ticker'])
    const { contracts } = document as unknown as { contracts: Record<string, unknown>[] }
    expect(document).toMatchObject({
      underlying: 'SPY',
      date: DAY,
      priceBasis: 'open',
      provenance: 'synthetic',
    })
    expect(contracts.map(({ contract }) => contract).sort()).toEqual(expected.sort())
    expect(contracts.length).toBeGreaterThan(20)
    const order = contracts.map((one) => [one['expiration_date'], one['strike_price'], one['contract_type']])
    expect(order).toEqual(
      [...order].sort(
        ([a, b, c], [d, e, f]) =>
          String(a).localeCompare(String(d)) || Number(b) - Number(e) || String(c).localeCompare(String(f)),
      ),
    )
    expect(Object.keys(JSON.parse(readFileSync(fileOf(at, 'SPY'), 'utf8')) as object)[0]).toBe('schema')
    expect((await loadContracts(at.folder, 'SPY', DAY)).contracts).toEqual(contracts)
    const held = await query(at, 'SELECT ticker, contract, as_of FROM option_contracts ORDER BY contract')
    expect(held.map(({ contract }) => contract)).toEqual(expected)
  })

  test.each([
    ['2025-06-06T12:00:00Z', 'SPY', '2025-06-06', 'pre_market'],
    ['2025-06-06T12:00:00Z', 'SPX', '2025-06-06', 'last'],
    ['2025-06-07T16:00:00Z', 'SPY', '2025-06-09', 'last'],
    ['2025-06-06T15:00:00Z', 'SPX', '2025-06-06', 'open'],
  ])('at %s finds %s of %s by its price (%s)', async (now, underlying, date, basis) => {
    const { code, document } = await run(await desk([], now), ['discover', '--underlying', underlying])
    expect(code).toBe(0)
    expect(document).toMatchObject({ underlying, date, priceBasis: basis })
    expect((document as unknown as { contracts: unknown[] }).contracts.length).toBeGreaterThan(10)
  })

  test('looks ahead by calendar days, the last included, and takes adjusted roots along', async () => {
    const at = await desk()
    const days = ['--underlying', 'AMD', '--date', DAY, '--strike-range', '1', '--expiry-days', '15']
    const { document } = await run(at, ['discover', ...days])
    const { contracts } = document as unknown as { contracts: { root: string; expiration_date: string }[] }
    expect(new Set(contracts.map((one) => one.expiration_date))).toEqual(
      new Set(['2025-06-06', '2025-06-13', '2025-06-20']),
    )
    expect(new Set(contracts.map(({ root }) => root))).toEqual(new Set(['AMD', 'AMD1']))
  })

  test('of a day without an expiry is empty, with the reason, and no failure', async () => {
    const at = await desk()
    const { code, document } = await run(at, ['discover', '--underlying', 'AAPL', '--date', DAY])
    expect(code).toBe(0)
    expect(document).toMatchObject({ contracts: [], reason: expect.stringContaining('expires on') as string })
    const backfill = ['backfill', '--dataset', 'option_bars_1m', '--underlying', 'AAPL', '--date', DAY]
    const then = await run(at, backfill)
    expect([then.code, then.document['calls']]).toEqual([0, 0])
    expect(then.document['sessions']).toMatchObject([
      { state: 'empty', reason: 'no contracts were discovered' },
    ])
  })

  test.each([
    [['--date', '2025-06-07'], 'is not a session: weekend'],
    [['--date', '2025-06-10'], 'is beyond the next session'],
    [['--date', '2025-02-30'], '2025-02-30'],
    [['--underlying', 'NOSUCH', '--date', DAY], "unknown underlying 'NOSUCH'"],
    [['--underlying', 'SPXW'], 'is a root of options on SPX'],
    [['--strike-range', '-1'], 'strike-range'],
    [['--expiry-days', '1.5'], 'expiry-days'],
  ])('refuses %j, saying why', async (args, words) => {
    const at = await desk()
    const { code, stdout, stderr } = await run(at, ['discover', ...args])
    expect(code).toBe(2)
    expect(stdout + stderr).toContain(words)
    expect(existsSync(join(at.folder, 'raw'))).toBe(false)
  })

  test('leaves file and lake as they were when any page fails', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY])
    const before = readFileSync(fileOf(at, 'SPY'), 'utf8')
    const ledger = readFileSync(join(at.folder, 'ledger/option_contracts/SPY.json'), 'utf8')
    for (const fault of [
      '500:path=expired=true',
      '500:path=open-close',
      'truncated:path=expired=false',
      'entitlement:path=contracts',
    ]) {
      const worse = await desk([fault], NOW, at.folder)
      const { code } = await run(worse, ['discover', '--date', DAY, '--strike-range', '0.05'])
      expect(code, fault).not.toBe(0)
      expect(readFileSync(fileOf(at, 'SPY'), 'utf8')).toBe(before)
      expect(readFileSync(join(at.folder, 'ledger/option_contracts/SPY.json'), 'utf8')).toBe(ledger)
      expect(readdirSync(join(at.folder, 'raw/options/contracts/SPY'))).toEqual([`${DAY}.json`])
    }
  })

  test('replaces what an earlier discovery of the day found', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY])
    const { document } = await run(at, ['discover', '--date', DAY, '--strike-range', '0.003'])
    const { contracts } = document as unknown as { contracts: unknown[] }
    expect(await query(at, 'SELECT contract FROM option_contracts')).toHaveLength(contracts.length)
  })

  test('is read as the lake has it where a kill fell between the commit and the renaming of the file', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY])
    const [path, staged] = [fileOf(at, 'SPY'), `${fileOf(at, 'SPY')}.tmp`]
    const earlier = readFileSync(path)
    await run(at, ['discover', '--date', DAY, '--strike-range', '0.003'])
    const committed = readFileSync(path)
    const { contracts } = JSON.parse(committed.toString()) as { contracts: unknown[] }

    writeFileSync(staged, committed)
    writeFileSync(path, earlier)
    expect((await loadContracts(at.folder, 'SPY', DAY)).contracts).toEqual(contracts)
    rmSync(path)
    expect(await discoveredDates(at.folder, 'SPY')).toEqual([DAY])
    await run(at, ['discover', '--date', '2025-06-04'])
    expect(readFileSync(path)).toEqual(committed)
    expect(existsSync(staged)).toBe(false)

    writeFileSync(staged, earlier) // of a run whose rows the lake no longer has
    expect((await loadContracts(at.folder, 'SPY', DAY)).contracts).toEqual(contracts)
    writeFileSync(staged, committed.subarray(0, 300))
    expect((await loadContracts(at.folder, 'SPY', DAY)).contracts).toEqual(contracts)
    await run(at, ['discover', '--date', '2025-06-04'])
    expect(existsSync(staged)).toBe(false)
    expect(readFileSync(path)).toEqual(committed)
  })

  test('says so when the file was damaged, or nothing was discovered', async () => {
    const at = await desk()
    await expect(loadContracts(at.folder, 'SPY', DAY)).rejects.toThrow('no contracts of SPY were discovered')
    await run(at, ['discover', '--date', DAY])
    const whole = readFileSync(fileOf(at, 'SPY'), 'utf8')
    writeFileSync(fileOf(at, 'SPY'), whole.slice(0, 500))
    await expect(loadContracts(at.folder, 'SPY', DAY)).rejects.toThrow('is damaged')
    writeFileSync(fileOf(at, 'SPY'), whole.replace('"version": 1', '"version": 2'))
    await expect(loadContracts(at.folder, 'SPY', DAY)).rejects.toThrow('has version 2')
    writeFileSync(fileOf(at, 'SPY'), whole.replace(`"date": "${DAY}"`, '"date": "2025-06-04"'))
    await expect(loadContracts(at.folder, 'SPY', DAY)).rejects.toThrow(
      'is the discovery of SPY on 2025-06-04',
    )
  })
})

const BACKFILL = ['backfill', '--dataset', 'option_bars_1m', '--underlying', 'SPY', '--date', DAY]

describe('backfill of options', () => {
  test('records what the vendor has of every contract, in one file; those without trades are empty', async () => {
    const at = await desk()
    const wide = ['discover', '--date', DAY, '--strike-range', '0.06']
    const { contracts } = (await run(at, wide)).document as unknown as { contracts: { contract: string }[] }
    const plan = await run(at, ['plan', ...BACKFILL.slice(1)])
    expect(plan.document['calls']).toBe(contracts.length)
    const { code, document } = await run(at, BACKFILL, true)
    expect([code, document['calls']]).toEqual([0, contracts.length])
    const truth: unknown[] = []
    let silent = 0
    for (const { contract } of contracts) {
      const bars = await getAll(at.simulator, minutes(contract, DAY))
      if (bars.length === 0) silent++
      truth.push(...bars.map((bar) => [contract, bar.t, bar.o, bar.h, bar.l, bar.c, bar.v, bar.vw, bar.n]))
    }
    expect(silent).toBeGreaterThan(5)
    const rows = await query(
      at,
      `SELECT ticker, epoch_ms(timestamp) AS t, open, high, low, close, volume, vwap, trade_count
       FROM option_bars_1m WHERE underlying = 'SPY' ORDER BY ticker, t`,
    )
    const sorted = (list: unknown[]) => list.map((row) => JSON.stringify(row)).sort()
    expect(sorted(rows.map((row) => Object.values(row)))).toEqual(sorted(truth))
    expect(document['sessions']).toMatchObject([
      { state: 'complete', contracts: { contracts: contracts.length, empty: silent, failed: [] } },
    ])
    const folder = join(at.folder, 'lake/option_bars_1m/underlying=SPY', `date=${DAY}`)
    expect(readdirSync(folder)).toHaveLength(1)
    expect((await run(at, BACKFILL)).document['calls']).toBe(0)
    expect((await run(at, ['verify'])).code).toBe(0)
  })

  test('--recheck asks for every contract of a day once more, and the plan says so', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY])
    const first = Number((await run(at, BACKFILL)).document['calls'])
    const later = await desk([], '2025-06-07T14:00:00Z', at.folder)
    const plan = await run(later, ['plan', ...BACKFILL.slice(1), '--recheck'])
    expect(plan.document).toMatchObject({ calls: first, series: [{ held: 1, again: 1 }] })
    expect((await run(later, ['plan', ...BACKFILL.slice(1)])).document).toMatchObject({ calls: 0 })
    const second = await run(later, [...BACKFILL, '--recheck'])
    expect([second.code, second.document['calls']]).toEqual([0, first])
    expect(second.document['sessions']).toMatchObject([{ state: 'complete' }])
    expect((await run(later, [...BACKFILL, '--recheck'])).document['calls']).toBe(0) // once for each session after it
  })

  test('bars that a re-check brings too late are in quarantine, those of contracts found since are not late', async () => {
    const at = await desk(['invalid-rows:rows=0.05,kind=high-below-low,path=/minute/'])
    await run(at, ['discover', '--date', DAY, '--strike-range', '0.002'])
    const first = (await run(at, BACKFILL)).document
    expect(first['quarantined']).toBeGreaterThan(5)
    const later = await desk([], '2025-06-20T14:00:00Z', at.folder)
    const recheck = await run(later, [...BACKFILL, '--recheck'])
    expect([recheck.code, recheck.document['restated'], recheck.document['quarantined']]).toEqual([0, [], 0])
    expect(recheck.document['late']).toEqual({ merged: 0, quarantined: first['quarantined'] })
    expect(recheck.document['sessions']).toMatchObject([{ state: 'complete' }])
    const lists = (await run(later, ['quarantine', 'list'])).document as unknown as {
      entries: { id: string }[]
    }
    expect(lists.entries).toMatchObject([{ rule: 'late', rows: first['quarantined'] }])
    expect((await run(later, BACKFILL)).document['calls']).toBe(0)

    await run(later, ['discover', '--date', DAY, '--strike-range', '0.003'])
    const wider = await run(later, BACKFILL)
    expect(wider.document['late']).toEqual({ merged: 0, quarantined: 0 })
    expect(wider.document['restated']).toMatchObject([{ removed: 0, changed: 0 }])
    expect((await run(later, ['quarantine', 'list'])).document).toEqual(lists)

    expect((await run(later, ['quarantine', 'release', lists.entries[0]!.id])).code).toBe(0)
    const again = await run(later, BACKFILL)
    expect([again.code, again.document['restated']]).toEqual([0, []])
    expect(again.document['late']).toEqual({ merged: 0, quarantined: 0 })
    expect((await run(later, BACKFILL)).document['calls']).toBe(0)
    expect((await run(later, ['verify', '--deep'])).code).toBe(0)
    const whole = await desk([], NOW)
    await run(whole, ['discover', '--date', DAY, '--strike-range', '0.003'])
    await run(whole, BACKFILL)
    const rows = 'SELECT * FROM option_bars_1m ORDER BY ticker, timestamp'
    expect(await query(later, rows)).toEqual(await query(whole, rows))
  })

  test('bars that a re-check brings in time are merged, and --force takes them however late', async () => {
    for (const [now, flag] of [
      ['2025-06-07T14:00:00Z', '--recheck'],
      ['2025-06-20T14:00:00Z', '--force'],
    ] as const) {
      const at = await desk(['invalid-rows:rows=0.05,kind=high-below-low,path=/minute/'])
      await run(at, ['discover', '--date', DAY, '--strike-range', '0.002'])
      const refused = (await run(at, BACKFILL)).document['quarantined']
      const later = await desk([], now, at.folder)
      const { document } = await run(later, [...BACKFILL, flag])
      expect(document['late'], flag).toEqual({ merged: refused, quarantined: 0 })
      expect((await run(later, ['quarantine', 'list'])).document['entries']).toEqual([])
    }
  })

  test.each([
    ['gone', (path: string) => rmSync(path)],
    ['torn', (path: string) => truncateSync(path, 2000)],
  ])('a file that is %s is recorded again by gaps --repair and by backfill --force', async (_, damage) => {
    for (const command of [
      ['gaps', '--repair'],
      [...BACKFILL, '--force'],
    ]) {
      const at = await desk()
      await run(at, ['discover', '--date', DAY, '--strike-range', '0.002'])
      expect((await run(at, BACKFILL)).code).toBe(0)
      const folder = join(at.folder, 'lake/option_bars_1m/underlying=SPY', `date=${DAY}`)
      damage(join(folder, readdirSync(folder)[0]!))
      expect((await run(at, ['verify'])).code).toBe(3)
      expect((await run(at, command)).code).toBe(0)
      expect((await run(at, ['verify', '--deep'])).code).toBe(0)
      expect((await run(at, ['gaps'])).code).toBe(0)
    }
  })

  test('names failed contracts, keeps the others, and asks only for the failed ones again', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY])
    const { contracts } = await loadContracts(at.folder, 'SPY', DAY)
    const victim = contracts[3]!.contract
    const worse = await desk([`500:path=${victim.slice(2)}`], NOW, at.folder)
    const { code, document } = await run(worse, BACKFILL)
    expect(code).toBe(3)
    expect(document['sessions']).toMatchObject([
      {
        state: 'failed',
        contracts: { failed: [{ contract: victim }] },
        reason: expect.stringContaining(victim) as string,
      },
    ])
    const better = await desk([], NOW, at.folder)
    const again = await run(better, BACKFILL)
    expect([again.code, again.document['calls']]).toEqual([0, 1])
    const whole = await desk()
    await run(whole, ['discover', '--date', DAY])
    await run(whole, BACKFILL)
    const all = 'SELECT * FROM option_bars_1m ORDER BY ticker, timestamp'
    expect(await query(better, all)).toEqual(await query(whole, all))
  })

  test('after a wider discovery asks for the new contracts only, and a narrower one takes nothing away', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY, '--strike-range', '0.004'])
    const narrow = (await run(at, BACKFILL)).document
    await run(at, ['discover', '--date', DAY])
    const wide = (await run(at, BACKFILL)).document
    const { contracts } = await loadContracts(at.folder, 'SPY', DAY)
    expect(Number(narrow['calls']) + Number(wide['calls'])).toBe(contracts.length)
    const count = 'SELECT count(DISTINCT ticker)::INTEGER AS n FROM option_bars_1m'
    const held = await query(at, count)
    await run(at, ['discover', '--date', DAY, '--strike-range', '0.004'])
    await run(at, [...BACKFILL, '--force'])
    expect(await query(at, count)).toEqual(held)
  })

  test('a vendor that is down is not asked for every contract', async () => {
    const at = await desk()
    await run(at, ['discover', '--date', DAY])
    const { code, document } = await run(await desk(['500'], NOW, at.folder), BACKFILL)
    expect(code).toBe(1)
    expect(Number(document['calls'])).toBeLessThan(8)
    const refused = await run(await desk(['entitlement'], NOW, at.folder), BACKFILL)
    expect(refused.code).toBe(4)
    expect(refused.document['sessions']).toMatchObject([{ state: 'not_entitled' }])
  })

  test('daily bars, several days, days without a discovery and days that are not over', async () => {
    const at = await desk([], '2025-06-06T19:00:00Z')
    await run(at, ['discover', '--date', DAY])
    await run(at, ['discover', '--date', '2025-06-06'])
    const daily = ['backfill', '--dataset', 'option_bars_1d', '--underlying', 'SPY']
    const { code, document } = await run(at, [...daily, '--from', '2025-06-03', '--to', '2025-06-06'])
    expect(code).toBe(0)
    expect(document['sessions']).toMatchObject([
      { date: DAY, state: 'complete' },
      { date: '2025-06-06', state: 'pending' },
    ])
    expect((await run(at, daily)).document['calls']).toBe(0)
  })

  test.each([
    [['--dataset', 'option_bars_1m', '--date', DAY], '--underlying is missing'],
    [
      ['--dataset', 'option_bars_1m', '--underlying', 'SPY', '--date', DAY],
      'no contracts of SPY were discovered',
    ],
    [['--dataset', 'option_bars_1m', '--underlying', 'SPY'], 'no contracts of SPY were discovered'],
    [['--dataset', 'option_chain', '--underlying', 'SPY'], 'option_chain has no history to backfill'],
    [['--ticker', 'SPY', '--underlying', 'SPY'], '--underlying makes no sense without options'],
    [['--ticker', 'SPY,I:VIX'], "'I:VIX' is no stock, and equity_bars_1m holds stocks"],
    [['--dataset', 'option_bars_1m', '--underlying', 'SPY', '--ticker', 'SPY'], '--ticker makes no sense'],
    [['--date', DAY], '--ticker is missing'],
  ])('refuses %j', async (args, words) => {
    const { code, stdout, stderr } = await run(await desk(), ['backfill', ...args])
    expect(code).toBe(2)
    expect(stdout + stderr).toContain(words)
  })
})

describe('snapshot-chain', () => {
  test('records all pages with one snapshot time, beside the snapshots before', async () => {
    const at = await desk()
    const first = await run(at, ['snapshot-chain', '--underlying', 'AAPL'], true)
    expect(first.code).toBe(0)
    const later = await desk([], '2025-06-06T21:45:00Z', at.folder)
    await run(later, ['snapshot-chain', '--underlying', 'AAPL'])
    const rows = await query(
      at,
      'SELECT snapshot_time::VARCHAR AS t, count(*)::INTEGER AS n, count(implied_volatility)::INTEGER AS iv FROM option_chain GROUP BY 1 ORDER BY 1',
    )
    expect(rows).toHaveLength(2)
    const { contracts, withVolatility } = first.document as unknown as Record<string, number>
    expect(rows[0]).toMatchObject({ n: contracts, iv: withVolatility })
    expect(contracts).toBeGreaterThan(250)
    const sent = await getAll(at.simulator, '/v3/snapshot/options/AAPL?limit=250')
    expect(sent).toHaveLength(contracts!)
  })

  test.each([
    // 20:30 in New York, when the shipped crontab runs the night; then early and in the course of the next morning
    ['SPY', '2025-06-06T00:30:00Z', '2025-06-05'],
    ['SPY', '2025-06-06T12:00:00Z', '2025-06-05'],
    ['SPY', '2025-06-06T13:30:00Z', '2025-06-06'],
    ['SPY', '2025-06-07T14:00:00Z', '2025-06-06'],
    ['SPX', '2025-06-06T00:00:00Z', '2025-06-05'],
    ['SPX', '2025-06-06T00:30:00Z', '2025-06-06'],
  ])('of %s at %s is of the session of %s', async (underlying, now, session) => {
    const at = await desk([], now)
    const { code, document } = await run(at, ['snapshot-chain', '--underlying', underlying])
    expect([code, document['sessionDate']]).toEqual([0, session])
  })

  test('is all or nothing', async () => {
    const at = await desk(['500:path=cursor,after=1'])
    const { code } = await run(at, ['snapshot-chain', '--underlying', 'AAPL'])
    expect(code).toBe(1)
    expect(existsSync(join(at.folder, 'lake/option_chain'))).toBe(false)
  })

  test('of what has no options is refused', async () => {
    const { code, stdout } = await run(await desk(), ['snapshot-chain', '--underlying', 'THNY'])
    expect(code).toBe(2)
    expect(stdout).toContain("lists no options on 'THNY'")
  })
})
