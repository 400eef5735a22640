import { cpSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import { PHASES, phaseOf, runVictim, type Kill, type Noted, type Phase } from '../support/crash/victim.ts'
import { expectSameLake, expectVerified, visibleSessions } from '../support/crash/witness.ts'
import { BARS, engine, engineOnce, TRADES } from '../support/lake.ts'

/**
 * The built program, killed with SIGKILL at hundreds of instants while it records synthetic data: at chosen file
 * operations and requests, in the middle of writes, some milliseconds after either, at random times from outside,
 * and again while it recovers. Then it is run to its end. Nothing is cleaned by hand.
 */
const LEAST_KILLS = 200

const SERIES = [TRADES, BARS].map((series) => ({ ...series, ticker: 'THNY' }))
const DATASETS = SERIES.map(({ dataset }) => dataset.name)
const WORK = [
  ...['backfill', '--ticker', 'THNY', '--dataset', DATASETS.join(',')],
  ...['--from', '2024-12-31', '--to', '2025-01-02', '--source', 'simulator', '--quiet'],
]

/** Two synthetic markets, by the seed of the simulator: other prices, other volumes, other minutes without trade. */
const MARKETS = { one: '1', other: '2' } as const
type Market = keyof typeof MARKETS
const envOf = (market: Market) => ({ TAPELAKE__SIMULATOR__SEED: MARKETS[market] })

const home = mkdtempSync(join(tmpdir(), 'tapelake-kill-'))
const undisturbed = { one: join(home, 'one'), other: join(home, 'other') } as const

/** What happens to one data directory: it is recorded again and again, each time killed, the last time not. */
interface Life {
  readonly name: string
  readonly args: readonly string[]
  /** False: an empty lake is filled. True: what it holds is replaced by the other market's, to and fro. */
  readonly replaces: boolean
  readonly kills: readonly Kill[]
}

/** Session by session, the market whose rows it has: all of them and no others. */
type Sessions = ReadonlyMap<string, Market>

interface Sight {
  /** What anybody sees by a glob over the files. */
  readonly visible: Sessions
  /** What the lake says is true; ahead of the files while a commit is cut off behind its point of no return. */
  readonly committed: Sessions
}

const kills: Record<Phase, number> = { start: 0, fetch: 0, write: 0, rename: 0, ledger: 0 }
let recovering = 0
const instants = new Set<string>()
const files: Record<Market, ReadonlyMap<string, string>> = { one: new Map(), other: new Map() }
const cells: Record<Market, ReadonlyMap<string, string>> = { one: new Map(), other: new Map() }

/** Rows by session, told from others: those in the files, and those of the ledgers. */
async function rowsOf(root: string) {
  const visible = new Map<string, string>()
  const committed = new Map<string, string>()
  for (const series of SERIES) {
    const dataset = series.dataset.name
    for (const [date, rows] of await visibleSessions(root, dataset)) visible.set(`${dataset} ${date}`, rows)
    const { ledger } = await viewSeries(root, series, engineOnce)
    for (const [date, cell] of Object.entries(ledger.cells)) {
      if (cell.rows > 0) committed.set(`${dataset} ${date}`, `${cell.rows} rows, ${cell.digest}`)
    }
  }
  return { visible, committed }
}

/** Whose rows they are; fails where a session is neither market's, or a mixture. */
function marketsOf(rows: ReadonlyMap<string, string>, truths: typeof files): Sessions {
  const found = new Map<string, Market>()
  for (const [session, text] of rows) {
    const markets = (['one', 'other'] as const).filter((market) => truths[market].get(session) === text)
    expect([session, text, markets.length]).toEqual([session, text, 1])
    found.set(session, markets[0]!)
  }
  return found
}

/** What there is of a lake in whatever state; fails where it is not whole. */
async function look(root: string): Promise<Sight> {
  const { visible, committed } = await rowsOf(root)
  for (const series of SERIES) {
    expect((await verifySeries(root, series, engineOnce)).findings).toEqual([])
  }
  return { visible: marketsOf(visible, files), committed: marketsOf(committed, cells) }
}

/** Fails where a run that records `market` took something away, or made it what it was not told to. */
function expectNothingLost(before: Sight, after: Sight, market: Market): void {
  expect([...after.visible.keys()]).toEqual(expect.arrayContaining([...before.visible.keys()]))
  expect([...after.committed.keys()]).toEqual(expect.arrayContaining([...before.committed.keys()]))
  for (const [session, now] of after.committed) {
    const was = before.committed.get(session) ?? market
    expect([market, was], session).toContain(now)
  }
}

/** The market of which the lake has less, so that there is always something to replace. */
function rarer({ committed }: Sight): Market {
  const ones = [...committed.values()].filter((market) => market === 'one').length
  return ones * 2 > committed.size ? 'other' : 'one'
}

async function live({ name, args, replaces, kills: all }: Life): Promise<void> {
  const root = join(home, name)
  if (replaces) cpSync(undisturbed.other, root, { recursive: true })
  let before = await look(root)
  for (const kill of all) {
    const market = replaces ? rarer(before) : 'one'
    const run = await runVictim([...args, '--data-dir', root], `${root}.log`, { env: envOf(market), kill })
    if (run.killed) {
      const { name: what = 'nothing', path = '' } = run.operations.at(-1) ?? {}
      kills[run.phase]++
      if (run.phase !== 'start' && !run.operations.some((one) => one.name === 'request')) recovering++
      instants.add(`${replaces} ${JSON.stringify(kill)} ${what} ${path.slice(root.length)}`)
    } else expect([run.code, run.stderr]).toEqual([0, ''])
    const after = await look(root)
    expectNothingLost(before, after, market)
    before = after
  }
  const last = await runVictim([...args, '--data-dir', root], `${root}.log`, { env: envOf('one') })
  expect([last.code, last.stderr]).toEqual([0, ''])
  await expectSameLake(root, undisturbed.one, DATASETS)
  await rm(root, { recursive: true })
}

/** Numbers in [0, 1) that are the same in every run, so that a failure can be met again. */
function numbers(start: number): () => number {
  let state = start
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Operations before this one start the program: it looks at the data directory and takes its first lock. */
const RECOVERY = 6

/** Chooses where to kill runs that do what `operations` tell of an undisturbed one. */
function chooser(operations: readonly Noted[], random: () => number) {
  const numbered = operations.map((operation, i) => ({ ...operation, at: i + 1 }))
  return {
    /** At an operation of `phase`, in the middle of it, or a moment later. */
    inPhase: (phase: Phase): Kill => {
      const own = numbered.filter((operation) => phaseOf(operation) === phase)
      const { name, at } = own[Math.floor(random() * own.length)]!
      if (name === 'writeFile' && random() < 0.5) return { at, how: 'tear' }
      return { at, how: random() < 0.6 ? 'before' : Math.floor(random() * 25) }
    },
    /** While the run finishes what the last one left, if it left anything. */
    inRecovery: (): Kill => ({ at: RECOVERY + Math.floor(random() * 14), how: 'before' }),
    /** From outside, at any time. */
    outside: (): Kill => ({ afterMs: 200 + Math.floor(random() * 400) }),
  }
}

function livesOf(filling: readonly Noted[], replacing: readonly Noted[]): Life[] {
  const lives: Life[] = []
  for (let i = 0; i < 12; i++) {
    const { inPhase, inRecovery, outside } = chooser(filling, numbers(i))
    const phase = PHASES[1 + (i % 4)]!
    lives.push({
      ...{ name: `filled-${i}`, args: WORK, replaces: false },
      kills: [inPhase(phase), inRecovery(), outside()],
    })
  }
  for (let i = 0; i < 20; i++) {
    const { inPhase, inRecovery, outside } = chooser(replacing, numbers(100 + i))
    lives.push({
      ...{ name: `replaced-${i}`, args: [...WORK, '--force'], replaces: true },
      kills: [
        ...[inPhase('rename'), inRecovery(), inPhase('ledger'), inRecovery(), inPhase('write')],
        ...[inPhase('fetch'), inPhase('rename'), inRecovery(), inPhase('ledger'), outside()],
      ],
    })
  }
  return lives
}

describe('a backfill killed with SIGKILL at any instant', () => {
  let lives: readonly Life[]

  /** Records without being disturbed, and notes what was done. */
  async function record(root: string, market: Market, args: readonly string[]): Promise<readonly Noted[]> {
    const run = await runVictim([...args, '--data-dir', root], `${root}.log`, { env: envOf(market) })
    expect([run.code, run.stderr]).toEqual([0, ''])
    await expectVerified(root)
    return run.operations
  }

  beforeAll(async () => {
    const filling = await record(undisturbed.one, 'one', WORK)
    await record(undisturbed.other, 'other', WORK)
    const replaced = join(home, 'replaced')
    cpSync(undisturbed.other, replaced, { recursive: true })
    const replacing = await record(replaced, 'one', [...WORK, '--force'])
    await expectSameLake(replaced, undisturbed.one, DATASETS)
    for (const market of ['one', 'other'] as const) {
      const { visible, committed } = await rowsOf(undisturbed[market])
      files[market] = visible
      cells[market] = committed
    }
    lives = livesOf(filling, replacing)
  })
  afterAll(async () => {
    await engine.close()
    await rm(home, { recursive: true, force: true })
  })

  test('leaves whole sessions, loses none, and ends like an undisturbed one when it is run again', async () => {
    const limit = pLimit(2)
    const ended = await Promise.allSettled(lives.map((life) => limit(() => live(life))))
    const total = Object.values(kills).reduce((sum, n) => sum + n, 0)
    console.log(
      `killed ${total} times, ${recovering} of them in recovery, at ${instants.size} instants:`,
      kills,
    )
    expect(ended.filter(({ status }) => status === 'rejected')).toEqual([])
    expect(total).toBeGreaterThanOrEqual(LEAST_KILLS)
    expect(recovering).toBeGreaterThanOrEqual(10)
    for (const phase of PHASES) expect([phase, kills[phase] >= 10]).toEqual([phase, true])
  }, 900_000)
})
