import { cpSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PHASES, phaseOf, runVictim, type Kill, type Noted, type Phase } from '../support/crash/victim.ts'
import { expectSameLake, expectVerified, visibleSessions } from '../support/crash/witness.ts'

/**
 * The built program, killed with SIGKILL at hundreds of instants while it records synthetic data: at chosen file
 * operations and requests, in the middle of writes, some milliseconds after either, and at random times from
 * outside; then killed again while it recovers, and again; then run to its end. Nothing is cleaned by hand.
 */
const LEAST_KILLS = 200

const DATASETS = ['equity_trades', 'equity_bars_1m']
const WORK = [
  ...['backfill', '--ticker', 'THNY', '--dataset', DATASETS.join(',')],
  ...['--from', '2024-12-31', '--to', '2025-01-02', '--source', 'simulator', '--quiet'],
]
/** Two markets: one was recorded before, the other is being recorded over it. */
const seed = (number: number) => ({ env: { TAPELAKE__SIMULATOR__SEED: String(number) } })
const [NEW, OLD] = [seed(1), seed(2)]

const home = mkdtempSync(join(tmpdir(), 'tapelake-kill-'))
afterAll(() => rm(home, { recursive: true, force: true }))

/** Numbers in [0, 1) that are the same in every run, so that a failure can be met again. */
function numbers(start: number): () => number {
  let state = start
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const kills: Record<Phase, number> = { start: 0, fetch: 0, write: 0, rename: 0, ledger: 0 }
const instants = new Set<string>()

interface Scenario {
  readonly name: string
  readonly args: readonly string[]
  /** Lake to begin with, if not none. */
  readonly before?: string
  /** Lakes of which every session must have the rows: that of the undisturbed run first. */
  readonly truths: readonly string[]
  /** What the undisturbed run did. */
  readonly operations: readonly Noted[]
  /** Data directories that it is played on. */
  readonly lives: number
}

/** Records into `folder` without being disturbed. */
async function undisturbed(
  folder: string,
  args: readonly string[],
  { env }: typeof NEW,
): Promise<readonly Noted[]> {
  const run = await runVictim([...args, '--data-dir', folder], `${folder}.log`, { env })
  expect([run.code, run.stderr]).toEqual([0, ''])
  await expectVerified(folder)
  return run.operations
}

/** Most operations before this one start the program: it looks at the data directory and takes its lock. */
const RECOVERY = 10

/** At an operation of `phase`, in the middle of it, or a moment later. */
function killIn(phase: Phase, { operations }: Scenario, random: () => number): Kill {
  const own = operations.flatMap((operation, i) =>
    phaseOf(operation) === phase ? [{ operation, at: i + 1 }] : [],
  )
  const { operation, at } = own[Math.floor(random() * own.length)]!
  if (operation.name === 'writeFile' && random() < 0.5) return { at, how: 'tear' }
  return { at, how: random() < 0.6 ? 'before' : Math.floor(random() * 25) }
}

/** The deaths of one data directory, one after the other: one in each phase, one in recovery, one at random. */
function killsOf(life: number, scenario: Scenario, random: () => number): Kill[] {
  const [first, ...others] = PHASES.slice(1).map((_, i, phases) => phases[(life + i) % phases.length]!)
  const recovery = { at: RECOVERY + Math.floor(random() * 30), how: 'before' } as const
  return [
    killIn(first!, scenario, random),
    recovery,
    ...others.slice(0, 2).map((phase) => killIn(phase, scenario, random)),
    { afterMs: 150 + Math.floor(random() * 500) },
  ]
}

/** Kills the work on one data directory again and again, then lets the work end, and looks at it each time. */
async function live(life: number, scenario: Scenario): Promise<void> {
  const random = numbers(1 + life)
  const root = join(home, `${scenario.name}-${life}`)
  if (scenario.before) cpSync(scenario.before, root, { recursive: true })
  const args = [...scenario.args, '--data-dir', root]
  let before = await look(root, scenario)
  for (const kill of killsOf(life, scenario, random)) {
    const run = await runVictim(args, `${root}.log`, { ...NEW, kill })
    if (run.killed) {
      kills[run.phase]++
      const last = run.operations.at(-1)
      instants.add(`${scenario.name} ${JSON.stringify(kill)} ${last?.name} ${last?.path.slice(root.length)}`)
    } else expect([run.code, run.stderr]).toEqual([0, ''])
    const after = await look(root, scenario)
    for (const [session, truth] of before) {
      expect(after.has(session), `${session} is gone`).toBe(true)
      if (truth === 0) expect(after.get(session), `${session} is what it was before`).toBe(0)
    }
    before = after
  }
  const last = await runVictim(args, `${root}.log`, NEW)
  expect([last.code, last.stderr]).toEqual([0, ''])
  await expectSameLake(root, scenario.truths[0]!, DATASETS)
  await rm(root, { recursive: true })
}

/** What can be seen of a lake in whatever state; fails where it is not whole. */
async function look(root: string, { truths }: Scenario): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>()
  for (const dataset of DATASETS) {
    for (const [date, truth] of await visibleSessions(root, dataset, truths))
      seen.set(`${dataset} ${date}`, truth)
  }
  await expectVerified(root)
  return seen
}

describe('a backfill killed with SIGKILL at any instant', () => {
  const [fresh, old, forced] = ['fresh', 'old', 'forced'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ]
  let scenarios: readonly Scenario[]

  beforeAll(async () => {
    const force = [...WORK, '--force']
    const first = await undisturbed(fresh, WORK, NEW)
    await undisturbed(old, WORK, OLD)
    cpSync(old, forced, { recursive: true })
    const again = await undisturbed(forced, force, NEW)
    scenarios = [
      { name: 'first', args: WORK, truths: [fresh], operations: first, lives: 18 },
      { name: 'again', args: force, before: old, truths: [forced, old], operations: again, lives: 36 },
    ]
  })

  test('leaves whole sessions only, loses none, and ends like an undisturbed one when run again', async () => {
    const limit = pLimit(2)
    const lives = scenarios.flatMap((scenario) =>
      Array.from({ length: scenario.lives }, (_, life) => limit(() => live(life, scenario))),
    )
    await Promise.all(lives)
    const total = Object.values(kills).reduce((sum, n) => sum + n, 0)
    console.log(`killed ${total} times, at ${instants.size} different instants:`, kills)
    expect(total).toBeGreaterThanOrEqual(LEAST_KILLS)
    for (const phase of PHASES) expect(kills[phase], phase).toBeGreaterThanOrEqual(10)
  }, 600_000)
})
