import { createHash } from 'node:crypto'
import { z } from 'zod'
import { LakeMismatchError, IntegrityError } from '../core/errors.ts'
import { historyFolder, seriesFolder, type SeriesId } from './layout.ts'

/**
 * The ledger: the JSON checkpoint of one series. It says which sessions are settled and how, and which Parquet
 * files are live, and it is the only truth about what the lake holds. One line per cell and segment, so that
 * people and diffs can read it.
 */
export const LEDGER_VERSION = 1

export const CELL_STATES = [
  'complete',
  'empty',
  'missing',
  'pending',
  'failed',
  'not_entitled',
  'quarantined',
] as const
export type CellState = (typeof CELL_STATES)[number]

const cellSchema = z.object({
  state: z.enum(CELL_STATES),
  /** Why it is in this state, one sentence. */
  reason: z.string(),
  /** Rows of the cell in the lake. */
  rows: z.int().nonnegative(),
  /** Refused rows of the cell in quarantine. */
  quarantined: z.int().nonnegative().optional(),
  /** Rows that came more than once when it was recorded, and were dropped. */
  duplicates: z.int().positive().optional(),
  /** Order-independent digest of the rows (digest.ts). */
  digest: z.string().optional(),
  /** Stretches of the regular hours without a row when it was recorded (presence.ts); absent where not known. */
  absent: z.string().optional(),
  /** Stretches that the vendor, asked once more, confirmed to have no row; `*`: the whole session. */
  confirmed: z.string().optional(),
  /** Run that settled it, and when (UTC). */
  run: z.string(),
  at: z.string(),
})
export type Cell = z.infer<typeof cellSchema>

export const originSchema = z.object({
  source: z.string(),
  run: z.string(),
  request: z.string(),
  requestId: z.string().optional(),
  /** Sessions it brought into the segment, both inclusive. */
  from: z.string(),
  to: z.string(),
})
export type SegmentOrigin = z.infer<typeof originSchema>

const segmentSchema = z.object({
  /** Relative to the data directory, with `/`. */
  path: z.string(),
  partition: z.string(),
  rows: z.int().positive(),
  bytes: z.int().positive(),
  sha256: z.string(),
  digest: z.string(),
  /** First and last session with rows in it. */
  first: z.string(),
  last: z.string(),
  engine: z.string(),
  run: z.string(),
  writtenAt: z.string(),
  origins: z.array(originSchema),
})
export type Segment = z.infer<typeof segmentSchema>

/** A version of a cell that gave way to another one. */
const versionSchema = cellSchema
  .pick({ state: true, reason: true, rows: true, digest: true, run: true, at: true })
  .extend({
    /** The session, YYYY-MM-DD. */
    date: z.string(),
    /** When it gave way (UTC); it was the truth from `at` until just before. */
    until: z.string(),
    /** The segment that held its rows, among others' perhaps, relative to the data directory; absent: not kept. */
    kept: z.object({ path: z.string(), bytes: z.int().positive(), sha256: z.string() }).optional(),
    /** What changed, row by row, relative to the data directory; counts of this session. */
    diff: z
      .object({
        path: z.string(),
        added: z.int().nonnegative(),
        removed: z.int().nonnegative(),
        changed: z.int().nonnegative(),
        /** Of the file; older tapelakes did not note it. */
        sha256: z.string().optional(),
      })
      .optional(),
  })
export type Version = z.infer<typeof versionSchema>

const ledgerSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.ledger'), version: z.literal(LEDGER_VERSION) }),
  dataset: z.string(),
  datasetVersion: z.int(),
  ticker: z.string(),
  updatedAt: z.string(),
  segments: z.array(segmentSchema),
  cells: z.record(z.string(), cellSchema),
  /** Versions of cells that gave way, in the order in which they did. */
  history: z.array(versionSchema).optional(),
  /** Versions that gave way before this instant (UTC) may have been dropped. */
  forgottenBefore: z.string().optional(),
})
export type Ledger = Readonly<z.infer<typeof ledgerSchema>>

/** A ledger that holds nothing yet. */
export function emptyLedger({ dataset, ticker }: SeriesId): Ledger {
  return {
    schema: { name: 'tapelake.ledger', version: LEDGER_VERSION },
    dataset: dataset.name,
    datasetVersion: dataset.version,
    ticker,
    updatedAt: new Date(0).toISOString(),
    segments: [],
    cells: {},
  }
}

