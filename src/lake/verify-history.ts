import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { sha256File } from './durable.ts'
import type { ParquetEngine } from './engine.ts'
import { hasChecksum } from './recovery.ts'
import { partitionOf, segmentPath, TEMPORARY_SUFFIX } from './layout.ts'
import type { Ledger, Version } from './ledger.ts'
import { scanContent } from './scan.ts'
import { verifyBytes, type Report } from './verify-segment.ts'

/**
 * Compares the files of versions that gave way with what the ledger says of them: there, size, SHA-256; deep, the rows
 * of every version as well.
 */
export async function verifyHistory(
  report: Report,
  root: string,
  { history = [] }: Ledger,
  engine: () => Promise<ParquetEngine>,
  deep: boolean,
): Promise<void> {
  const files = new Map<string, Version[]>()
  for (const version of history) {
    if (version.kept) files.set(version.kept.path, [...(files.get(version.kept.path) ?? []), version])
  }
  for (const [path, versions] of files) {
    const file = await placeOf(report, root, versions[0]!)
    const isThere = await verifyBytes(report, versions[0]!.kept!, file)
    if (isThere && deep) await verifyVersions(report, path, file, versions, await engine())
  }
  const diffs = new Map(history.flatMap(({ diff }) => (diff ? [[diff.path, diff] as const] : [])))
  for (const diff of diffs.values()) await verifyDiff(report, root, diff)
}

/** A writer may have renamed it in between: the series is looked at again then. */
function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

async function verifyDiff(
  report: Report,
  root: string,
  { path, sha256 }: NonNullable<Version['diff']>,
): Promise<void> {
  const places = [join(root, path), join(root, path + TEMPORARY_SUFFIX)]
  const place = (await isPresent(places[0]!)) ? places[0]! : places[1]!
  if (!(await isPresent(place))) {
    report.add('file_missing', path, 'the ledger names this list of changes, it is not there')
  } else if (sha256 !== undefined && (await sha256File(place).catch(gone)) !== sha256) {
    report.add('checksum', path, 'this list of changes is not the one that was written')
  }
}

/** While a commit is cut off, a version may still be at its place in the lake, or have its temporary name. */
async function placeOf({ series }: Report, root: string, { kept, date }: Version): Promise<string> {
  const file = join(root, kept!.path)
  const others = [file + TEMPORARY_SUFFIX, join(root, segmentPath(series, partitionOf(series.dataset, date)))]
  if (await isPresent(file)) return file
  for (const other of others) if (await hasChecksum(other, kept!)) return other
  return file
}

const isPresent = async (file: string): Promise<boolean> =>
  await stat(file).then(
    () => true,
    () => false,
  )

async function verifyVersions(
  report: Report,
  path: string,
  file: string,
  versions: readonly Version[],
  engine: ParquetEngine,
): Promise<void> {
  const { dataset } = report.series
  try {
    const { sessions } = await scanContent(dataset, engine.read(dataset, [file]))
    for (const { date, rows, digest } of versions) {
      const found = sessions.get(date)
      if (found?.rows !== rows || found.digest !== digest) {
        report.add(
          'content',
          path,
          `session ${date}: the rows are not those that the ledger's history tells of`,
        )
      }
    }
  } catch (error) {
    report.add('file_unreadable', path, messageOf(error))
  }
}
