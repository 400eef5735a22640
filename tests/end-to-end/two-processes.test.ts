import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { invalid, minuteBars, startBarVendor, type WireBar } from '../support/bar-vendor.ts'
import { freshFolder, runCli, runCliJson, runHere, type CliRun } from '../support/cli.ts'
import { expectVerified } from '../support/crash/witness.ts'
import { askDuckDb, unfinishedBelow } from '../support/lake.ts'
import type { VendorServer } from '../support/vendor-server.ts'
import { vendorEnv } from './world.ts'

/** Two processes at once on one lake: every pair of commands, each with itself as well. */

/**
 * Held from the beginning: of the day before, a row waits among the answers kept because their fields had changed; one
 * row of the first day is in quarantine; the second day has a version that gave way; a session of QQQ is missing.
 */
const [DAY0, DAY1, DAY2, DAY3, DAY4] = [
  ...(['2025-05-30', '2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05'] as const),
]
const ROWS_BEFORE = 7

interface Command {
  /** Arguments; `folder` is the process's own. */
  readonly args: (folder: string) => readonly string[]
  /** Rows that it adds to the lake, whoever else is at work. */
  readonly adds: number
}

let entry: string
let saved: string
const COMMANDS = {
  backfill: {
    args: () => ['backfill', '--ticker', 'SPY', '--from', DAY3, '--to', DAY3, '--wait', '60'],
    adds: 3,
  },
  import: { args: (folder) => ['import', dayFile(folder), '--wait', '60'], adds: 6 },
  backup: { args: (folder) => ['backup', join(folder, 'backup')], adds: 0 },
  compact: { args: () => ['compact', '--keep-days', '1', '--wait', '60'], adds: 0 },
  verify: { args: () => ['verify', '--deep'], adds: 0 },
  query: { args: () => ['query', 'SELECT count(*) AS rows FROM equity_bars_1m'], adds: 0 },
  release: { args: () => ['quarantine', 'release', entry, '--force', '--wait', '60'], adds: 1 },
  reprocess: { args: () => ['reprocess', '--numbers', '--wait', '60'], adds: 1 },
  repair: { args: () => ['gaps', '--repair', '--ticker', 'SPY', '--wait', '60'], adds: 0 },
  restore: { args: () => ['restore', saved, '--wait', '60'], adds: 0 },
} satisfies Record<string, Command>
type Name = keyof typeof COMMANDS
const WRITERS: ReadonlySet<Name> = new Set([
  'backfill',
  'import',
  'release',
  'reprocess',
  'repair',
  'restore',
])

const NAMES = Object.keys(COMMANDS) as Name[]
const EVERY = NAMES.flatMap((one, i) => NAMES.slice(i).map((other) => [one, other] as const))
/** A day file of one day of SPY and one of QQQ. */
function dayFile(folder: string): string {
  const lines = [
    ['SPY', DAY4],
    ['QQQ', DAY1],
  ].flatMap(([ticker, date]) =>
    [0, 1, 2].map(
      (minute) =>
        `${ticker},100,10,10,11,9,${calendarOf('XNYS').on(date!)!.openMs + minute * 60_000}000000,7`,
    ),
  )
  const path = join(folder, 'day.csv')
  writeFileSync(path, `ticker,volume,open,close,high,low,window_start,transactions\n${lines.join('\n')}\n`)
  return path
}

