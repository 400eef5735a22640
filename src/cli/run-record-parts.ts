import { hostname } from 'node:os'
import { categoryOf, EXIT, isPipelineError, messageOf, type ExitCode } from '../core/errors.ts'
import { sleep } from '../core/abort.ts'
import { writeRun } from '../lake/run-store.ts'
import { processStart } from '../lake/process-identity.ts'
import type { LoadedConfig } from '../core/config/index.ts'
import { RUN_VERSION, type RunLeft, type RunRecord, type RunState } from '../lake/run-record.ts'
import type { RunCounters } from '../monitor/run-counters.ts'
import type { BudgetView } from '../pipeline/budget.ts'
import type { Terminal } from './output.ts'

/** The record of a run that begins now in this process and has done nothing yet. */
export async function newRecord(
  id: string,
  command: string,
  tickers: readonly string[],
  { argv }: Pick<Terminal, 'argv'>,
): Promise<RunRecord> {
  const startedAt = new Date().toISOString()
  return {
    ...{ schema: { name: 'tapelake.run', version: RUN_VERSION }, id, command },
    commandLine: [...argv],
    ...{ pid: process.pid, processStart: (await processStart(process.pid)) ?? null, host: hostname() },
    ...{ state: 'running', exitCode: null, startedAt, updatedAt: startedAt, endedAt: null, durationMs: 0 },
    tickers: [...new Set(tickers)],
    follows: [],
    ...{ rows: 0, rowsFetched: 0, rowsStreamed: 0, bytesFetched: 0, calls: 0, retries: 0 },
    limiter: { averageWaitMs: 0, longestWaitMs: 0 },
    ...{ crashes: 0, quarantined: 0, duplicates: 0, sessions: {}, errors: {}, failures: [], error: null },
    ...{ left: [], leftSessions: 0, steps: [], live: {} },
  }
}

const TRY_AGAIN_MS = 500
const NEVER = new AbortController().signal

/** Writes a record; tries again for a while where it cannot be written. @throws {DiskError} in the end */
export async function writePatiently(root: string, record: RunRecord, tries: number): Promise<void> {
  for (let left = tries; ; left--) {
    try {
      return await writeRun(root, record)
    } catch (error) {
      if (left <= 1) throw error
      await sleep(TRY_AGAIN_MS, NEVER)
    }
  }
}

/** Stretches that a run left undone and that its record names. */
const LEFT_KEPT = 50

/** `record` with what the run has done so far. */
export function filledRecord(
  record: RunRecord,
  counters: RunCounters,
  {
    left,
    ...parts
  }: Pick<RunRecord, 'follows' | 'live'> & {
    readonly left: readonly RunLeft[]
    readonly steps: RunRecord['steps']
  },
): RunRecord {
  const { calls, retries, rows, rowsFetched, rowsStreamed, bytesFetched, quarantined, duplicates } = counters
  const nowMs = Date.now()
  return {
    ...{ ...record, ...parts },
    updatedAt: new Date(nowMs).toISOString(),
    durationMs: Math.max(0, nowMs - Date.parse(record.startedAt)),
    ...{ calls, retries, rows, rowsFetched, rowsStreamed, bytesFetched, quarantined, duplicates },
    ...{ sessions: { ...counters.sessions }, errors: { ...counters.errors }, limiter: counters.limiter },
    crashes: counters.crashes,
    failures: [...counters.failures],
    left: left.slice(0, LEFT_KEPT),
    leftSessions: left.reduce((sum, { sessions }) => sum + sessions, 0),
  }
}

/** The budget of the account, where it has a limit and can be read. */
export async function limitedBudget({
  settings,
  secrets,
}: Pick<LoadedConfig, 'settings' | 'secrets'>): Promise<BudgetView | undefined> {
  const { callsPerMinute, callsPerDay } = settings.sources.polygon
  if (secrets.polygonApiKey === undefined || callsPerMinute + callsPerDay === 0) return undefined
  const { readBudget } = await import('../pipeline/budget.ts')
  return await readBudget({ settings, secrets }).catch(() => undefined)
}

/** What a record says of the `error` that ended its run at `at` (UTC); null: none did. */
export function endingOf(error: unknown, at: string): RunRecord['error'] {
  if (error === undefined) return null
  const code = isPipelineError(error) ? error.code : 'INTERNAL'
  const hint = isPipelineError(error) ? error.hint : undefined
  return {
    ...{ at, category: categoryOf(error), code, message: messageOf(error) },
    ...(hint === undefined ? {} : { hint }),
  }
}

/** How a run that ended with `exitCode` stands. */
export function stateOf(exitCode: ExitCode): RunState {
  if (exitCode === EXIT.ok) return 'ok'
  if (exitCode === EXIT.partial || exitCode === EXIT.budget) return 'partial'
  return exitCode === EXIT.sigint || exitCode === EXIT.sigterm ? 'interrupted' : 'failed'
}

/** Rates alone, by endpoint. */
export const ratiosOf = (
  rates: Readonly<Record<string, { readonly rate: number }>>,
): Record<string, number> =>
  Object.fromEntries(Object.entries(rates).map(([endpoint, { rate }]) => [endpoint, rate]))

/** How often each word comes. */
export function countBy(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
