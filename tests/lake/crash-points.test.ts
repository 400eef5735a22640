import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { compactSeries } from '../../src/lake/compact.ts'
import { sha256File } from '../../src/lake/durable.ts'
import { ledgerPath, type SeriesId } from '../../src/lake/layout.ts'
import type { Ledger } from '../../src/lake/ledger.ts'
import type { QuarantinedRow } from '../../src/lake/quarantine.ts'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import { interceptOperations, type Operation } from '../support/crash/operations.js'
import {
  BARS,
  batchFor,
  COMPLETE,
  engine,
  engineOnce,
  filesBelow,
  openWriter,
  rowsFor,
  SESSIONS,
  settle,
  TRADES,
  unfinishedBelow,
  visibleRows,
  withWriter,
} from '../support/lake.ts'

/**
 * Random lives of a series, cut off before every single file operation: what lies on the disk at that instant is kept,
 * opened again as after a crash, and held to the truth before or behind the commit. Writes are also torn in half, and
 * some operations are refused, once, by a disk that is full, broken or read-only.
 *
 * CRASH_POINTS: how many at least; the default is what CI asks for.
 */
const LEAST_POINTS = Number(process.env['CRASH_POINTS'] ?? 1000)
/** A deep look, a reader beside it and the work done again: for one point in so many. */
const LOOK_CLOSELY = 20
const REFUSALS = 40

type Step =
  | {
      readonly kind: 'record'
      readonly sessions: readonly string[]
      readonly value: number
      readonly refused: boolean
    }
  | { readonly kind: 'settle'; readonly sessions: readonly string[]; readonly state: 'failed' | 'empty' }
  | { readonly kind: 'merge' | 'drop' | 'lose the ledger' | 'reopen' }

