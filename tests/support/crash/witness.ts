import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openLake } from '../../../src/lake/index.ts'
import { datasetNamed } from '../../../src/market/datasets/index.ts'
import { askDuckDb, filesBelow } from '../lake.ts'

/** A lake whose rows are known to be right, for a dataset. */
const rowsIn = (root: string, dataset: string): string =>
  `read_parquet('${join(root, 'lake', dataset)}/**/*.parquet', hive_partitioning = false)`

const holds = (root: string, dataset: string): boolean => existsSync(join(root, 'lake', dataset))

async function hasSegments(root: string, dataset: string): Promise<boolean> {
  if (!holds(root, dataset)) return false
  return (await filesBelow(join(root, 'lake', dataset))).some((name) => name.endsWith('.parquet'))
}

async function count(sql: string): Promise<number> {
  const [row] = await askDuckDb(`SELECT count(*)::INTEGER AS n FROM (${sql})`)
  return row!.n as number
}

/** New York is five hours behind UTC on all days that these tests record. */
const SESSION = `(timestamp AT TIME ZONE 'UTC' - INTERVAL 5 HOUR)::DATE::VARCHAR`

/**
 * What a stranger sees of `dataset` by a glob: which sessions are there, each told apart by the lake in
 * `truths` whose rows it has, all of them and none else.
 *
 * Fails where a file cannot be read, where a key comes twice, and where a session is of no truth or of two.
 */
export async function visibleSessions(
  root: string,
  dataset: string,
  truths: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (!(await hasSegments(root, dataset))) return new Map()
  const key = datasetNamed(dataset).key.join(', ')
  const seen = rowsIn(root, dataset)
  expect(await count(`SELECT ${key} FROM ${seen} GROUP BY ${key} HAVING count(*) > 1`)).toBe(0)
  const sessions = (await askDuckDb(`SELECT DISTINCT ${SESSION} AS date FROM ${seen} ORDER BY date`)).map(
    ({ date }) => date as string,
  )
  const differing = await Promise.all(truths.map((truth) => differingSessions(seen, rowsIn(truth, dataset))))
  return new Map(
    sessions.map((date) => {
      const truth = differing.findIndex((dates) => !dates.has(date))
      expect(truth, `${dataset} ${date} is neither of the recordings`).toBeGreaterThanOrEqual(0)
      return [date, truth]
    }),
  )
}

/** Sessions of which one side has a row that the other has not. */
async function differingSessions(seen: string, truth: string): Promise<ReadonlySet<string>> {
  const only = (a: string, b: string) => `(SELECT * FROM ${a} EXCEPT ALL SELECT * FROM ${b})`
  const rows = await askDuckDb(
    `SELECT DISTINCT ${SESSION} AS date FROM (${only(seen, truth)} UNION ALL ${only(truth, seen)})`,
  )
  return new Set(rows.map(({ date }) => date as string))
}

/** Fails unless `tapelake verify` would find everything in order. */
export async function expectVerified(root: string): Promise<void> {
  const lake = await openLake(root)
  try {
    for await (const { findings } of lake.verify()) expect(findings).toEqual([])
  } finally {
    await lake.close()
  }
}

/** Fails unless both lakes hold the same rows, cells and files, and nothing unfinished lies anywhere. */
export async function expectSameLake(
  root: string,
  truth: string,
  datasets: readonly string[],
): Promise<void> {
  for (const dataset of datasets) {
    const [mine, theirs] = [rowsIn(root, dataset), rowsIn(truth, dataset)]
    expect(await count(`SELECT * FROM ${mine} EXCEPT ALL SELECT * FROM ${theirs}`)).toBe(0)
    expect(await count(`SELECT * FROM ${theirs} EXCEPT ALL SELECT * FROM ${mine}`)).toBe(0)
  }
  expect(await filesKept(root)).toEqual(await filesKept(truth))
  expect(await cellsOf(root)).toEqual(await cellsOf(truth))
  await expectVerified(root)
}

/** Files of a data directory but for its locks: the note of who held one last may outlive the holder. */
const filesKept = async (root: string): Promise<string[]> =>
  (await filesBelow(root)).filter((name) => !name.startsWith('state/locks/'))

/** State, rows and digest of every cell; not when and by which run it was settled. */
async function cellsOf(root: string): Promise<object> {
  const lake = await openLake(root)
  try {
    const views = await Promise.all((await lake.series()).map((series) => lake.view(series)))
    return views.map(({ series, ledger }) => [
      series.dataset.name,
      series.ticker,
      Object.entries(ledger.cells)
        .sort()
        .map(([date, { state, rows, digest, reason }]) => [date, state, rows, digest, reason]),
    ])
  } finally {
    await lake.close()
  }
}
