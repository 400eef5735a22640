import { join } from 'node:path'
import { expect } from 'vitest'
import { sha256File } from '../../../src/lake/durable.ts'
import type { Ledger } from '../../../src/lake/ledger.ts'
import { quarantinedSessions, readQuarantine } from '../../../src/lake/quarantine.ts'
import { viewSeries } from '../../../src/lake/series-store.ts'
import { verifySeries } from '../../../src/lake/verify.ts'
import type { Row } from '../../lake/engines/samples.ts'
import { engineOnce, filesBelow, unfinishedBelow, visibleRows } from '../lake.ts'
import { rowsOf, type Model } from './model.ts'
import type { World } from './steps.ts'

export const ledgerOf = async ({ root, series }: World): Promise<Ledger> =>
  (await viewSeries(root, series, engineOnce)).ledger

/** What a ledger says is there: rows, files and versions; not when and by whom it was told. */
export const truthOf = ({ segments, cells, history = [] }: Ledger): string =>
  JSON.stringify([
    segments.map(({ path, sha256 }) => [path, sha256]),
    contentOf({ cells }),
    history
      .flatMap(({ date, rows, digest, until, kept }) =>
        kept ? [[date, rows, digest, until, kept.path]] : [],
      )
      .sort(),
  ])

/** Sessions with rows, and which rows. */
export const contentOf = ({ cells }: Pick<Ledger, 'cells'>): unknown =>
  Object.entries(cells)
    .filter(([, { rows }]) => rows > 0)
    .map(([date, { rows, digest }]) => [date, rows, digest])
    .sort()

/** Problems that `verify --deep` tells of; a ledger that was lost is one that tests make. */
export async function problemsOf({ root, series }: World): Promise<readonly object[]> {
  const { findings } = await verifySeries(root, series, engineOnce)
  return findings.filter(({ problem }) => problem !== 'ledger_lost')
}

/** The time tells a row of these series from the others of its session; the price, one recording from another. */
const nameOf = (rule: string, { timestamp, close, price }: Row): string =>
  [rule, timestamp, close ?? price].join(' ')

/** Every row of the quarantine by session. */
export async function refusedRows({ root, series }: World): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>()
  for (const date of await quarantinedSessions(root, series)) {
    const rows = await readQuarantine(root, series, date)
    found.set(
      date,
      rows.map(({ rule, row }) => nameOf(rule, row)),
    )
  }
  return found
}

export const refusedRowsOf = ({ quarantine }: Model): ReadonlyMap<string, readonly string[]> =>
  new Map(
    [...quarantine]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([date, rows]) => [date, rows.map(({ rule, row }) => nameOf(rule, row))]),
  )

/** The lake is what the model says: its rows as a stranger reads them, its cells, its quarantine. */
export async function expectModel(world: World, model: Model): Promise<void> {
  expect(await visibleRows(world.root, world.series)).toEqual(rowsOf(model))
  const { cells } = await ledgerOf(world)
  const states = Object.entries(cells).map(([date, { state, rows }]) => [date, state, rows])
  const expected = [...model.cells].map(([date, { state, rows }]) => [date, state, rows.size])
  expect(states.sort()).toEqual(expected.sort())
  expect(await refusedRows(world)).toEqual(refusedRowsOf(model))
}

/** Nothing is to be cleaned by hand, and every file is named and whole, to the bit. */
export async function expectTidy(world: World, { segments, history = [] }: Ledger): Promise<void> {
  const { root } = world
  const unfinished = await unfinishedBelow(root)
  expect(unfinished.filter((name) => name !== 'lake.json.tmp')).toEqual([]) // the stamp is of no series
  const named = [...segments, ...history.flatMap(({ kept }) => kept ?? [])]
  for (const { path, sha256 } of named)
    expect([path, await sha256File(join(root, path))]).toEqual([path, sha256])
  const found = (await filesBelow(root)).filter((name) => /^(lake|history)\/.*\.parquet$/.test(name))
  expect(found).toEqual([...new Set(named.map(({ path }) => path))].sort())
}
