import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder, replaceFile } from '../../lake/durable.ts'
import { dataPaths, TEMPORARY_SUFFIX } from '../../lake/layout.ts'
import { takeLock } from '../../lake/lock.ts'
import type { Baseline, DriftChange } from './observation.ts'

/** One way in which one field of one dataset has changed, over all runs. */
export interface DriftEntry {
  readonly dataset: string
  readonly field: string
  readonly change: DriftChange
  readonly to?: string | undefined
  readonly detail?: string | undefined
  /** UTC, ISO 8601. */
  readonly firstSeen: string
  readonly lastSeen: string
  /** Rows concerned. */
  readonly count: number
  /** A row, or the value of a new field, as JSON. */
  readonly sample: string
  /** What is done about it: `evolve`, `freeze` or `quarantine`. */
  readonly contract: string
  /** Day (UTC) of the last alert. */
  readonly alertedOn?: string | undefined
}

export interface DriftState {
  readonly entries: readonly DriftEntry[]
  /** By `dataset/ticker`, then by field. */
  readonly baselines: Readonly<Record<string, Readonly<Record<string, Baseline>>>>
}

const SCHEMA = { name: 'tapelake.drift_state', version: 1 } as const
const EMPTY: DriftState = { entries: [], baselines: {} }
const statePath = (root: string): string => join(dataPaths(root).state, 'drift.json')

/** What is known of changed fields. A damaged file counts as none: it is made anew. */
export async function readDrift(root: string): Promise<DriftState> {
  const text = await readFile(statePath(root), 'utf8').catch(() => undefined)
  if (text === undefined) return EMPTY
  try {
    const { schema, entries, baselines } = JSON.parse(text) as Partial<DriftState> & {
      schema?: { version?: unknown }
    }
    return schema?.version === SCHEMA.version ? { entries: entries ?? [], baselines: baselines ?? {} } : EMPTY
  } catch {
    return EMPTY
  }
}

const LOCK_WAIT_MS = 10_000

/** Takes away what a killed process left half-written, unless one is at it right now. */
export async function sweepDrift(root: string): Promise<void> {
  const left = statePath(root) + TEMPORARY_SUFFIX
  if (!existsSync(left)) return
  const options = {
    folder: dataPaths(root).locks,
    name: 'drift',
    purpose: 'notes on changed fields',
    waitMs: 0,
  }
  try {
    const lock = await takeLock(options, new AbortController().signal)
    await rm(left, { force: true }).finally(() => lock.release())
  } catch {
    // being written, or not ours to change
  }
}

/** Changes the state, one process after the other. */
export async function changeDrift(
  root: string,
  change: (state: DriftState) => DriftState,
): Promise<DriftState> {
  const folder = dataPaths(root).locks
  const lock = await takeLock(
    { folder, name: 'drift', purpose: 'notes on changed fields', waitMs: LOCK_WAIT_MS },
    new AbortController().signal,
  )
  try {
    const next = change(await readDrift(root))
    const path = statePath(root)
    await makeFolder(dirname(path))
    await replaceFile(path, `${JSON.stringify({ schema: SCHEMA, ...next }, null, 1)}\n`)
    return next
  } finally {
    await lock.release()
  }
}
