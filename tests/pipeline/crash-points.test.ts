import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { ledgerPath, type SeriesId } from '../../src/lake/layout.ts'
import type { Ledger } from '../../src/lake/ledger.ts'
import { quarantineEntry } from '../../src/lake/quarantine-entries.ts'
import { interceptOperations, type Operation } from '../support/crash/operations.js'
import { BARS, engine, openWriter, SESSIONS, TRADES, unfinishedBelow } from '../support/lake.ts'
import { after, NOTHING, type Entry, type Model } from '../support/life/model.ts'
import { carryOut, HOME, stepOf, target, type Step, type World } from '../support/life/steps.ts'
import {
  contentOf,
  expectModel,
  expectTidy,
  ledgerOf,
  problemsOf,
  refusedRows,
  refusedRowsOf,
  truthOf,
} from '../support/life/witness.ts'

/**
 * Random lives of a series: recorded, streamed, late, imported, released, compacted, backed up, restored. In the first
 * test they are cut off before every single file operation: what lies on the disk at that instant is kept, opened again
 * as after a crash, and held to the truth before or behind the commit; writes are also torn in half. In the second
 * the disk refuses in the middle of a life, which goes on. After every step the lake is compared with a model.
 *
 * CRASH_POINTS: how many at least; CRASH_LIVES: how many lives on a disk that refuses. The defaults are what CI asks for.
 */
const LEAST_POINTS = Number(process.env['CRASH_POINTS'] ?? 1000)
const LIVES = Number(process.env['CRASH_LIVES'] ?? 20)
/** A deep look, a reader beside it and the work done again: for one point in so many. */
const LOOK_CLOSELY = 20

const tally = { points: 0, torn: 0, closely: 0, kinds: new Map<string, number>() }
const neverTorn = (): never => {
  throw new Error('nothing is torn here')
}

const newWorld = (series: SeriesId): World => {
  const folder = mkdtempSync(join(HOME, 'life-'))
  return { root: join(folder, 'data'), backups: join(folder, 'backups'), series }
}

/** Whether an operation changes what is to survive: locks belong to processes, and scratch files to nobody. */
const concerns = ({ root, backups }: World, path: string): boolean =>
  (path.startsWith(root) || path.startsWith(backups)) && !/\/state\/|\.lock(\.holder)?$/.test(path)

/** The world as it is at this instant, without what commands backed up by themselves. */
function keepInstant(world: World, step: Step, folder: string): World {
  const kept = { ...world, root: join(folder, 'data') }
  const isPart = (path: string): boolean => !path.endsWith('/state') && path !== join(world.root, 'backups')
  if (existsSync(world.root)) cpSync(world.root, kept.root, { recursive: true, filter: isPart })
  if (step.kind !== 'backup' || !existsSync(world.backups)) return kept
  const backups = join(folder, 'backups')
  cpSync(world.backups, backups, { recursive: true })
  return { ...kept, backups }
}

/** Carries `step` out and keeps the disk as it is before each file operation; of a write also torn in half. */
async function carryOutInSlices(world: World, step: Step, released?: string): Promise<readonly World[]> {
  const slices: World[] = []
  const next = () => join(HOME, `slice-${slices.length}`)
  let written: string | undefined
  const slice = (operation: Operation): undefined => {
    if (!concerns(world, operation.path)) return
    const kept = keepInstant(world, step, next())
    slices.push(kept)
    if (written?.startsWith(world.root)) {
      const torn = join(kept.root, written.slice(world.root.length))
      if (existsSync(torn) && statSync(torn).size > 1 && /\.(tmp|journal)$/.test(torn)) {
        const copy = keepInstant(kept, step, next())
        truncateSync(join(copy.root, written.slice(world.root.length)), statSync(torn).size >> 1)
        slices.push(copy)
        tally.torn++
      }
    }
    written = ['writeFile', 'write'].includes(operation.name) ? operation.path : undefined
  }
  const restore = await interceptOperations({ before: slice, torn: neverTorn, handles: true })
  try {
    await carryOut(world, step, released)
  } finally {
    restore()
  }
  return slices
}

interface Truths {
  readonly allowed: ReadonlySet<string>
  readonly before: Model
  readonly after: Model
  readonly content: unknown
}

