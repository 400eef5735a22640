import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { calm } from '../pipeline/gap-lake.ts'
import { vendor, vendorEnv } from '../end-to-end/world.ts'
import type { WireBar } from '../support/bar-vendor.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { startVendorServer } from '../support/vendor-server.ts'

interface Entry {
  readonly field: string
  readonly change: string
  readonly count: number
  readonly sample: string
}

const DAY = ['--from', '2025-06-03', '--to', '2025-06-03']

/** A lake of a vendor that does what `change` says to every bar. */
async function world(change: (bar: WireBar) => Record<string, unknown>) {
  let isChanged = false
  let price = 100
  let left = 0
  const server = await vendor({
    bars: (date) => {
      const bars = calm(date, price).slice(left)
      return isChanged ? (bars.map(change) as WireBar[]) : bars
    },
  })
  const dir = join(freshFolder(), 'data')
  const base = vendorEnv(server.url)
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    runHere([...args, '--data-dir', dir], { env: { ...base, ...env } })
  const backfill = (env: Record<string, string> = {}, ...more: string[]) =>
    run(['backfill', '--ticker', 'SPY', ...DAY, ...more], env)
  const drift = async (): Promise<Entry[]> => {
    const { document } = await runCliJson(['drift', '--data-dir', dir], { env: base, here: true })
    return document['drift'] as Entry[]
  }
  await run(['backfill', '--ticker', 'SPY', '--from', '2025-06-02', '--to', '2025-06-02'])
  expect(await drift()).toEqual([])
  expect(await run(['drift'])).toMatchObject({ code: 0, stdout: '' })
  isChanged = true
  /** The vendor does as before; perhaps it has other prices. */
  const heal = (now = price): void => {
    isChanged = false
    price = now
  }
  /** The vendor has so many bars less at the open. */
  const leaveOut = (count: number): void => void (left = count)
  return { dir, run, backfill, drift, server, heal, leaveOut }
}

