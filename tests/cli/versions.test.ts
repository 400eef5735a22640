import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

/** Two synthetic markets, by the seed of the simulator, take turns as the vendor's word. */
const dataDir = freshFolder()
const envOf = (seed: number) => ({
  ...{ TAPELAKE_DATA_DIR: dataDir, TAPELAKE_NOW: '2025-06-10T14:00:00Z' },
  TAPELAKE__SIMULATOR__SEED: String(seed),
})
const BACKFILL = [
  'backfill',
  '--ticker',
  'SPY',
  '--from',
  '2025-06-05',
  '--to',
  '2025-06-06',
  '--source',
  'simulator',
]
const SUM = 'SELECT count(*) AS rows, sum(volume) AS volume FROM equity_bars_1m'
const sumAsOf = async (asOf?: string) =>
  (
    await runHere(['query', SUM, '--format', 'csv', ...(asOf === undefined ? [] : ['--as-of', asOf])], {
      env: envOf(1),
    })
  ).stdout

/** Every file of the data directory but for locks and the history of runs, with its inode and time. */
function shape(): unknown[] {
  return readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/state\/(locks|runs)/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => [path, statSync(path).ino, statSync(path).mtimeMs])
}

describe('a vendor that changes its word', () => {
  test('the rows before are kept, told, read as of then, and dropped when their time is over', async () => {
    await runHere(BACKFILL, { env: envOf(1) })
    const first = await sumAsOf()
    const before = shape()
    const same = await runCliJson([...BACKFILL, '--force'], { here: true, env: envOf(1) })
    expect(same).toMatchObject({ code: 0, document: { restated: [] } })
    expect(shape()).toEqual(before)

    const instant = new Date().toISOString()
    const other = await runHere([...BACKFILL, '--force', '--no-progress'], { env: envOf(2) })
    expect(other.code).toBe(0)
    expect(other.stdout).toContain('2 sessions restated')
    expect(other.stdout).toMatch(/restated: SPY equity_bars_1m 2025-06-05: .*the rows before are kept/)
    expect(await sumAsOf()).not.toBe(first)
    expect(await sumAsOf(instant)).toBe(first)
    const { document } = await runCliJson(['status', '--as-of', instant], { here: true, env: envOf(1) })
    expect(document['series']).toMatchObject([
      { rows: Number(/\n(\d+),/.exec(first)![1]), cells: { complete: 2 } },
    ])
    expect((await runHere(['verify', '--deep'], { env: envOf(1) })).code).toBe(0)

    const merged = await runCliJson(['compact'], { here: true, env: envOf(1) })
    expect(merged.document).toMatchObject({ keepDays: 365, series: [{ dropped: 0, filesAfter: 1 }] })
    expect(await sumAsOf(instant)).toBe(first)
    const late = { ...envOf(1), TAPELAKE_NOW: '2099-01-01T00:00:00Z' }
    const dropped = await runHere(['compact', '--keep-days', '1'], { env: late })
    expect(dropped.stdout).toContain('1 series, 2 versions dropped.')
    const gone = await runHere(['query', SUM, '--as-of', instant], { env: envOf(1) })
    expect(gone.code).toBe(1)
    expect(gone.stderr).toContain('are not kept any more')
    expect((await runHere(['verify', '--deep'], { env: envOf(1) })).code).toBe(0)
  })

  test('a re-check asks for recent sessions once, and again only after the next one', async () => {
    const recheck = async (now: string, seed: number) => {
      const env = { ...envOf(seed), TAPELAKE_NOW: now }
      const range = ['--from', '2025-06-05', '--to', '2025-06-06']
      const args = ['backfill', '--ticker', 'SPY', ...range, '--source', 'simulator', '--recheck']
      const { document } = await runCliJson(args, { here: true, env })
      return [document['calls'], (document['restated'] as { date: string }[]).map(({ date }) => date)]
    }
    expect(await recheck('2025-06-07T14:00:00Z', 1)).toEqual([1, ['2025-06-05']])
    expect(await recheck('2025-06-07T15:00:00Z', 2)).toEqual([0, []])
    expect(await recheck('2025-06-10T14:00:00Z', 1)).toEqual([1, ['2025-06-06']]) // the 5th says the same again
    expect(await recheck('2025-06-10T15:00:00Z', 2)).toEqual([0, []])
  })
})