/** After a crash at this instant the truth is one that was committed, whole, and nothing is left to clean. */
async function expectRecovers(world: World, step: Step, released: string | undefined, truths: Truths) {
  const closely = tally.points++ % LOOK_CLOSELY === 0
  tally.kinds.set(step.kind, (tally.kinds.get(step.kind) ?? 0) + 1)
  if (closely) {
    tally.closely++
    expect(truths.allowed).toContain(truthOf(await ledgerOf(world))) // what readers see before anybody recovers
    expect(await problemsOf(world)).toEqual([])
    await expectNoneVanished(world, truths)
  }
  const writer = await openWriter(world.root, world.series)
  expect(truths.allowed).toContain(truthOf(writer.ledger))
  await writer.close()
  await expectTidy(world, writer.ledger)
  if (!closely) return
  expect(await problemsOf(world)).toEqual([])
  await carryOut(world, step, released)
  expect(contentOf(await ledgerOf(world))).toEqual(truths.content)
  expect(await problemsOf(world)).toEqual([])
  await expectModel(world, truths.after)
  expect(await unfinishedBelow(world.root)).toEqual([])
}

/** A refused row that is in quarantine before and after is there all the while. */
async function expectNoneVanished(world: World, truths: Truths): Promise<void> {
  const found = await refusedRows(world)
  const behind = refusedRowsOf(truths.after)
  for (const [date, rows] of refusedRowsOf(truths.before)) {
    const lasting = rows.filter((row) => behind.get(date)?.includes(row))
    expect(found.get(date) ?? []).toEqual(expect.arrayContaining(lasting))
  }
}

const entryOf = async ({ root }: World, id: string | undefined): Promise<Entry | undefined> =>
  id === undefined ? undefined : await quarantineEntry(root, id)

/** A step that cannot be taken: there is nothing to restore. */
const isIdle = (step: Step, { backup }: Model): boolean => step.kind === 'restore' && !backup

async function live(series: SeriesId, steps: readonly Step[]): Promise<void> {
  const world = newWorld(series)
  let model = NOTHING
  for (const step of steps) {
    if (isIdle(step, model)) continue
    const released = await target(world, step)
    const next = after(model, series, step, await entryOf(world, released))
    const before = truthOf(await ledgerOf(world))
    const slices = await carryOutInSlices(world, step, released)
    await expectModel(world, next)
    const ledger = await ledgerOf(world)
    const allowed = new Set([before, truthOf(ledger), ...slices.flatMap(committedIn)])
    const truths = { allowed, before: model, after: next, content: contentOf(ledger) }
    for (const slice of slices) {
      await expectRecovers(slice, step, released, truths)
      rmSync(join(slice.root, '..'), { recursive: true, force: true })
    }
    model = next
  }
  rmSync(join(world.root, '..'), { recursive: true })
}

/** What the ledger file says, where there is one: compaction commits twice. */
function committedIn({ root, series }: World): string[] {
  const path = join(root, ledgerPath(series))
  if (!existsSync(path)) return []
  return [truthOf(JSON.parse(readFileSync(path, 'utf8')) as Ledger)]
}

/** What a disk does: it refuses one operation, or from there on every one; a write is torn, or only partly done. */
interface Fault {
  readonly at: number
  readonly code: string
  readonly how: 'once' | 'lasting' | 'tear' | 'short'
}

const FAULTS = ['ENOSPC', 'EIO', 'EROFS', 'EDQUOT'] as const
const fault: fc.Arbitrary<Fault> = fc.record({
  ...{ at: fc.integer({ min: 1, max: 40 }), code: fc.constantFrom(...FAULTS) },
  how: fc.constantFrom('once', 'lasting', 'tear', 'short'),
})

/** @returns whether the step failed; a short write is no failure */
async function carryOutBadly(world: World, step: Step, released: string | undefined, fault: Fault) {
  let count = 0
  const refuse = (): never => {
    throw Object.assign(new Error(`${fault.code}: refused`), { code: fault.code })
  }
  const restore = await interceptOperations({
    handles: true,
    torn: refuse,
    before: ({ path, name }) => {
      if (!concerns(world, path)) return undefined
      if (fault.how === 'short') return name === 'write' ? 'short' : undefined
      count++
      if (count === fault.at && fault.how === 'tear' && name === 'writeFile') return 'tear'
      return count === fault.at || (fault.how === 'lasting' && count > fault.at) ? refuse() : undefined
    },
  })
  const failed = await carryOut(world, step, released).then(
    () => false,
    () => true,
  )
  restore()
  return failed
}

