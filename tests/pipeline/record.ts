import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { createRateLimiter } from '../../src/core/rate-limit.ts'
import { retryPolicySchema } from '../../src/core/retry.ts'
import { createEngine } from '../../src/lake/engines/index.ts'
import type { CellState } from '../../src/lake/ledger.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { backfillSeries, type BackfillOptions, type SeriesOutcome } from '../../src/pipeline/backfill.ts'
import { resolveRange } from '../../src/pipeline/range.ts'
import { exitCodeOf, summarize, type BackfillSummary } from '../../src/pipeline/summary.ts'
import type { HistorySource } from '../../src/sources/history.ts'
import { createPolygonSource } from '../../src/sources/polygon/index.ts'
import { startBarVendor, type BarVendorOptions } from '../support/bar-vendor.ts'
import { freshFolder } from '../support/cli.ts'

/** Tuesday 2025-06-10, 22:00 in New York. */
export const NOW_MS = Date.parse('2025-06-11T02:00:00Z')

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Retries that wait next to nothing. */
export const FAST_RETRIES = retryPolicySchema.parse({
  network: { retries: 2, baseMs: 1 },
  timeout: { retries: 2, baseMs: 1 },
  rate_limit: { retries: 2, baseMs: 1, fallback: 'none' },
  server: { retries: 2, baseMs: 1 },
  malformed: { retries: 2, baseMs: 1 },
})

/** A server with the given behaviour, closed after the test. */
export async function vendor(options: BarVendorOptions = {}) {
  const server = await startBarVendor(options)
  closing.push(() => server.close())
  return server
}

/** The real source, asking `baseUrl`; closed after the test. */
export function sourceAt(baseUrl: string): HistorySource {
  const limiter = createRateLimiter({ callsPerMinute: 0 })
  const source = createPolygonSource({
    name: 'polygon',
    baseUrl,
    apiKey: 'a-key-for-tests',
    limiter,
    retryPolicy: FAST_RETRIES,
    timeouts: { connectMs: 2000, requestMs: 2000 },
  })
  closing.push(() => source.close())
  return source
}

export interface RecordOptions extends Partial<Omit<BackfillOptions, 'source'>> {
  readonly source: HistorySource
  readonly from?: string
  readonly to?: string
  readonly dataset?: string
  readonly ticker?: string
}

export interface Recorded extends BackfillSummary {
  readonly root: string
  readonly outcome: SeriesOutcome
  readonly exitCode: number
  /** State by session. */
  readonly cells: Readonly<Record<string, CellState>>
}

/** Backfills one series, by default minute bars of SPY of the week of 2025-06-02, into a fresh lake. */
export async function record(options: RecordOptions): Promise<Recorded> {
  const {
    source,
    from = '2025-06-02',
    to = '2025-06-06',
    dataset = 'equity_bars_1m',
    ticker = 'SPY',
  } = options
  const root = options.root ?? freshFolder()
  const nowMs = options.nowMs ?? NOW_MS
  const engine = createEngine('columnar', { tempDirectory: join(root, 'scratch') })
  const before = source.calls
  try {
    const outcome = await backfillSeries(
      { dataset: datasetNamed(dataset), ticker },
      () => resolveRange({ from, to }, { calendar: 'XNYS', nowMs, defaultSessions: 5 }),
      {
        runId: 'test-run',
        engine,
        compression: 'zstd',
        rowGroupRows: 122_880,
        force: false,
        concurrency: 1,
        lockWaitMs: 0,
        graceful: new AbortController().signal,
        immediate: new AbortController().signal,
        ...options,
        root,
        nowMs,
      },
    )
    const summary = summarize([outcome], source.calls - before)
    const cells = Object.fromEntries(summary.sessions.map(({ date, state }) => [date, state]))
    return { ...summary, root, outcome, exitCode: exitCodeOf(summary), cells }
  } finally {
    await engine.close()
  }
}

/** Files below `root`, relative to it, without locks and scratch space. */
export function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.startsWith('state/'))
    .sort()
}

/** Lines of a quarantine file, parsed. */
export function quarantineOf(root: string, date: string, dataset = 'equity_bars_1m', ticker = 'SPY') {
  const path = join(root, 'quarantine', dataset, `ticker=${ticker}`, `${date}.jsonl`)
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}
