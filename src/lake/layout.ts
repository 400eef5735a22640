import { join } from 'node:path'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'

/**
 * Where things lie below the data directory. Paths inside ledgers are relative to it and use `/`, so that
 * a data directory can be moved.
 */
export interface DataPaths {
  readonly root: string
  readonly lake: string
  readonly ledger: string
  readonly quarantine: string
  /** Versions that gave way, outside `lake/`. */
  readonly history: string
  /** What a vendor said, as JSON, beside the lake: discovered option contracts. */
  readonly raw: string
  readonly state: string
  readonly locks: string
  readonly scratch: string
  readonly stamp: string
}

export function dataPaths(root: string): DataPaths {
  const state = join(root, 'state')
  return {
    root,
    lake: join(root, 'lake'),
    ledger: join(root, 'ledger'),
    quarantine: join(root, 'quarantine'),
    history: join(root, 'history'),
    raw: join(root, 'raw'),
    state,
    locks: join(state, 'locks'),
    scratch: join(state, 'scratch'),
    stamp: join(root, 'lake.json'),
  }
}

/** Suffix of every file that is not yet part of the lake; never `.parquet`, so that no glob takes it. */
export const TEMPORARY_SUFFIX = '.tmp'

/** One dataset of one ticker (options: of one underlying): what one ledger covers. */
export interface SeriesId {
  readonly dataset: DatasetDefinition
  readonly ticker: string
}

/**
 * `ticker` as one safe path component: Hive's percent-encoding of everything but letters, digits and `-_.`,
 * so that `I:VIX` becomes `I%3AVIX` and nothing can climb out of the folder.
 */
export function encodeTicker(ticker: string): string {
  const encoded = encodeURIComponent(ticker).replace(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return encoded.replace(/^\.+/, (dots) => '%2E'.repeat(dots.length))
}

export const decodeTicker = (component: string): string => decodeURIComponent(component)

/** The partition that a session belongs to: `2025-01-03`, `2025-01`, `2025` or `all`. */
export function partitionOf(dataset: DatasetDefinition, sessionDate: string): string {
  switch (dataset.partition) {
    case 'date':
      return sessionDate
    case 'month':
      return sessionDate.slice(0, 7)
    case 'year':
      return sessionDate.slice(0, 4)
    case 'none':
      return 'all'
  }
}

/** Folder of a series, relative to the data directory. */
export const seriesFolder = ({ dataset, ticker }: SeriesId): string =>
  `lake/${dataset.name}/${seriesKeyOf(dataset)}=${encodeTicker(ticker)}`

/** The segment that holds `partition` of a series, relative to the data directory. */
export function segmentPath(series: SeriesId, partition: string): string {
  const { dataset, ticker } = series
  const hive = dataset.partition === 'none' ? '' : `${dataset.partition}=${partition}/`
  return `${seriesFolder(series)}/${hive}${dataset.name}-${encodeTicker(ticker)}-${partition}.parquet`
}

/** The ledger of a series, relative to the data directory. */
export const ledgerPath = ({ dataset, ticker }: SeriesId): string =>
  `ledger/${dataset.name}/${encodeTicker(ticker)}.json`

/** The ledger-to-be of a commit under way; see commit.ts. */
export const nextLedgerPath = ({ dataset, ticker }: SeriesId): string =>
  `ledger/${dataset.name}/${encodeTicker(ticker)}.next`

/** Refused rows of one cell, relative to the data directory. */
export const quarantinePath = ({ dataset, ticker }: SeriesId, sessionDate: string): string =>
  `quarantine/${dataset.name}/${seriesKeyOf(dataset)}=${encodeTicker(ticker)}/${sessionDate}.jsonl`

/** Where versions of a series are kept that gave way, relative to the data directory. */
export const historyFolder = ({ dataset, ticker }: SeriesId): string =>
  `history/${dataset.name}/${seriesKeyOf(dataset)}=${encodeTicker(ticker)}`

/** Where a segment is put aside that was damaged, relative to the data directory. */
export const damagedPath = (path: string, at: string): string =>
  `state/damaged/${compact(at)}_${path.slice(path.lastIndexOf('/') + 1)}`

/** The kept segment of `partition` that was written at `writtenAt`, relative to the data directory. */
export const keptPath = (
  series: SeriesId,
  { partition, writtenAt, sha256 }: { partition: string; writtenAt: string; sha256: string },
): string => `${historyFolder(series)}/${partition}_${compact(writtenAt)}_${sha256.slice(0, 12)}.parquet`

/** A file of versions of `partition` that compaction made at `at`, relative to the data directory. */
export const mergedPath = (series: SeriesId, partition: string, at: string, number: number): string =>
  `${historyFolder(series)}/${partition}_${compact(at)}_merged-${number}.parquet`

/** What changed in `partition` at `at`, row by row, relative to the data directory. */
export const diffPath = (series: SeriesId, partition: string, at: string): string =>
  `${historyFolder(series)}/${partition}_${compact(at)}.diff.jsonl`

/** An instant as part of a file name. */
const compact = (instant: string): string => instant.replace(/[^0-9TZ]/g, '')
