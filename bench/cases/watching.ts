import type { Figures } from '../harness/child.ts'
import { median, timed } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'

/** Pages watched in one run. */
const PAGES = 2000

/** What watching costs per page: a request, its answer, its commit, with one attempt in ten that fails. */
export async function watchingPages({ runs }: { readonly runs: number }): Promise<Figures> {
  const { RunObserver } = await load.observer()
  const { ServerError } = await load.errors()
  const watch = new RunObserver({
    performance: {
      operationSeconds: { request: 45, commit: 30 },
      hungSeconds: 180,
      noDataSeconds: 300,
      slowdownRatio: 0.2,
    },
    errors: { burstErrors: 10, burstMs: 60_000, recoveryMs: 120_000 },
    run: 'bench',
  })
  const failures = Array.from({ length: (runs + 1) * PAGES }, () => new ServerError('broken'))
  const times: number[] = []
  for (let run = 0; run <= runs; run++) {
    const ms = await timed(() => {
      for (let page = 0; page < PAGES; page++) {
        const path = `/v2/aggs/ticker/SPY/range/1/minute/${page}`
        watch.requested(path, 1, 0)
        if (page % 10 === 0) {
          watch.attempted('aggregates', false)
          watch.failed(failures.pop(), path)
          watch.requested(path, 2, 0)
        }
        watch.answered(path, 5_000_000)
        watch.attempted('aggregates', true)
        watch.committed('SPY', 50_000, 30)
      }
    })
    times.push((1000 * ms) / PAGES)
  }
  return { pageUs: median(times), viewMs: await timed(() => watch.view()) }
}
