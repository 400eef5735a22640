import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256File } from './durable.ts'
import { diffPath, keptPath, partitionOf, TEMPORARY_SUFFIX } from './layout.ts'
import type { Cell, Segment, Version } from './ledger.ts'
import { rowsOfSessions, stageDiff, type DiffCounts } from './row-diff.ts'
import { WANTED, type Restatement, type SinkHost } from './series-contract.ts'
import type { StagedSegment } from './stage-segment.ts'

/** What gives way with a commit. */
export interface Superseded {
  /** The history of the series as it is after the commit. */
  readonly history: readonly Version[]
  readonly restated: readonly Restatement[]
  /** Removes what was written for a commit that is not made. Never throws. */
  discard(): Promise<void>
}

/**
 * Finds out which cells of the ledger give way to `cells`, and writes what changes in their rows to a diff under a
 * temporary name. A cell that was still being recorded (`pending`, or wanted) is no version: it was never said to be whole.
 *
 * @param cells the cells as they will be, by session
 */
export async function supersede(
  host: SinkHost,
  cells: ReadonlyMap<string, Cell>,
  staged: readonly StagedSegment[],
): Promise<Superseded> {
  const { ledger, options } = host
  const versions = new Map<string, Version>()
  for (const [date, cell] of cells) {
    const held = ledger.cells[date]
    if (held && held !== cell && held.state !== 'pending' && held.reason !== WANTED)
      versions.set(date, versionOf(date, held, cell.at))
  }
  const diffs: string[] = []
  const discard = async (): Promise<void> => {
    for (const path of diffs) {
      await rm(join(options.root, path + TEMPORARY_SUFFIX), { force: true }).catch(() => undefined)
    }
  }
  try {
    for (const [partition, dates] of restatedDates(host, cells, versions)) {
      const fresh = staged.find(({ segment }) => segment.partition === partition)?.segment
      const segment = ledger.segments.find((one) => one.partition === partition)
      if (segment) await keep(host, segment, fresh, dates, versions, diffs)
    }
    const restated = [...versions.values()].flatMap((version) =>
      restatementOf(version, cells.get(version.date)!),
    )
    return { history: withVersions(ledger.history ?? [], versions), restated, discard }
  } catch (error) {
    await discard()
    throw error
  }
}

const versionOf = (date: string, { state, reason, rows, digest, run, at }: Cell, until: string): Version => ({
  ...{ date, state, reason, rows },
  ...(digest === undefined ? {} : { digest }),
  ...{ run, at, until },
})

const isSameContent = (a: Pick<Cell, 'rows' | 'digest'>, b: Pick<Cell, 'rows' | 'digest'>): boolean =>
  a.rows === b.rows && a.digest === b.digest

/** Sessions whose rows change, by partition. */
function restatedDates(
  { options }: SinkHost,
  cells: ReadonlyMap<string, Cell>,
  versions: ReadonlyMap<string, Version>,
): ReadonlyMap<string, Set<string>> {
  const partitions = new Map<string, Set<string>>()
  for (const [date, version] of versions) {
    if (version.rows === 0 || isSameContent(version, cells.get(date)!)) continue
    const partition = partitionOf(options.series.dataset, date)
    partitions.set(partition, (partitions.get(partition) ?? new Set()).add(date))
  }
  return partitions
}

/** Notes where the rows of `dates` will be kept and what changes in them; damaged rows are not worth keeping. */
async function keep(
  { options }: SinkHost,
  segment: Segment,
  fresh: Segment | undefined,
  dates: ReadonlySet<string>,
  versions: Map<string, Version>,
  diffs: string[],
): Promise<void> {
  const { root, series, engine, runId: run } = options
  const { dataset, ticker } = series
  const file = join(root, segment.path)
  const found = await sha256File(file).catch(() => undefined)
  if (found !== segment.sha256) return
  const { bytes, sha256, partition } = segment
  const kept = { path: keptPath(series, segment), bytes, sha256 }
  const mine = (): Version[] => [...dates].map((date) => versions.get(date)!)
  for (const version of mine()) versions.set(version.date, { ...version, kept })
  if (!fresh) return
  const at = mine()[0]!.until
  const path = diffPath(series, partition, at)
  const withCounts = (counts: ReadonlyMap<string, DiffCounts>, sum: { sha256?: string } = {}): Version[] =>
    mine().map((version) => {
      const { added = 0, removed = 0, changed = 0 } = counts.get(version.date) ?? {}
      return { ...version, diff: { path, added, removed, changed, ...sum } }
    })
  diffs.push(path)
  const counts = await stageDiff({
    ...{ root, path, dataset },
    head: {
      schema: { name: 'tapelake.diff', version: 1 },
      dataset: dataset.name,
      ticker,
      partition,
      at,
      run,
    },
    before: rowsOfSessions(dataset, engine.read(dataset, [file]), dates),
    after: rowsOfSessions(dataset, engine.read(dataset, [join(root, fresh.path + TEMPORARY_SUFFIX)]), dates),
    tail: (all) => ({ versions: withCounts(all) }),
  })
  const sum = { sha256: await sha256File(join(root, path + TEMPORARY_SUFFIX)) }
  for (const version of withCounts(counts, sum)) versions.set(version.date, version)
}

function restatementOf({ date, rows, kept, diff }: Version, cell: Cell): Restatement[] {
  if (!kept) return []
  const { added = cell.rows, removed = rows, changed = 0 } = diff ?? {}
  return [{ date, rowsBefore: rows, rowsAfter: cell.rows, added, removed, changed }]
}

/**
 * `history` with `versions` behind it. One that says the same as the version before it (a session that failed again
 * and again) only lengthens that.
 */
function withVersions(
  history: readonly Version[],
  versions: ReadonlyMap<string, Version>,
): readonly Version[] {
  const lengthened = new Set<string>()
  const before = history.map((old) => {
    const next = versions.get(old.date)
    if (!next || next.at !== old.until || next.state !== old.state || !isSameContent(old, next)) return old
    lengthened.add(old.date)
    return { ...old, ...next, at: old.at }
  })
  return [...before, ...[...versions.values()].filter(({ date }) => !lengthened.has(date))]
}