let vendor: VendorServer
let env: Record<string, string>
let before: string
beforeAll(async () => {
  vendor = await startBarVendor({
    bars: (date) => {
      const [one, two, three] = minuteBars(date) as [WireBar, WireBar, WireBar]
      if (date === DAY0) return [one, two, { ...three, v: String(three['v']) }]
      return [one, two, date === DAY1 ? invalid(three) : three]
    },
  })
  env = vendorEnv(vendor.url)
  before = freshFolder()
  const here = (...args: string[]) => runHere([...args, '--data-dir', before], { env })
  await here('backfill', '--ticker', 'SPY', '--from', DAY0, '--to', DAY2)
  const folder = freshFolder()
  const path = dayFile(folder)
  writeFileSync(
    path,
    `ticker,volume,open,close,high,low,window_start,transactions\n${minuteBars(DAY2)
      .map(({ t }) => `SPY,5,7,7,7,7,${String(t)}000000,1`)
      .join('\n')}\n`,
  )
  expect((await here('import', path, '--force')).code).toBe(0)
  const list = await runCliJson(['quarantine', 'list', '--data-dir', before], { here: true })
  const entries = list.document['entries'] as { id: string; session: string }[]
  entry = entries.find(({ session }) => session === DAY1)!.id
  saved = freshFolder()
  expect((await here('backup', saved)).code).toBe(0)
})
afterAll(async () => {
  await vendor.close()
})

async function rowsOf(root: string): Promise<number> {
  const sql = `SELECT count(*)::INTEGER AS rows FROM read_parquet('${root}/lake/**/*.parquet', hive_partitioning = false)`
  return Number((await askDuckDb(sql))[0]!['rows'])
}

/** Exit codes of a command, alone or beside another. */
function expectEnded(name: Name, other: Name, { code, stderr }: CliRun): void {
  const isTwice = name === other
  const allowed = [0]
  if (isTwice && name === 'release') allowed.push(2) // it finds the entry gone
  if (isTwice && name === 'backup') allowed.push(6)
  // The invalid row of the first day is refused once more.
  if (name === 'repair' || name === 'reprocess') allowed.push(3)
  // It finds that the lake is not what it restored, and says so: somebody else wrote to it.
  if (name === 'restore' && WRITERS.has(other)) allowed.push(1)
  expect(allowed, `${name}: ${stderr}`).toContain(code)
}

/** Rows that the lake may hold once both have ended. */
function rowsAfter(one: Name, other: Name): readonly number[] {
  const names = [...new Set<Name>([one, other])]
  const all = ROWS_BEFORE + names.reduce((sum, name) => sum + COMMANDS[name].adds, 0)
  // A row that the user took in against the rules gives way where the vendor is asked anew after it.
  if (names.includes('repair')) return [ROWS_BEFORE, all]
  // What comes before the restore of a series gives way to it, what comes after stays.
  if (names.includes('restore'))
    return Array.from({ length: all - ROWS_BEFORE + 1 }, (_, n) => ROWS_BEFORE + n)
  return [all]
}

describe('two processes at once', () => {
  test.each(EVERY)('%s and %s: both end well, and the lake is whole', async (one, other) => {
    const root = freshFolder()
    cpSync(before, root, { recursive: true })
    const folders = [freshFolder(), freshFolder()] as const
    const start = (name: Name, folder: string): Promise<CliRun> =>
      runCli([...COMMANDS[name].args(folder), '--data-dir', root, '--no-progress'], { env })
    const runs = await Promise.all([start(one, folders[0]), start(other, folders[1])])
    expectEnded(one, other, runs[0])
    expectEnded(other, one, runs[1])
    expect(rowsAfter(one, other)).toContain(await rowsOf(root))
    expect(await unfinishedBelow(root)).toEqual([])
    await expectVerified(root)
    if (one === 'restore' || other === 'restore') {
      const again = await runHere(['restore', saved, '--data-dir', root], { env })
      expect(again).toMatchObject({ code: 0 })
      expect(await rowsOf(root)).toBe(ROWS_BEFORE)
      await expectVerified(root)
    }
    for (const [i, name] of [one, other].entries()) {
      if (name !== 'backup' || runs[i]!.code !== 0) continue
      const restored = freshFolder()
      const { code } = await runHere(['restore', join(folders[i]!, 'backup'), '--data-dir', restored])
      expect(code).toBe(0)
      await expectVerified(restored)
    }
    rmSync(root, { recursive: true })
  })
})
