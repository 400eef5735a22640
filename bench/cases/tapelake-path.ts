import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ParquetEngine } from '../../src/lake/engine.ts'
import type { HistorySource } from '../../src/sources/history.ts'
import type { Figures } from '../harness/child.ts'
import { cpuMs, median, timed } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'
import { readBody } from './batch.ts'
import { REQUEST } from './body.ts'

export interface PathParams {
  /** Where the body is served. */
  readonly url: string
  /** File that holds the body. */
  readonly body: string
  /** Folder to work in. */
  readonly work: string
  readonly runs: number
}

const never = new AbortController().signal

/**
 * The whole path as `backfill` walks it: one request, parsed, validated, deduplicated, written to Parquet, fsynced,
 * read back, committed to the ledger. Every run records into a new lake; making it and taking its lock are not timed.
 */
export async function tapelakePath({ url, body, work, runs }: PathParams): Promise<Figures> {
  const { preferThroughput } = await load.throughput()
  preferThroughput() // as the command does
  const { item, batch } = await readBody(body)
  const source = await openSource(url)
  const { createEngine } = await load.engines()
  const engine = createEngine('columnar', { tempDirectory: join(work, 'scratch') })
  const { recordItem } = await load.recordItem()
  const { SilenceJudge } = await load.silence()
  const times: number[] = []
  const cpu: number[] = []
  for (let run = 0; run <= runs; run++) {
    const root = mkdtempSync(join(work, 'path-'))
    const writer = await openWriter(root, engine)
    const { series } = writer.options
    const judge = new SilenceJudge({ source, series, range: item, nowMs: Date.now() })
    const before = process.cpuUsage()
    const runMs = await timed(async () => {
      const { rows } = await recordItem(item, {
        writer,
        source,
        judge,
        newest: item.to,
        today: '2026-01-02',
        signal: never,
      })
      if (rows !== batch.length) throw new Error(`recorded ${rows} rows of ${batch.length}`)
    })
    times.push(runMs)
    cpu.push(cpuMs(before))
    await writer.close()
    rmSync(root, { recursive: true })
  }
  await source.close()
  await engine.close()
  return {
    coldMs: times[0]!,
    warmMs: median(times.slice(1)),
    cpuMs: median(cpu.slice(1)),
    rssBytes: process.resourceUsage().maxRSS * 1024,
  }
}

async function openSource(baseUrl: string): Promise<HistorySource> {
  const [{ createPolygonSource }, { createRateLimiter }, { retryPolicySchema }] = await Promise.all([
    load.polygon(),
    load.rateLimit(),
    load.retry(),
  ])
  return createPolygonSource({
    name: 'simulator',
    baseUrl,
    apiKey: 'bench',
    limiter: createRateLimiter({ callsPerMinute: 0 }),
    retryPolicy: retryPolicySchema.parse({}),
    timeouts: { connectMs: 5000, requestMs: 60_000 },
  })
}

async function openWriter(root: string, engine: ParquetEngine) {
  const [{ SeriesWriter }, { equityBars1m }, { claimProvenance }] = await Promise.all([
    load.seriesWriter(),
    load.bars(),
    load.stamp(),
  ])
  await claimProvenance(root, 'synthetic')
  return await SeriesWriter.open(
    {
      root,
      engine,
      series: { dataset: equityBars1m, ticker: REQUEST.ticker },
      compression: 'zstd',
      rowGroupRows: 122_880,
      runId: 'bench',
      provenance: () => 'synthetic',
      waitMs: 0,
      purpose: 'benchmark',
    },
    never,
  )
}