/** @returns steps that failed */
async function liveOnBadDisk(series: SeriesId, life: readonly (readonly [Step, Fault])[]): Promise<number> {
  const world = newWorld(series)
  let [model, failures] = [NOTHING, 0]
  for (const [step, fault] of life) {
    if (isIdle(step, model)) continue
    const released = await target(world, step)
    const next = after(model, series, step, await entryOf(world, released))
    if (await carryOutBadly(world, step, released, fault)) {
      failures++
      expect(await problemsOf(world)).toEqual([]) // whatever is committed can be read, as it is
      await carryOut(world, { kind: 'reopen' })
      await expectTidy(world, await ledgerOf(world))
      await expectOneOf(world, [model, next])
      await carryOut(world, step, released)
    }
    await expectModel(world, next)
    model = next
  }
  expect(await problemsOf(world)).toEqual([])
  rmSync(join(world.root, '..'), { recursive: true })
  return failures
}

/** The rows are those of one of the models, for all sessions alike. */
async function expectOneOf(world: World, models: readonly Model[]): Promise<void> {
  const { cells } = await ledgerOf(world)
  const found = SESSIONS.map((date) => cells[date]?.rows ?? 0)
  const rows = (model: Model) => SESSIONS.map((date) => model.cells.get(date)?.rows.size ?? 0)
  expect(models.map(rows)).toContainEqual(found)
}

afterAll(async () => {
  await engine.close()
  await rm(HOME, { recursive: true, force: true })
})

const SOME = { value: 2, first: 1, count: 4 } as const
const [DEC30, DEC31, JAN2, JAN3, JAN6] = SESSIONS
/** A life in which everything happens, and every step finds something to do. */
const WHOLE: readonly Step[] = [
  { kind: 'record', sessions: [DEC30, DEC31, JAN2], value: 1, refused: true },
  { kind: 'stream', session: JAN3, beyond: false, ...SOME },
  { kind: 'stream', session: JAN3, beyond: false, ...SOME, first: 4 },
  { kind: 'late', session: JAN2, beyond: false, ...SOME },
  { kind: 'settle', sessions: [JAN6], state: 'failed' },
  { kind: 'backup' },
  { kind: 'stream', session: DEC30, beyond: true, ...SOME },
  { kind: 'release', which: 0, force: false },
  { kind: 'import', sessions: [JAN2, JAN6], value: 3, force: true },
  { kind: 'record', sessions: [DEC31, JAN2], value: 2, refused: false },
  { kind: 'merge' },
  { kind: 'restore' },
  { kind: 'release', which: 1, force: true },
  { kind: 'lose the ledger' },
  { kind: 'drop' },
]
const KINDS = [...new Set(WHOLE.map(({ kind }) => kind))].sort()

describe('a series whose life is cut off anywhere', () => {
  test('has its old truth or its new one, whole, and nothing to clean by hand', async () => {
    for (let seed = 0; tally.points < LEAST_POINTS; seed++) {
      const series = seed % 3 === 2 ? TRADES : BARS
      const random = fc.array(stepOf(series), { minLength: 5, maxLength: 8 })
      const steps = seed === 0 ? WHOLE : fc.sample(random, { seed, numRuns: 1 })[0]!
      await live(series, steps).catch((error: unknown) => {
        throw new Error(`life ${seed} of ${series.dataset.name}: ${JSON.stringify(steps)}`, { cause: error })
      })
    }
    console.log(
      `${tally.points} crash points, ${tally.torn} of them torn writes, ${tally.closely} looked at closely:`,
      Object.fromEntries(tally.kinds),
    )
    expect(tally.torn).toBeGreaterThan(LEAST_POINTS / 50)
    if (LEAST_POINTS >= 1000) expect([...tally.kinds.keys()].sort()).toEqual(KINDS)
  }, 600_000)

  test('goes on once a disk that refused is well again, and is what the model says', async () => {
    let failures = 0
    for (let seed = 1; seed <= LIVES; seed++) {
      const series = seed % 3 === 0 ? TRADES : BARS
      const random = fc.array(fc.tuple(stepOf(series), fault), { minLength: 4, maxLength: 7 })
      const life = fc.sample(random, { seed, numRuns: 1 })[0]!
      failures += await liveOnBadDisk(series, life).catch((error: unknown) => {
        throw new Error(`life ${seed} of ${series.dataset.name}: ${JSON.stringify(life)}`, { cause: error })
      })
    }
    expect(failures).toBeGreaterThan(LIVES)
  }, 600_000)
})
