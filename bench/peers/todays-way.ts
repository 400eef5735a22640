import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type * as Client from '@polygon.io/client-js'
import { z } from 'zod'
import { REQUEST } from '../cases/body.ts'
import type { PathParams } from '../cases/tapelake-path.ts'
import type { Figures } from '../harness/child.ts'
import { cpuMs, median, timed } from '../harness/clock.ts'
import { openRowWriter } from './row-writer.ts'

/** One bar as the vendor sends it, checked as one does it with zod. */
export const barSchema = z
  .object({
    o: z.number().positive(),
    h: z.number().positive(),
    l: z.number().positive(),
    c: z.number().positive(),
    v: z.number().nonnegative(),
    vw: z.number().positive().optional(),
    t: z.number().int(),
    n: z.number().int().nonnegative().optional(),
  })
  .refine(({ h, l }) => h >= l, 'high is below low')
  .refine(({ o, h, l }) => o >= l && o <= h, 'open lies outside the range')
  .refine(({ c, h, l }) => c >= l && c <= h, 'close lies outside the range')

/**
 * The same rows the way it is mostly done: the vendor's client with its own pagination, an object per row, zod per
 * row, parquetjs-lite row by row, straight to the final file. No fsync, no read-back, no ledger.
 */
export async function todaysPath({ url, work, runs }: PathParams): Promise<Figures> {
  const vendor = await import('@polygon.io/client-js')
  const times: number[] = []
  const cpu: number[] = []
  for (let run = 0; run <= runs; run++) {
    const folder = mkdtempSync(join(work, 'today-'))
    const before = process.cpuUsage()
    times.push(await timed(() => record(vendor, url, join(folder, 'SPY.parquet'))))
    cpu.push(cpuMs(before))
    rmSync(folder, { recursive: true })
  }
  return {
    coldMs: times[0]!,
    warmMs: median(times.slice(1)),
    cpuMs: median(cpu.slice(1)),
    rssBytes: process.resourceUsage().maxRSS * 1024,
  }
}

async function record(vendor: typeof Client, url: string, path: string): Promise<void> {
  const { restClient, GetStocksAggregatesTimespanEnum, GetStocksAggregatesSortEnum } = vendor
  const client = restClient('bench', url, { pagination: true })
  const { ticker, from, to } = REQUEST
  const minute = GetStocksAggregatesTimespanEnum.Minute
  const ascending = GetStocksAggregatesSortEnum.Asc
  const answer = await client.getStocksAggregates(ticker, 1, minute, from, to, false, ascending, 50_000)
  const seen = new Set<number>()
  const writer = await openRowWriter(path)
  for (const raw of answer.results ?? []) {
    const bar = barSchema.parse(raw)
    if (seen.has(bar.t)) continue
    seen.add(bar.t)
    await writer.appendRow({
      ticker,
      timestamp: bar.t,
      open: bar.o,
      high: bar.h,
      low: bar.l,
      close: bar.c,
      volume: bar.v,
      vwap: bar.vw,
      trade_count: bar.n,
    })
  }
  await writer.close()
}
