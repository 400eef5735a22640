import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { barsOf, cutRows } from '../pipeline/gap-lake.ts'
import { vendor, vendorEnv } from '../end-to-end/world.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

interface GapDocument {
  readonly ticker: string
  readonly session: string
  readonly from: string
  readonly to: string
  readonly minutes: number
  readonly reason: string
}

const NIGHT = { TAPELAKE_NOW: '2025-06-11T02:00:00Z' }

describe('tapelake gaps', () => {
  test('reports what is not there with exit 3, closes it with --repair, and keeps what it did', async () => {
    const server = await vendor({ bars: (date) => barsOf(date, () => 500) })
    const env = vendorEnv(server.url)
    const dir = freshFolder()
    const run = (...args: string[]) => runCliJson([...args, '--data-dir', dir], { env, here: true })
    const dates = ['--from', '2025-06-02', '--to', '2025-06-06']
    await run('backfill', '--ticker', 'SPY', ...dates)
    expect((await run('gaps')).code).toBe(0)

    await cutRows(dir, `timestamp BETWEEN '2025-06-03 14:00:00Z' AND '2025-06-03 14:04:00Z'`)
    const found = await run('gaps', '--ticker', 'SPY')
    expect(found.code).toBe(3)
    expect(found.document).toMatchObject({
      schema: { name: 'tapelake.gaps', version: 1 },
      gaps: [
        {
          ticker: 'SPY',
          session: '2025-06-03',
          from: '2025-06-03T14:00:00Z',
          to: '2025-06-03T14:05:00Z',
          minutes: 5,
          reason: 'suspected',
        },
      ] satisfies GapDocument[],
    })
    const people = await runHere(['gaps', '--data-dir', dir], { env })
    expect(people.stdout).toMatch(/SPY +2025-06-03 +14:00 +14:05 +5 +suspected/)
    expect(people.stdout).toContain('1 gap, 5 minutes, in 1 series, 5 sessions. Close them with --repair.')

    const repaired = await runHere(['gaps', '--repair', '--data-dir', dir], { env })
    expect(repaired.code).toBe(0)
    expect(repaired.stdout).toContain('SPY equity_bars_1m 2025-06-03: 385 rows before, 390 now')
    const [name] = readdirSync(join(dir, 'state/repairs'))
    const kept = JSON.parse(readFileSync(join(dir, 'state/repairs', name!), 'utf8')) as object
    expect(kept).toMatchObject({ sessions: [{ session: '2025-06-03', outcome: 'recorded' }] })
    const after = await run('gaps', '--repair')
    expect(after).toMatchObject({ code: 0, document: { gaps: [], repaired: [] } })
  })

  test('with --from counts what was never recorded; without it says that nothing matches', async () => {
    const env = vendorEnv('http://127.0.0.1:1')
    const dir = freshFolder()
    const never = ['gaps', '--ticker', 'SPY', '--data-dir', dir]
    const missing = await runCliJson([...never, '--from', '2025-06-02', '--to', '2025-06-03'], {
      env,
      here: true,
    })
    expect(missing.code).toBe(3)
    expect(missing.document['gaps']).toMatchObject([{ reason: 'missing' }, { reason: 'missing' }])
    expect(await runHere(never, { env })).toMatchObject({ code: 2, stdout: '' })
    const swapped = await runHere([...never, '--from', '2025-06-03', '--to', '2025-06-02'], { env })
    expect(swapped.stderr).toContain('--from 2025-06-03 is after --to 2025-06-02')
    expect(await runHere([...never, '--from', '2025-02-30'], { env })).toMatchObject({ code: 2 })
  })

  test('knows from the trades held beside them which minutes of a thin ticker had nothing to record', async () => {
    const dir = freshFolder()
    const run = (...args: string[]) => runCliJson([...args, '--data-dir', dir], { env: NIGHT, here: true })
    const both = ['--dataset', 'equity_bars_1m,equity_trades', '--last-session']
    await run('backfill', '--ticker', 'THNY', ...both, '--source', 'simulator')
    const found = await run('gaps', '--ticker', 'THNY', '--dataset', 'equity_bars_1m')
    expect(found).toMatchObject({ code: 0, document: { gaps: [] } })
  })

  test('names the contracts of a day that were found later and never asked for', async () => {
    const dir = freshFolder()
    const simulated = ['--source', 'simulator', '--data-dir', dir]
    const run = (...args: string[]) => runCliJson(args, { env: NIGHT, here: true })
    const gaps = ['gaps', '--dataset', 'option_bars_1m', '--data-dir', dir]
    await run('discover', '--date', '2025-06-10', '--strike-range', '0.002', ...simulated)
    await run('backfill', '--dataset', 'option_bars_1m', '--underlying', 'SPY', ...simulated)
    expect(await run(...gaps)).toMatchObject({ code: 0, document: { gaps: [] } })
    await run('discover', '--date', '2025-06-10', '--strike-range', '0.004', ...simulated)
    const { code, document } = await run(...gaps)
    expect(code).toBe(3)
    const named = document['gaps'] as readonly { contract: string; session: string }[]
    expect(named.length).toBeGreaterThan(0)
    for (const gap of named) {
      expect(gap).toMatchObject({
        session: '2025-06-10',
        contract: expect.stringMatching(/^O:SPY250610/) as string,
      })
    }
  })

  test('says when the vendor cannot be asked, and leaves the gap open', async () => {
    const server = await vendor({ bars: (date) => barsOf(date, () => 500) })
    const env = vendorEnv(server.url)
    const dir = freshFolder()
    const dates = ['--from', '2025-06-02', '--to', '2025-06-06']
    await runHere(['backfill', '--ticker', 'SPY', ...dates, '--data-dir', dir], { env })
    await cutRows(dir, `timestamp > '2025-06-06 19:00:00Z'`)
    await server.close()
    const failed = await runHere(['gaps', '--repair', '--data-dir', dir], { env })
    expect(failed.code).toBe(3)
    expect(failed.stdout).toContain('SPY equity_bars_1m 2025-06-06: not closed: ')
  })
})