describe('tapelake drift', () => {
  test('tells of a renamed field once a day, keeps the answer, and reprocess takes it in once it is understood', async () => {
    const { dir, run, backfill, drift } = await world(({ v, ...bar }) => ({ ...bar, shares: v }))
    const hook = await startVendorServer([{ body: {} }])
    writeFileSync(join(dir, 'hook'), `${hook.url}/x`)
    const alerting = { TAPELAKE__STREAM__WEBHOOK_URL_FILE: join(dir, 'hook') }
    const first = await backfill(alerting)
    expect(first).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('equity_bars_1m.v is now called shares') as string,
    })
    await backfill(alerting)
    expect(hook.requests.length).toBe(1)
    await hook.close()

    const entries = await drift()
    expect(entries.find(({ field }) => field === 'v')).toMatchObject({
      change: 'renamed',
      to: 'shares',
      count: 780,
    })
    expect(entries.find(({ field }) => field === 'shares')).toMatchObject({ change: 'new', count: 780 })
    expect(JSON.parse(entries[0]!.sample)).toMatchObject({ shares: expect.any(Number) as number })
    expect((await run(['drift'])).stdout).toContain('equity_bars_1m.v is now called shares')
    expect(readdirSync(join(dir, 'raw/drift')).length).toBe(1)

    const before = readFileSync(join(dir, 'ledger/equity_bars_1m/SPY.json'), 'utf8')
    expect(before).toContain('"quarantined"')
    expect(await run(['reprocess'])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('390 rows still refused') as string,
    })
    expect(readFileSync(join(dir, 'ledger/equity_bars_1m/SPY.json'), 'utf8')).toBe(before)
    expect(await run(['reprocess', '--rename', 'shares=v', '--json'])).toMatchObject({ code: 0 })
    expect(await run(['gaps'])).toMatchObject({ code: 0 })
    expect(
      (
        await run([
          'query',
          'SELECT count(*) AS n, min(volume) > 0 AS v FROM equity_bars_1m',
          '--format',
          'csv',
        ])
      ).stdout,
    ).toBe('n,v\n780,true\n')
    expect((await run(['quarantine', 'list'])).stdout).not.toContain('SPY')
    expect((await run(['reprocess'])).stdout).toBe('No pages are kept.\n')
    await run(['drift', '--clear'])
    expect(await drift()).toEqual([])
  })

  test('keeps an answer until all that is in it is understood, and puts back nothing that was recorded since', async () => {
    const { dir, run, backfill, heal, leaveOut } = await world(({ n, vw, ...bar }) => ({
      ...{ ...bar, n: String(n), vwap: vw },
    }))
    const pages = () => readdirSync(join(dir, 'raw/drift')).length
    const counts = async () =>
      (
        await run([
          ...['query', '--format', 'csv'],
          'SELECT count(*), count(vwap), count(trade_count), max(close) FROM equity_bars_1m',
        ])
      ).stdout.split('\n')[1]!
    await backfill()
    expect(await counts()).toMatch(/^780,390,390,/)
    const plain = await run(['reprocess'])
    expect(plain).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('kept, not understood: n, vwap') as string,
    })
    await run(['reprocess', '--rename', 'other=vw'])
    expect([await counts(), pages()]).toEqual([expect.stringMatching(/^780,390,390,/), 1])
    expect(await run(['reprocess', '--numbers', '--rename', 'vwap=vw'])).toMatchObject({ code: 0 })
    const whole = await counts()
    expect(whole).toMatch(/^780,780,780,/)
    expect(pages()).toBe(0)

    await backfill({}, '--force')
    expect(pages()).toBe(1)
    await run(['reprocess'])
    await run(['reprocess']) // nothing new: no version
    heal(101)
    leaveOut(1)
    await backfill({}, '--force')
    const newer = await counts()
    expect(newer).toMatch(/^779,/)
    expect(newer).not.toBe(whole)
    expect(await run(['reprocess', '--done'])).toMatchObject({ code: 0 })
    expect([await counts(), pages()]).toEqual([newer, 0])
  })

  test('goes on where a field is new; a contract of quarantine or freeze refuses rows or the answer', async () => {
    const { run, backfill, drift, heal } = await world((bar) => ({ ...bar, extra: 'x' }))
    const frozen = await backfill({ TAPELAKE__DRIFT__FREEZE: 'equity_bars_1m.extra' })
    expect(frozen.code).not.toBe(0)
    expect(frozen.stderr + frozen.stdout).toContain('schema drift: equity_bars_1m.extra is new')
    const refused = await backfill({ TAPELAKE__DRIFT__CONTRACT: 'quarantine' })
    expect(refused.stdout).toContain('schema_drift')
    const whole = await backfill()
    expect(whole).toMatchObject({ code: 0, stdout: expect.stringContaining('390 rows recorded') as string })
    expect(await drift()).toMatchObject([{ field: 'extra', change: 'new', contract: 'evolve' }])
    heal()
    expect((await run(['drift', '--dataset', 'equity_trades'])).stdout).toBe('')
  })

  test('tells of numbers that come as texts, of nulls, and of other units', async () => {
    const { run, backfill, drift } = await world(({ v, ...bar }) => ({
      ...{ ...bar, v: String(v), vw: null, o: Number(bar['o']) * 100, h: Number(bar['h']) * 100 },
      ...{ l: Number(bar['l']) * 100, c: Number(bar['c']) * 100 },
    }))
    await backfill()
    const entries = await drift()
    expect(entries.map(({ field, change }) => `${field} ${change}`).sort()).toEqual([
      'c range',
      'h range',
      'l range',
      'o range',
      'v retyped',
      'vw null',
    ])
    const found = await run([
      'query',
      'SELECT count(*) AS n FROM equity_bars_1m WHERE volume = 0',
      '--format',
      'csv',
    ])
    expect(found.stdout).toBe('n\n0\n')
    expect(await run(['reprocess', '--numbers'])).toMatchObject({ code: 0 })
    const kept = await run(['query', 'SELECT count(*) AS n FROM equity_bars_1m', '--format', 'csv'])
    expect(kept.stdout).toBe('n\n780\n')
    expect(await run(['reprocess', '--rename', 'nonsense'])).toMatchObject({ code: 2 })
  })

  test('keeps no more answers than the settings allow, and stays silent where a vendor leaves out what it may', async () => {
    const { dir, backfill } = await world((bar) => ({ ...bar, extra: 1 }))
    await backfill({ TAPELAKE__DRIFT__RAW_PAGES: '0' })
    await backfill({ TAPELAKE__DRIFT__RAW_MB: '0' }, '--force')
    expect(() => readdirSync(join(dir, 'raw/drift'))).toThrow()
    const quiet = await vendor({
      bars: (date) => calm(date).map(({ n: _n, vw: _vw, ...bar }) => bar),
    })
    const at = ['--data-dir', join(freshFolder(), 'data')]
    await runHere(['backfill', '--ticker', 'SPY', ...DAY, ...at], { env: vendorEnv(quiet.url) })
    expect((await runHere(['drift', ...at])).stdout).toBe('')
  })

  test('reads a chain again with the time of its snapshot, once a field inside of it is understood', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => ({
      details: {
        ...{ ticker: `O:SPY250620C00${500 + i}000`, contract_type: 'call', exercise_style: 'american' },
        ...{ strike_price: 500 + i, expiration_date: '2025-06-20', shares_per_contract: 100 },
      },
      greeks: { dlt: 0.5, gamma: 0.01, theta: -0.2, vega: 0.1 },
      ...{ implied_volatility: 0.2, open_interest: 9, underlying_asset: { ticker: 'SPY', price: 530 } },
    }))
    const server = await startVendorServer(() => ({
      body: { status: 'OK', request_id: 'chain-1', results: rows },
    }))
    const at = ['--data-dir', join(freshFolder(), 'data')]
    const env = vendorEnv(server.url)
    const run = (...args: string[]) => runHere([...args, ...at], { env })
    const held = async () =>
      (
        await run(
          ...['query', '--format', 'csv'],
          'SELECT count(*), count(delta), count(DISTINCT snapshot_time), sum(delta) FROM option_chain',
        )
      ).stdout.split('\n')[1]
    expect(await run('snapshot-chain', '--underlying', 'SPY')).toMatchObject({ code: 0 })
    expect(await held()).toBe('60,0,1,')
    expect((await run('drift')).stdout).toContain('option_chain.greeks.dlt is new')
    expect((await run('reprocess', '--rename', 'greeks.dlt=greeks.delta')).code).toBe(0)
    expect(await held()).toBe('60,60,1,30')
    expect((await run('reprocess')).stdout).toBe('No pages are kept.\n')
    await server.close()
  })
})
