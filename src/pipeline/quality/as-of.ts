import { relative } from 'node:path'
import { seriesAsOf, type LakePart, type SeriesAsOf } from '../../lake/as-of.ts'
import type { ParquetEngine } from '../../lake/engine.ts'
import { partitionOf, type SeriesId } from '../../lake/layout.ts'
import type { Segment } from '../../lake/ledger.ts'
import { rowsOfSessions } from '../../lake/row-diff.ts'
import type { SeriesView } from '../../lake/series-store.ts'

/** What judges a lake as it stood at an instant instead of as it is. */
export interface Lens {
  readonly engine: ParquetEngine
  /** @throws {LakeError} when versions of that time are not kept any more */
  view(series: SeriesId): Promise<SeriesView>
}

/**
 * Looks at `now` as it stood at `instant`: cells as they were said then, and of files that hold more than the rows of
 * then only those.
 *
 * @param instant ISO 8601 in UTC with milliseconds
 */
export function lensAsOf(root: string, now: Lens, instant: string): Lens {
  const wanted = new Map<string, ReadonlySet<string>>()
  const read: ParquetEngine['read'] = async function* (dataset, paths) {
    for (const path of paths) {
      const batches = now.engine.read(dataset, [path])
      const dates = wanted.get(path)
      yield* dates ? rowsOfSessions(dataset, batches, dates) : batches
    }
  }
  const { engine } = now
  return {
    engine: {
      ...{ name: engine.name, read, close: () => engine.close() },
      assertCanHold: (dataset, compression) => engine.assertCanHold(dataset, compression),
      openSegment: (options) => engine.openSegment(options),
      holds: (dataset, path, expected) => engine.holds(dataset, path, expected),
      inspect: (path) => engine.inspect(path),
    },
    async view(series) {
      const held = await now.view(series)
      const then = await seriesAsOf(root, held, instant)
      for (const { file, dates } of then.parts) if (dates) wanted.set(file, new Set(dates))
      return viewOf(root, held, then)
    },
  }
}

/** The parts of then as if they were the segments of a lake. */
function viewOf(
  root: string,
  { series, ledger, files }: SeriesView,
  { cells, parts }: SeriesAsOf,
): SeriesView {
  const segments = parts.map((part) => {
    const live = ledger.segments[files.indexOf(part.file)]
    return live && !part.dates ? live : segmentOf(root, series, part, cells, live ?? ledger.segments[0])
  })
  const view = { ...ledger, cells: { ...cells }, segments: segments.filter((one) => one !== undefined) }
  return { series, ledger: view, files: parts.map(({ file }) => file), rebuilt: false }
}

function segmentOf(
  root: string,
  { dataset }: SeriesId,
  { file, dates = [] }: LakePart,
  cells: SeriesAsOf['cells'],
  like: Segment | undefined,
): Segment | undefined {
  const [first, last] = [dates[0], dates.at(-1)]
  if (!like || first === undefined || last === undefined) return undefined
  const rows = dates.reduce((sum, date) => sum + (cells[date]?.rows ?? 0), 0)
  const path = relative(root, file)
  return { ...like, path, partition: partitionOf(dataset, first), rows, first, last }
}