/**
 * The ledger of `series` in `text`, checked.
 *
 * @throws {IntegrityError} when it is torn, edited into something else, or another series' ledger; the caller
 *   may rebuild it
 * @throws {LakeMismatchError} when a newer tapelake wrote it
 */
export function parseLedger(text: string, path: string, series: SeriesId): Ledger {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new IntegrityError(`ledger ${path} is not whole JSON`, { cause })
  }
  const { schema } = (json ?? {}) as { schema?: { version?: unknown } }
  refuseNewer(path, 'format', schema?.version, LEDGER_VERSION)
  assertUnedited(text, path, json)
  const parsed = ledgerSchema.safeParse(json)
  if (!parsed.success) throw new IntegrityError(`ledger ${path} is damaged: ${z.prettifyError(parsed.error)}`)
  assertOwn(parsed.data, path, series)
  refuseNewer(path, `version of ${series.dataset.name}`, parsed.data.datasetVersion, series.dataset.version)
  return parsed.data
}

/** The versions on the last line of a diff; none where it is not whole. */
export function parseVersions(line: string): readonly Version[] {
  try {
    return z.object({ versions: z.array(versionSchema) }).parse(JSON.parse(line)).versions
  } catch {
    return []
  }
}

function refuseNewer(path: string, what: string, found: unknown, known: number): void {
  if (typeof found !== 'number' || found <= known) return
  throw new LakeMismatchError(`ledger ${path} has ${what} ${found}; this tapelake knows up to ${known}`, {
    hint: 'Upgrade tapelake, or choose another --data-dir.',
  })
}

const CHECKSUM = /,\n {2}"checksum": "([0-9a-f]{64})"\n\}\n$/

/** The last line tells the SHA-256 of everything before it. Ledgers of older versions have none. */
function assertUnedited(text: string, path: string, json: unknown): void {
  if (typeof json !== 'object' || json === null || !('checksum' in json)) return
  const end = CHECKSUM.exec(text)
  if (end && end[1] === checksumOf(text.slice(0, end.index))) return
  throw new IntegrityError(`ledger ${path} was changed by something else: its checksum does not match`)
}

const checksumOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A ledger that was copied or edited must not lead to files that are not its own. */
function assertOwn(ledger: Ledger, path: string, series: SeriesId): void {
  const { dataset, ticker, segments, history = [] } = ledger
  if (dataset !== series.dataset.name || ticker !== series.ticker)
    throw new IntegrityError(`ledger ${path} is that of ${dataset} ${ticker}`)
  const versions = history.flatMap(({ kept, diff }) =>
    [kept?.path, diff?.path].filter((one) => one !== undefined),
  )
  const foreign =
    segments.map((one) => one.path).find((one) => !isWithin(seriesFolder(series), one)) ??
    versions.find((one) => !isWithin(historyFolder(series), one))
  if (foreign !== undefined) throw new IntegrityError(`ledger ${path} names ${foreign}, which is not its own`)
}

const isWithin = (folder: string, path: string): boolean =>
  path.startsWith(`${folder}/`) && !path.split('/').includes('..')

/** `ledger` as text: cells and segments one per line, cells in order of date, a checksum of it all at the end. */
export function formatLedger(ledger: Ledger): string {
  const { segments, cells, history = [], ...facts } = ledger
  const head = JSON.stringify(facts, null, 2).slice(0, -2)
  const segmentLines = segments.map((segment) => `    ${JSON.stringify(segment)}`)
  const cellLines = Object.keys(cells)
    .sort()
    .map((date) => `    ${JSON.stringify(date)}: ${JSON.stringify(cells[date])}`)
  const versionLines = history.map((version) => `    ${JSON.stringify(version)}`)
  const versions = history.length === 0 ? '' : `,\n  "history": ${block('[', versionLines, ']')}`
  const body = `${head},\n  "segments": ${block('[', segmentLines, ']')},\n  "cells": ${block('{', cellLines, '}')}${versions}`
  return `${body},\n  "checksum": "${checksumOf(body)}"\n}\n`
}

const block = (open: string, lines: readonly string[], close: string): string =>
  lines.length === 0 ? open + close : `${open}\n${lines.join(',\n')}\n  ${close}`
