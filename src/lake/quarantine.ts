import { readFile, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { rowAt, type Batch } from '../core/batch.ts'
import { IntegrityError } from '../core/errors.ts'
import type { Refusal } from '../core/flow.ts'
import { makeFolder, onDisk, replaceFile } from './durable.ts'
import { quarantinePath, type SeriesId } from './layout.ts'

/** The rule of rows that came after their session was complete, and too late to be merged. */
export const LATE = 'late'

/** One refused row: what it was, which rule it broke, and which request brought it. */
export interface QuarantinedRow {
  readonly rule: string
  readonly reason: string
  /** Values as parsed; 64-bit integers as decimal strings, missing ones null. */
  readonly row: Readonly<Record<string, unknown>>
  /** The row's JSON text as the source sent it, where it sent any. */
  readonly sent?: string
  readonly source: string | null
  readonly request: string | null
  readonly requestId: string | null
  readonly run: string
  /** When it was refused, UTC; older tapelakes did not note it. */
  readonly at?: string
}

/** Refused rows of `batch` as quarantine keeps them. */
export function quarantinedRows(batch: Batch, refusals: readonly Refusal[], run: string): QuarantinedRow[] {
  const at = new Date().toISOString()
  return refusals.map(({ row, rule, reason }) => ({
    rule,
    reason,
    row: plain(rowAt(batch, row)),
    ...(batch.sentText && { sent: batch.sentText(row) }),
    source: batch.origin?.source ?? null,
    request: batch.origin?.request ?? null,
    requestId: batch.origin?.requestId ?? null,
    run,
    at,
  }))
}

function plain(row: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === 'bigint' || value === Infinity || value === -Infinity ? String(value) : value,
  ])
  return Object.fromEntries(entries) as Record<string, unknown>
}

/**
 * Replaces the quarantine of one cell by `rows`; none removes it. The same rows as before, whichever run brought
 * them, leave the file as it is.
 */
export async function writeQuarantine(
  root: string,
  series: SeriesId,
  sessionDate: string,
  rows: readonly QuarantinedRow[],
): Promise<void> {
  const path = join(root, quarantinePath(series, sessionDate))
  if (rows.length === 0) return await onDisk(path, () => rm(path, { force: true }))
  const held = await readQuarantine(root, series, sessionDate).catch(() => [])
  if (held.length === rows.length && held.every((row, i) => contentOf(row) === contentOf(rows[i]!))) return
  await makeFolder(dirname(path))
  await replaceFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

/**
 * Makes the quarantine of cells hold the rows refused now, by session, besides what it holds, until the returned
 * function is called, which leaves those rows alone. A commit adds before it and takes out after it: a crash in
 * between keeps a row too many, never one too few.
 */
export async function growQuarantine(
  root: string,
  series: SeriesId,
  refused: ReadonlyMap<string, readonly QuarantinedRow[]>,
): Promise<() => Promise<void>> {
  const there = new Set(await quarantinedSessions(root, series))
  const shrink: (() => Promise<void>)[] = []
  for (const [session, rows] of refused) {
    if (rows.length === 0 && !there.has(session)) continue
    const held = await readQuarantine(root, series, session)
    const known = new Set(rows.map(contentOf))
    const leaving = held.filter((row) => !known.has(contentOf(row)))
    await writeQuarantine(root, series, session, [...leaving, ...rows])
    if (leaving.length > 0) shrink.push(() => writeQuarantine(root, series, session, rows))
  }
  return async () => {
    for (const leave of shrink) await leave()
  }
}

/** What a refused row says, apart from when it came and by which request. */
const contentOf = ({ rule, reason, row, sent, source }: QuarantinedRow): string =>
  JSON.stringify([rule, reason, row, sent, source])

/**
 * The refused rows of one cell, in the order of arrival.
 *
 * @throws {IntegrityError} when the file is not what tapelake wrote
 */
export async function readQuarantine(
  root: string,
  series: SeriesId,
  sessionDate: string,
): Promise<QuarantinedRow[]> {
  const path = join(root, quarantinePath(series, sessionDate))
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return ''
    throw error
  })
  return text
    .split('\n')
    .map((line, i) => [line, i + 1] as const)
    .filter(([line]) => line !== '')
    .map(([line, number]) => parseRow(line, `${path}:${number}`))
}

function parseRow(line: string, place: string): QuarantinedRow {
  try {
    return JSON.parse(line) as QuarantinedRow
  } catch (cause) {
    throw new IntegrityError(`${place} is not whole JSON`, {
      cause,
      hint: 'Restore the file from a backup, or move it out of the quarantine folder.',
    })
  }
}

/** Sessions of a series that have refused rows, in order. */
export async function quarantinedSessions(root: string, series: SeriesId): Promise<string[]> {
  const folder = dirname(join(root, quarantinePath(series, 'x')))
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => name.slice(0, -'.jsonl'.length))
    .sort()
}

/** When the refused rows of a cell were written last, or undefined where it has none. */
export async function quarantinedAt(
  root: string,
  series: SeriesId,
  sessionDate: string,
): Promise<Date | undefined> {
  return await stat(join(root, quarantinePath(series, sessionDate))).then(
    ({ mtime }) => mtime,
    () => undefined,
  )
}