const sessions = fc.subarray([...SESSIONS], { minLength: 1, maxLength: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ kind: fc.constant('record' as const), sessions, refused: fc.boolean() },
      value: fc.integer({ min: 1, max: 3 }), // few, so that the same is often recorded again
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{
        kind: fc.constant('settle' as const),
        sessions,
        state: fc.constantFrom('failed' as const, 'empty' as const),
      },
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('merge' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose the ledger' as const) }) },
)

const refusedRow = (run: string): QuarantinedRow => ({
  ...{ rule: 'high_below_low', reason: 'test', row: { close: 1 }, run },
  ...{ source: 'simulator', request: '/test', requestId: null },
})

async function carryOut(root: string, series: SeriesId, one: Step): Promise<void> {
  switch (one.kind) {
    case 'record': {
      const refused = one.refused ? [refusedRow('run-1')] : []
      await withWriter(root, series, async (writer) => {
        const sink = writer.openSink(one.sessions)
        for (const date of one.sessions) {
          await sink.write(batchFor(series, rowsFor(series, date, one.value, 1 + one.value)))
        }
        await sink.commit(settle(one.sessions, { ...COMPLETE, refused }))
      })
      return
    }
    case 'settle':
      await withWriter(root, series, (writer) =>
        writer.settle(settle(one.sessions, { state: one.state, reason: 'test' })),
      )
      return
    case 'merge':
    case 'drop': {
      const day = 86_400_000
      const how = {
        runId: 'compact',
        keepDays: 1,
        lockWaitMs: 0,
        nowMs: Date.now() + (one.kind === 'drop' ? 2 * day : 0),
      }
      const settings = { engine, compression: 'zstd', rowGroupRows: 122_880 } as const
      await compactSeries(series, { root, ...how, ...settings }, new AbortController().signal)
      return
    }
    case 'lose the ledger':
      await rm(join(root, ledgerPath(series)), { force: true })
      await withWriter(root, series, async () => undefined)
      return
    case 'reopen':
      await withWriter(root, series, async () => undefined)
  }
}

/** What a ledger says is there: rows, files and versions; not when and by whom it was told. */
const truthOf = ({ segments, cells, history = [] }: Ledger): string =>
  JSON.stringify([
    segments.map(({ path, sha256 }) => [path, sha256]),
    Object.entries(cells)
      .filter(([, { rows }]) => rows > 0)
      .map(([date, { rows, digest }]) => [date, rows, digest])
      .sort(),
    history
      .flatMap(({ date, rows, digest, until, kept }) =>
        kept ? [[date, rows, digest, until, kept.path]] : [],
      )
      .sort(),
  ])

const contentOf = ({ cells }: Ledger): unknown =>
  Object.entries(cells)
    .filter(([, { rows }]) => rows > 0)
    .map(([date, { rows, digest }]) => [date, rows, digest])
    .sort()

async function truthNow(root: string, series: SeriesId): Promise<string> {
  return truthOf((await viewSeries(root, series, engineOnce)).ledger)
}

/** In memory where that is possible: thousands of fsyncs are not what is tested here. */
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tapelake-points-'))
const tally = { points: 0, torn: 0, closely: 0, kinds: new Map<string, number>() }

/** The data directory as it is at this instant; locks belong to processes. */
function keepInstant(root: string, at: string): string {
  cpSync(root, at, { recursive: true, filter: (path) => !path.endsWith('/state') })
  return at
}

/** Carries `one` out and keeps the disk as it is before each file operation; of a write also torn in half. */
async function carryOutInSlices(root: string, series: SeriesId, one: Step): Promise<readonly string[]> {
  const slices: string[] = []
  let written: string | undefined
  const slice = (operation?: Operation): undefined => {
    if (operation?.path.includes('/state/')) return
    const at = keepInstant(root, join(home, `slice-${slices.length}`))
    slices.push(at)
    if (written?.startsWith(root)) {
      const torn = join(at, written.slice(root.length))
      if (existsSync(torn) && statSync(torn).size > 1 && torn.endsWith('.tmp')) {
        const copy = `${at}-torn`
        cpSync(at, copy, { recursive: true })
        truncateSync(join(copy, written.slice(root.length)), statSync(torn).size >> 1)
        slices.push(copy)
        tally.torn++
      }
    }
    written = operation?.name === 'writeFile' ? operation.path : undefined
  }
  const restore = await interceptOperations({
    before: slice,
    torn: () => {
      throw new Error('nothing is torn here')
    },
  })
  try {
    await carryOut(root, series, one)
  } finally {
    restore()
  }
  return slices
}

/** After a crash at this instant the truth is one that was committed, whole, and nothing is left to clean. */
async function expectRecovers(
  at: string,
  series: SeriesId,
  one: Step,
  truths: { readonly allowed: ReadonlySet<string>; readonly after: unknown },
): Promise<void> {
  const closely = tally.points++ % LOOK_CLOSELY === 0
  tally.kinds.set(one.kind, (tally.kinds.get(one.kind) ?? 0) + 1)
  if (closely) {
    tally.closely++
    expect(truths.allowed).toContain(await truthNow(at, series)) // what readers see before anybody recovers
    const { findings } = await verifySeries(at, series, engineOnce)
    expect(findings.filter(({ problem }) => problem !== 'ledger_lost')).toEqual([])
  }
  const writer = await openWriter(at, series)
  expect(truths.allowed).toContain(truthOf(writer.ledger))
  await writer.close()
  expect(await unfinishedBelow(at)).toEqual([])
  await expectWholeFiles(at, writer.ledger)
  if (!closely) return
  expect((await verifySeries(at, series, engineOnce)).findings).toEqual([])
  await carryOut(at, series, one)
  expect(contentOf((await viewSeries(at, series, engineOnce)).ledger)).toEqual(truths.after)
  expect((await verifySeries(at, series, engineOnce)).findings).toEqual([])
}

/** Every file that the ledger names is there, to the bit, and no other one. Their content was read when they were new. */
async function expectWholeFiles(root: string, { segments, history = [] }: Ledger): Promise<void> {
  const named = [...segments, ...history.flatMap(({ kept }) => kept ?? [])]
  for (const { path, sha256 } of named)
    expect([path, await sha256File(join(root, path))]).toEqual([path, sha256])
  const found = (await filesBelow(root)).filter((name) => name.endsWith('.parquet'))
  expect(found).toEqual([...new Set(named.map(({ path }) => path))].sort())
}

async function live(series: SeriesId, steps: readonly Step[]): Promise<void> {
  const root = mkdtempSync(join(home, 'life-'))
  const model = new Map<string, number>()
  for (const one of steps) {
    const before = await truthNow(root, series)
    const slices = await carryOutInSlices(root, series, one)
    if (one.kind === 'record') for (const date of one.sessions) model.set(date, one.value)
    const expected = SESSIONS.flatMap((date) => {
      const value = model.get(date)
      return value === undefined ? [] : rowsFor(series, date, value, 1 + value)
    })
    expect(await visibleRows(root, series)).toEqual(expected)
    const { ledger } = await viewSeries(root, series, engineOnce)
    const allowed = new Set([before, truthOf(ledger), ...slices.flatMap((at) => committedIn(at, series))])
    for (const at of slices) {
      await expectRecovers(at, series, one, { allowed, after: contentOf(ledger) })
      rmSync(at, { recursive: true })
    }
  }
  rmSync(root, { recursive: true })
}

/** What the ledger file says, where there is one: compaction commits twice. */
function committedIn(root: string, series: SeriesId): string[] {
  const path = join(root, ledgerPath(series))
  if (!existsSync(path)) return []
  return [truthOf(JSON.parse(readFileSync(path, 'utf8')) as Ledger)]
}

const FAULTS = ['ENOSPC', 'EIO', 'EROFS', 'EDQUOT'] as const

/** The disk refuses one operation, or from there on every one that writes; then it is well again. */
async function expectSurvivesRefusal(
  series: SeriesId,
  [first, second]: readonly [Step, Step],
  { at, code, lasting }: { readonly at: number; readonly code: string; readonly lasting: boolean },
): Promise<boolean> {
  const root = mkdtempSync(join(home, 'refusal-'))
  await carryOut(root, series, first)
  const before = await truthNow(root, series)
  let count = 0
  const restore = await interceptOperations({
    before: ({ path }) => {
      if (path.includes('/state/')) return undefined
      count++
      if (count === at || (lasting && count > at))
        throw Object.assign(new Error(`${code}: refused`), { code })
      return undefined
    },
    torn: () => {
      throw new Error('nothing is torn here')
    },
  })
  const failed = await carryOut(root, series, second).then(
    () => false,
    () => true,
  )
  restore()
  if (failed) {
    const truth = await truthNow(root, series)
    const reached = await verifySeries(root, series, engineOnce)
    expect(reached.findings.filter(({ problem }) => problem !== 'ledger_lost')).toEqual([])
    await carryOut(root, series, { kind: 'reopen' })
    expect([before, truth]).toContain(await truthNow(root, series))
  }
  await carryOut(root, series, second)
  expect(await unfinishedBelow(root)).toEqual([])
  expect((await verifySeries(root, series, engineOnce)).findings).toEqual([])
  rmSync(root, { recursive: true })
  return failed
}

afterAll(async () => {
  await engine.close()
  await rm(home, { recursive: true, force: true })
})

const recorded = (value: number, from: number, to: number): Step => ({
  ...{ kind: 'record', sessions: SESSIONS.slice(from, to), value, refused: false },
})
/** A life in which there is something to merge and something to drop. */
const RESTATED: readonly [SeriesId, readonly Step[]] = [
  BARS,
  [
    recorded(1, 0, 5),
    recorded(2, 2, 3),
    recorded(3, 2, 4),
    { kind: 'merge' },
    recorded(1, 1, 3),
    { kind: 'drop' },
  ],
]

describe('a series whose life is cut off anywhere', () => {
  test('has its old truth or its new one, whole, and nothing to clean by hand', async () => {
    const life = fc.tuple(fc.constantFrom(BARS, BARS, TRADES), fc.array(step, { minLength: 5, maxLength: 8 }))
    for (let seed = 0; tally.points < LEAST_POINTS; seed++) {
      const [series, steps] = seed === 0 ? RESTATED : fc.sample(life, { seed, numRuns: 1 })[0]!
      await live(series, steps).catch((error: unknown) => {
        throw new Error(`life ${seed} of ${series.dataset.name}: ${JSON.stringify(steps)}`, { cause: error })
      })
    }
    console.log(
      `${tally.points} crash points, ${tally.torn} of them torn writes, ${tally.closely} looked at closely:`,
    )
    console.log(Object.fromEntries(tally.kinds))
    expect(tally.torn).toBeGreaterThan(LEAST_POINTS / 50)
    for (const kind of LEAST_POINTS < 1000 ? [] : ['record', 'merge', 'drop', 'settle', 'lose the ledger']) {
      expect([kind, tally.kinds.has(kind)]).toEqual([kind, true])
    }
  }, 300_000)

  test('goes on once a disk that refused an operation is well again', async () => {
    const fault = fc.record({
      ...{ at: fc.integer({ min: 1, max: 24 }), code: fc.constantFrom(...FAULTS), lasting: fc.boolean() },
    })
    const record = (value: number): Step => ({
      ...{ kind: 'record', sessions: SESSIONS.slice(1, 4), value, refused: value === 2 },
    })
    let failures = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(BARS, TRADES), step, fault, async (series, second, how) => {
        if (await expectSurvivesRefusal(series, [record(1), second], how)) failures++
        if (await expectSurvivesRefusal(series, [record(1), record(2)], how)) failures++
      }),
      { numRuns: REFUSALS / 2, seed: 1 },
    )
    expect(failures).toBeGreaterThan(REFUSALS / 4)
  }, 120_000)
})
