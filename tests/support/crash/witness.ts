import { join } from 'node:path'
import { expect } from 'vitest'
import { openLake, type Lake } from '../../../src/lake/index.ts'
import { datasetNamed } from '../../../src/market/datasets/index.ts'
import { askDuckDb, filesBelow } from '../lake.ts'

/** What a glob over a dataset of a lake reads. */
const rowsIn = (root: string, dataset: string): string =>
  `read_parquet('${join(root, 'lake', dataset)}/**/*.parquet', hive_partitioning = false)`

const hasSegments = async (root: string, dataset: string): Promise<boolean> =>
  (await filesBelow(join(root, 'lake', dataset))).some((name) => name.endsWith('.parquet'))

/** New York is five hours behind UTC on all days that these tests record. */
const SESSION = `(timestamp AT TIME ZONE 'UTC' - INTERVAL 5 HOUR)::DATE::VARCHAR`

/**
 * The sessions of `dataset` that a stranger sees by a glob, each with a text that tells its rows, whatever their
 * order, from others. Fails where a file cannot be read and where a key comes twice.
 */
export async function visibleSessions(root: string, dataset: string): Promise<ReadonlyMap<string, string>> {
  if (!(await hasSegments(root, dataset))) return new Map()
  const key = datasetNamed(dataset).key.join(', ')
  const found = await askDuckDb(
    `SELECT ${SESSION} AS date, count(*)::INTEGER AS rows, count(DISTINCT (${key}))::INTEGER AS keys,
            sum(hash(seen)::HUGEINT)::VARCHAR AS sum
     FROM ${rowsIn(root, dataset)} AS seen GROUP BY date ORDER BY date`,
  )
  for (const { date, rows, keys } of found) expect([date, keys]).toEqual([date, rows])
  return new Map(found.map(({ date, rows, sum }) => [String(date), `${String(rows)} rows, ${String(sum)}`]))
}

async function withLake<T>(root: string, work: (lake: Lake) => Promise<T>): Promise<T> {
  const lake = await openLake(root)
  try {
    return await work(lake)
  } finally {
    await lake.close()
  }
}

/** Fails unless `tapelake verify` would find everything in order. */
export async function expectVerified(root: string): Promise<void> {
  await withLake(root, async (lake) => {
    for await (const { findings } of lake.verify()) expect(findings).toEqual([])
  })
}

/** Fails unless both lakes hold the same rows, cells and files, and nothing unfinished lies anywhere. */
export async function expectSameLake(
  root: string,
  truth: string,
  datasets: readonly string[],
): Promise<void> {
  for (const dataset of datasets) {
    const [mine, theirs] = [rowsIn(root, dataset), rowsIn(truth, dataset)]
    const only = (a: string, b: string) => `(SELECT * FROM ${a} EXCEPT ALL SELECT * FROM ${b})`
    expect(await askDuckDb(`${only(mine, theirs)} UNION ALL ${only(theirs, mine)}`)).toEqual([])
  }
  expect(await filesKept(root)).toEqual(await filesKept(truth))
  expect(await cellsOf(root)).toEqual(await cellsOf(truth))
  await expectVerified(root)
}

/**
 * Files of a data directory but for its locks and runs, since the note of who held one may outlive the holder, and but
 * for versions that gave way, since a lake has those of its own life; none of them may be unfinished.
 */
async function filesKept(root: string): Promise<string[]> {
  const names = await filesBelow(root)
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([])
  return names.filter((name) => !/^(state\/(locks|runs|drift\.json)|history)/.test(name))
}

/** State, rows and digest of every cell; not when and by which run it was settled. */
const cellsOf = (root: string): Promise<object> =>
  withLake(root, async (lake) => {
    const views = await Promise.all((await lake.series()).map((series) => lake.view(series)))
    return views.map(({ series, ledger }) => [
      series.dataset.name,
      series.ticker,
      Object.entries(ledger.cells)
        .sort()
        .map(([date, { state, rows, digest, reason }]) => [date, state, rows, digest, reason]),
    ])
  })
