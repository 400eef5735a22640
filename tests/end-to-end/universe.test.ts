import { createServer, request as ask } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Simulator } from '../../src/simulator/index.ts'
import { Place, simulate, type BackfillDocument } from './world.ts'

/**
 * Short by default. `TAPELAKE_UNIVERSE=full` records five years of fifteen tickers (about five minutes), as the
 * promise says it.
 */
const IS_FULL = process.env['TAPELAKE_UNIVERSE'] === 'full'
const FROM = IS_FULL ? '2020-06-10' : '2025-03-10'
const LIMIT = IS_FULL ? 60 : 12
const WINDOW_SECONDS = IS_FULL ? 30 : 1.5

const TICKERS = 'SPY,QQQ,IWM,DIA,AAPL,MSFT,NVDA,AMZN,GOOGL,META,TSLA,AMD,NFLX,JPM,XOM'.split(',')
const WORKERS = 2
/** `backfill.concurrency` */
const TOGETHER = 2

interface AllDocument extends BackfillDocument {
  readonly planned: number
  readonly limiter: { readonly averageWaitMs: number; readonly longestWaitMs: number }
}

/** Stands before `simulator` and notes what is asked, in the order of arrival. */
async function noting(simulator: Simulator): Promise<{ url: string; paths: string[] }> {
  const paths: string[] = []
  const server = createServer((incoming, answer) => {
    paths.push(incoming.url!)
    const target = new URL(incoming.url!, simulator.url)
    const passed = ask(target, { headers: incoming.headers, agent: false }, (found) => {
      answer.writeHead(found.statusCode!, found.headers)
      found.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    passed.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.closeAllConnections())
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths }
}

/** Ticker and last instant of a request for bars. */
function asked(path: string): { ticker: string; toMs: number } {
  const [, ticker, , to] = /^\/v2\/aggs\/ticker\/([^/]+)\/range\/1\/minute\/([^/]+)\/([^/?]+)/.exec(path)!
  return { ticker: ticker!, toMs: Number(to) }
}

describe('a universe', () => {
  test(
    'costs the calls that were planned, never exceeds the limit in any window, and comes newest first',
    { timeout: IS_FULL ? 1_200_000 : 60_000 },
    async () => {
      const simulator = await simulate([], { callsPerMinute: LIMIT, rateWindowMs: WINDOW_SECONDS * 1000 })
      const { url, paths } = await noting(simulator)
      const place = new Place(url, {
        TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: String(LIMIT),
        TAPELAKE__SOURCES__POLYGON__BUDGET__WINDOW_SECONDS: String(WINDOW_SECONDS),
      })
      const args = `--tickers ${TICKERS.join(',')} --from ${FROM} --workers ${WORKERS} --json`
      const plan = JSON.parse((await place.run(`backfill-all --plan ${args}`)).stdout) as { calls: number }
      const startMs = performance.now()
      const run = await place.run(`backfill-all ${args}`)
      const seconds = (performance.now() - startMs) / 1000
      expect(run.code).toBe(0)
      const { planned, calls, rows, states, limiter } = JSON.parse(run.stdout) as AllDocument
      const { calls: counted, worstMinuteCalls, refusedByRateLimit } = simulator.stats()
      if (IS_FULL) console.log({ seconds, rows, calls, planned, worstMinuteCalls, limiter })
      expect({ planned, calls, counted }).toEqual({
        planned: plan.calls,
        calls: plan.calls,
        counted: plan.calls,
      })
      expect(Object.keys(states)).toEqual(['complete'])
      expect(worstMinuteCalls).toBeLessThanOrEqual(LIMIT)
      expect(refusedByRateLimit).toBe(0)
      expect(limiter.averageWaitMs).toBeGreaterThan(0)
      expect(limiter.longestWaitMs).toBeGreaterThanOrEqual(limiter.averageWaitMs)

      const order = paths.map(asked)
      const underWay = WORKERS * TOGETHER
      const newest = TICKERS.map((ticker) => order.findIndex((one) => one.ticker === ticker))
      expect(Math.max(...newest)).toBeLessThan(TICKERS.length + underWay)
      // a request that is newer than one before it was at most under way together with that one
      const overtaken = order.map(
        ({ toMs }, i) => order.slice(i + 1).filter((later) => later.toMs > toMs).length,
      )
      expect(Math.max(...overtaken)).toBeLessThanOrEqual(underWay)
    },
  )

  test(
    'brings at least 99 of 100 requests home when one in twenty fails on its way',
    { timeout: 60_000 },
    async () => {
      const faults = ['503:rate=0.02', 'reset:rate=0.015', '429:rate=0.015', 'reset:when=body,rate=0.005']
      const simulator = await simulate(faults)
      const place = new Place(simulator.url)
      const days = '--from 2025-01-02 --workers 2 --json'
      const actions = `--dataset splits,dividends,equity_bars_1d --tickers ${TICKERS.join(',')}`
      const run = await place.run(`backfill-all ${actions} ${days}`)
      const { failures, calls } = JSON.parse(run.stdout) as AllDocument
      const items = 3 * TICKERS.length
      const { faultsFired, calls: counted } = simulator.stats()
      const failed = Object.values(faultsFired).reduce((sum, times) => sum + times, 0)
      expect(failed).toBeGreaterThan(0)
      expect(calls).toBe(counted)
      expect(calls).toBeGreaterThanOrEqual(items + failed)
      expect((items - failures) / items).toBeGreaterThanOrEqual(0.99)
      expect(run.code).toBe(0)
    },
  )
})
