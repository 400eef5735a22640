import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import pLimit from 'p-limit'
import { LakeError } from '../../core/errors.ts'
import type { Lake } from '../index.ts'
import {
  dataPaths,
  ledgerPath,
  nextLedgerPath,
  quarantinePath,
  TEMPORARY_SUFFIX,
  type SeriesId,
} from '../layout.ts'
import { formatLedger, parseLedger } from '../ledger.ts'
import { quarantinedSessions } from '../quarantine.ts'
import type { SeriesView } from '../series-store.ts'
import type { BackedUpFile, Manifest } from './manifest.ts'
import type { ObjectStore } from './objects.ts'

const ATTEMPTS = 8
const FILES_AT_ONCE = 4

/** A file that is wanted: where it belongs, where it may lie now, and what it is where that is known. */
interface Wanted {
  readonly path: string
  readonly places: readonly string[]
  readonly expected?: Pick<BackedUpFile, 'bytes' | 'sha256'>
}

/**
 * Puts a series into `store` as one ledger tells it: ledger, segments, kept versions, quarantine. Writers go on
 * meanwhile; where one was faster the series is looked at again, and what is there already is not copied twice.
 *
 * @throws {LakeError} when a file that the ledger names is missing or damaged
 */
export async function collectSeries(
  lake: Lake,
  series: SeriesId,
  store: ObjectStore,
): Promise<Manifest['series'][number]> {
  for (let attempt = 1; ; attempt++) {
    const view = await lake.view(series)
    const ledger = formatLedger(view.ledger)
    const { files, lost } = await putAll(store, [
      ...ledgerFiles(lake, view),
      ...(await refusedFiles(lake, series)),
    ])
    const unchanged = view.rebuilt || formatLedger((await lake.view(series)).ledger) === ledger
    if (lost === undefined && (unchanged || attempt === ATTEMPTS)) {
      const { dataset, ticker } = series
      return {
        dataset: dataset.name,
        ticker,
        files: [
          await store.putText(ledgerPath(series), await asWritten(lake.root, series, ledger)),
          ...files,
        ],
      }
    }
    if (unchanged || attempt === ATTEMPTS) throw lostFile(lost!)
  }
}

/** The ledger file itself where it says what `ledger` does: byte for byte, a restored lake is the one that was. */
async function asWritten(root: string, series: SeriesId, ledger: string): Promise<string> {
  for (const path of [ledgerPath(series), nextLedgerPath(series)]) {
    try {
      const text = await readFile(join(root, path), 'utf8')
      if (formatLedger(parseLedger(text, path, series)) === ledger) return text
    } catch {
      // gone or damaged: the ledger as it was read stands for it
    }
  }
  return ledger
}

const lostFile = (path: string): LakeError =>
  new LakeError(`${path} is missing or is not what the ledger says; it cannot be backed up`, {
    hint: 'tapelake verify names what differs; record it again with backfill --force, or restore it.',
  })

function ledgerFiles({ root }: Lake, { ledger, files }: SeriesView): Wanted[] {
  const live = ledger.segments.map(({ path, bytes, sha256 }, i) => ({
    path,
    places: [files[i]!, join(root, path)],
    expected: { bytes, sha256 },
  }))
  const placeOf = new Map(ledger.segments.map(({ partition }, i) => [partition, files[i]!]))
  const kept = (ledger.history ?? []).flatMap(({ kept: file, diff }): Wanted[] => [
    // While a commit is being published, a version may still lie in the place that it gives up.
    ...(file ? [{ ...file, expected: file, places: [join(root, file.path), ...placeOf.values()] }] : []),
    ...(diff
      ? [
          {
            path: diff.path,
            places: [diff.path, diff.path + TEMPORARY_SUFFIX].map((path) => join(root, path)),
          },
        ]
      : []),
  ])
  return [...new Map([...live, ...kept].map((one) => [one.path, one])).values()]
}

async function refusedFiles({ root }: Lake, series: SeriesId): Promise<Wanted[]> {
  const dates = await quarantinedSessions(root, series)
  return dates.map((date) => {
    const path = quarantinePath(series, date)
    return { path, places: [join(root, path)] }
  })
}

async function putAll(
  store: ObjectStore,
  wanted: readonly Wanted[],
): Promise<{ files: BackedUpFile[]; lost: string | undefined }> {
  const limit = pLimit(FILES_AT_ONCE)
  // All of them settled: nothing may still be written when a failure ends the backup.
  const outcomes = await Promise.allSettled(wanted.map((one) => limit(() => put(store, one))))
  const found = outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
  const lost = wanted.find((_, i) => found[i] === undefined)?.path
  return { files: found.filter((file) => file !== undefined), lost }
}

async function put(
  store: ObjectStore,
  { path, places, expected }: Wanted,
): Promise<BackedUpFile | undefined> {
  for (const place of places) {
    const file = await store.putFile(path, place, expected)
    if (file) return file
  }
  return undefined
}

/** Folders and files, below the data directory, that belong to no series. */
const LOOSE = [
  ...['raw', 'quarantine/live', 'state/runs', 'state/repairs', 'state/rechecks', 'state/options'],
  ...['state/quality', 'state/drift.json'],
]

/** What was received and may not be in any ledger yet: to be taken before the ledgers are. */
export const collectJournals = async (root: string, store: ObjectStore): Promise<BackedUpFile[]> =>
  await collectLoose(root, ['journal'], store)

/**
 * Everything else that a lake consists of, the stamp included; what vanishes meanwhile is left out.
 *
 * @param runId the run that makes the backup: its own note is still being written
 */
export async function collectRest(
  root: string,
  store: ObjectStore,
  runId: string | undefined,
): Promise<BackedUpFile[]> {
  const stamp = dataPaths(root).stamp
  const file = await store.putFile(relative(root, stamp), stamp)
  return [...(file ? [file] : []), ...(await collectLoose(root, LOOSE, store, `state/runs/${runId}.json`))]
}

async function collectLoose(
  root: string,
  folders: readonly string[],
  store: ObjectStore,
  except?: string,
): Promise<BackedUpFile[]> {
  const files: BackedUpFile[] = []
  for (const path of (await looseFiles(root, folders)).filter((one) => one !== except)) {
    const file = await store.putFile(path, join(root, path))
    if (file) files.push(file)
  }
  return files
}

/** Finished files below `folders`, relative to `root`, in order. */
export async function looseFiles(root: string, folders: readonly string[] = LOOSE): Promise<string[]> {
  const found: string[] = []
  for (const folder of folders) {
    const isFile = await stat(join(root, folder)).then(
      (held) => held.isFile(),
      () => false,
    )
    if (isFile) found.push(folder)
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true }).catch(
      () => [],
    )
    for (const entry of entries) {
      const path = relative(root, join(entry.parentPath, entry.name)).split(sep).join('/')
      if (entry.isFile() && !path.endsWith(TEMPORARY_SUFFIX)) found.push(path)
    }
  }
  return found.sort()
}
