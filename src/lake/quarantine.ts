import { readFile, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { rowAt, type Batch } from '../core/batch.ts'
import type { Refusal } from '../core/flow.ts'
import { makeFolder, replaceFile } from './durable.ts'
import { quarantinePath, type SeriesId } from './layout.ts'

/** One refused row: what it was, which rule it broke, and which request brought it. */
export interface QuarantinedRow {
  readonly rule: string
  readonly reason: string
  /** Values as parsed; 64-bit integers as decimal strings, missing ones null. */
  readonly row: Readonly<Record<string, unknown>>
  readonly source: string | null
  readonly request: string | null
  readonly requestId: string | null
  readonly run: string
}

/** Refused rows of `batch` as quarantine keeps them. */
export function quarantinedRows(batch: Batch, refusals: readonly Refusal[], run: string): QuarantinedRow[] {
  return refusals.map(({ row, rule, reason }) => ({
    rule,
    reason,
    row: plain(rowAt(batch, row)),
    source: batch.origin?.source ?? null,
    request: batch.origin?.request ?? null,
    requestId: batch.origin?.requestId ?? null,
    run,
  }))
}

function plain(row: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === 'bigint' || value === Infinity || value === -Infinity ? String(value) : value,
  ])
  return Object.fromEntries(entries) as Record<string, unknown>
}

/** Replaces the quarantine of one cell by `rows`; none removes it. */
export async function writeQuarantine(
  root: string,
  series: SeriesId,
  sessionDate: string,
  rows: readonly QuarantinedRow[],
): Promise<void> {
  const path = join(root, quarantinePath(series, sessionDate))
  if (rows.length === 0) return await rm(path, { force: true })
  await makeFolder(dirname(path))
  await replaceFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

/** The refused rows of one cell, in the order of arrival. */
export async function readQuarantine(
  root: string,
  series: SeriesId,
  sessionDate: string,
): Promise<QuarantinedRow[]> {
  const text = await readFile(join(root, quarantinePath(series, sessionDate)), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as QuarantinedRow)
}

/** Sessions of a series that have refused rows, in order. */
export async function quarantinedSessions(root: string, series: SeriesId): Promise<string[]> {
  const folder = dirname(join(root, quarantinePath(series, 'x')))
  const names = await readdir(folder).catch(() => [])
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => name.slice(0, -'.jsonl'.length))
    .sort()
}
