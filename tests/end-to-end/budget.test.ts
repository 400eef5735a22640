import { expect, test } from 'vitest'
import type { BudgetView } from '../../src/pipeline/budget.ts'
import { freshFolder } from '../support/cli.ts'
import { Market } from './stream-world.ts'
import { Place, simulate, type BackfillDocument } from './world.ts'

const LIMIT = 15
const WINDOW_SECONDS = 2

/** A limit that is in force, counted in windows that a test can wait for. */
const limited = (calls = LIMIT): Record<string, string> => ({
  TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: String(calls),
  TAPELAKE__SOURCES__POLYGON__BUDGET__WINDOW_SECONDS: String(WINDOW_SECONDS),
})

test(
  'eight backfills and a stream with one key never exceed its limit in any window, as the vendor counts it',
  { timeout: 120_000 },
  async () => {
    const market = await Market.open({
      ...{ callsPerMinute: LIMIT, rateWindowMs: WINDOW_SECONDS * 1000, env: limited() },
    })
    try {
      const { place } = market
      const places = [1, 2, 3, 4, 5, 6, 7, 8].map(() => new Place(undefined, place.env, freshFolder()))
      const stream = market.run('stream --ticker SPY --ignore-hours')
      const days = '--from 2025-06-03 --to 2025-06-03'
      const runs = places.map((one) => one.backfill(`--ticker AAPL,MSFT,QQQ,SPY ${days}`))
      const view = await waitForUse(place)
      expect(view).toMatchObject({ limit: LIMIT, window: WINDOW_SECONDS })
      expect(view.byProcess.reduce((sum, { calls }) => sum + calls, 0)).toBe(view.used)
      expect(view.byProcess.every(({ pid, label }) => pid > 0 && /^(backfill|stream) /.test(label))).toBe(
        true,
      )
      for (const { code, document } of await Promise.all(runs)) {
        expect(code).toBe(0)
        expect(document.states).toEqual({ complete: 4 })
      }
      expect((await stream).code).toBe(0)
      const { calls, worstMinuteCalls, refusedByRateLimit } = market.simulator.stats()
      expect({ worst: worstMinuteCalls <= LIMIT, refusedByRateLimit }).toEqual({
        worst: true,
        refusedByRateLimit: 0,
      })
      expect(calls).toBeGreaterThanOrEqual(30)
    } finally {
      await market.close()
    }
  },
)

/** The budget as `budget --json` shows it, once somebody has used it. */
async function waitForUse(place: Place): Promise<BudgetView> {
  for (;;) {
    const { code, stdout } = await place.run('budget --json')
    expect(code).toBe(0)
    const view = JSON.parse(stdout) as BudgetView
    if (view.used > 0) return view
  }
}

test('a Retry-After that one process was given holds for the others, wherever their data lies', async () => {
  const simulator = await simulate(['429:first=1,retry-after=3'])
  const env = { TAPELAKE__RETRY__RATE_LIMIT__RETRIES: '0' }
  const [told, other] = [new Place(simulator.url, env), new Place(simulator.url)]
  expect((await told.run('backfill --ticker SPY --last-session')).code).not.toBe(0)
  const calls = simulator.stats().calls
  const view = JSON.parse((await other.run('budget --json')).stdout) as BudgetView
  expect(view.pause!.seconds).toBeGreaterThan(0)
  const started = performance.now()
  const run = await other.run('backfill --ticker QQQ --last-session')
  expect(run.code).toBe(0)
  expect(simulator.stats().calls).toBeGreaterThan(calls)
  expect(performance.now() - started).toBeGreaterThan(view.pause!.seconds * 1000 - 1500)
})

test('a first run without dates that the budget ends leaves holes, and the same command goes on', async () => {
  const simulator = await simulate()
  const perDay = { TAPELAKE__SOURCES__POLYGON__CALLS_PER_DAY: '1' }
  const place = new Place(simulator.url, {
    TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '150',
    TAPELAKE__BACKFILL__CONCURRENCY: '1',
  })
  for (const command of ['backfill --ticker SPY', 'backfill-all --tickers QQQ --workers 1']) {
    const ticker = command.includes('SPY') ? 'SPY' : 'QQQ'
    const first = await place.run(`${command} --json`, {
      env: { ...perDay, TAPELAKE_RUNTIME_DIR: freshFolder() },
    })
    expect(first.code).toBe(7)
    const { states } = JSON.parse(first.stdout) as BackfillDocument
    expect(states['complete']! + states['missing']!).toBe(150)
    expect(states['missing']).toBeGreaterThan(0)
    const { stdout } = await place.run(`status --ticker ${ticker}`)
    expect(stdout).toMatch(/not recorded yet/)
    expect(await place.run(`gaps --ticker ${ticker}`)).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/ missing +not recorded yet/) as string,
    })
    const second = await place.run(`${command} --json`)
    expect([second.code, (JSON.parse(second.stdout) as BackfillDocument).states]).toEqual([
      0,
      { complete: 150 },
    ])
    expect(await place.run(`gaps --ticker ${ticker}`)).toMatchObject({ code: 0 })
  }
})

test('the end of the day’s budget is exit 7, says when it renews, and the run goes on from there', async () => {
  const simulator = await simulate()
  const perDay = { TAPELAKE__SOURCES__POLYGON__CALLS_PER_DAY: '2' }
  const place = new Place(simulator.url)
  const tickers = '--ticker AAPL,MSFT,QQQ --last-session'
  const first = await place.backfill(tickers, { env: perDay })
  expect(first.code).toBe(7)
  expect(first.stderr).toMatch(
    /the 2 calls of the day are used up; the budget renews at \d{4}-\d\d-\d\d 00:00 UTC/,
  )
  expect(first.document.states['complete']).toBeGreaterThan(0)
  expect(simulator.stats().calls).toBe(2)
  const shown = await place.run('budget', { env: perDay })
  expect(shown.stdout).toMatch(/0 of 2 calls left today; the day's budget renews at/)
  const second = await place.backfill(tickers)
  expect(second.code).toBe(0)
  expect(second.document.states).toEqual({ complete: 3 })
})
