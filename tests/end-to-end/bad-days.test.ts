import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { CLI_BIN, cliEnv } from '../support/cli.ts'
import { NOW, Place, simulate, type BackfillDocument } from './world.ts'

const WEEK = '--ticker SPY --from 2025-06-02 --to 2025-06-06'
const stateOf = ({ sessions }: BackfillDocument, date: string) =>
  sessions.find((one) => one.date === date)?.state

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of running.splice(0)) await stop()
})

/** `tapelake simulator` as a process of its own; stopped by SIGTERM after the test. */
async function simulatorProcess(...faults: readonly string[]): Promise<string> {
  const args = [
    CLI_BIN,
    'simulator',
    '--json',
    '--now',
    NOW,
    ...faults.flatMap((fault) => ['--fault', fault]),
  ]
  const child = spawn(process.execPath, args, { env: cliEnv(), stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit')
  running.push(async () => {
    child.kill('SIGTERM')
    await ended
  })
  let text = ''
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (text.trimEnd().endsWith('}')) break
  }
  return (JSON.parse(text) as { url: string }).url
}

describe('a vendor with every transient fault at once', () => {
  const FAULTS = [
    '429:rate=0.15,retry-after=0,burst=2',
    '429:rate=0.1',
    '500:rate=0.1',
    '502:rate=0.1',
    '503:rate=0.1',
    'reset:rate=0.1',
    'reset:rate=0.1,when=headers',
    'reset:rate=0.1,when=body',
    'slow:rate=0.3,delay-ms=20,trickle-ms=20',
    'truncated:rate=0.1',
    'truncated:rate=0.1,how=chunked',
    'broken-json:rate=0.1',
    'duplicate-page:rate=0.3',
    'reorder-pages:rate=0.3',
    'empty-last-page:rate=0.3',
    'wrong-next-host:rate=0.3',
    'reorder-rows:rate=0.3',
    'duplicate-rows:rate=0.3',
    'delayed:rate=0.3',
  ]
  const JOBS = [
    '--ticker SPY --from 2025-01-02 --to 2025-06-06',
    '--ticker THNY --timespan second --from 2025-06-02 --to 2025-06-06',
    '--ticker THNY --dataset trades,quotes --from 2025-06-05 --to 2025-06-06',
    '--ticker SPY --dataset dividends --from 2023-01-03 --to 2025-06-06',
  ]
  const DATASETS = ['equity_bars_1m', 'equity_bars_1s', 'equity_trades', 'equity_quotes', 'dividends']
  const patient = Object.fromEntries(
    ['NETWORK', 'TIMEOUT', 'RATE_LIMIT', 'SERVER', 'MALFORMED'].map((name) => [
      `TAPELAKE__RETRY__${name}__RETRIES`,
      '200',
    ]),
  )

  test('fills the same lake as one without, row for row', async () => {
    const disturbed = new Place(await simulatorProcess(...FAULTS), patient)
    const undisturbed = new Place((await simulate()).url)
    let calls = 0
    for (const job of JOBS) {
      const [bad, good] = [await disturbed.backfill(job), await undisturbed.backfill(job)]
      expect([job, bad.code, good.code]).toEqual([job, 0, 0])
      expect(bad.document).toMatchObject({ quarantined: 0, holes: [], rows: good.document.rows })
      calls += bad.document.calls - good.document.calls
    }
    expect(calls).toBeGreaterThan(10) // the faults did happen
    for (const dataset of DATASETS) {
      const rows = await undisturbed.rows(dataset)
      expect(rows.length).toBeGreaterThan(0)
      expect(await disturbed.rows(dataset)).toEqual(rows)
    }
  })
})

describe('bad data', () => {
  test('a day whose bars are all invalid is quarantined and named; exit 3', async () => {
    const place = new Place((await simulate(['invalid-rows:day=2025-06-04'])).url)
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(3)
    expect(document.states).toEqual({ complete: 4, quarantined: 1 })
    expect(document.holes).toMatchObject([{ from: '2025-06-04', to: '2025-06-04', state: 'quarantined' }])
    const lines = readFileSync(
      join(place.dataDir, 'quarantine/equity_bars_1m/ticker=SPY/2025-06-04.jsonl'),
      'utf8',
    )
    const rows = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(rows).toHaveLength(document.quarantined)
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(
        expect.arrayContaining(['rule', 'reason', 'row', 'request', 'requestId', 'run']),
      )
    }
    const told = await place.run(`backfill ${WEEK}`)
    expect(told.code).toBe(3)
    expect(told.stdout).toMatch(/quarantined: SPY equity_bars_1m 2025-06-04: all \d+ rows were refused/)
  })

  test('some invalid bars cost themselves and nothing else', async () => {
    const place = new Place((await simulate(['invalid-rows:rows=0.05'])).url)
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(0)
    expect(document.quarantined).toBeGreaterThan(10)
    const whole = new Place((await simulate()).url)
    const undisturbed = await whole.backfill(WEEK)
    expect(document.rows + document.quarantined).toBe(undisturbed.document.rows)
    const rows = new Set(await whole.rows())
    for (const row of await place.rows()) expect(rows.has(row)).toBe(true)
  })

  test('rows of another ticker do not enter the lake', async () => {
    const place = new Place((await simulate(['wrong-ticker:path=/minute/'])).url)
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(3)
    expect(document.states).toEqual({ quarantined: 5 })
    expect(await place.rows()).toEqual([])
  })
})

describe('data that does not come', () => {
  test('a range that the vendor cuts without a word is fetched whole', async () => {
    const simulator = await simulate(['truncate-range:from=2025-06-04,first=1'])
    const place = new Place(simulator.url)
    const { code, document } = await place.backfill(WEEK)
    expect({ code, states: document.states }).toEqual({ code: 0, states: { complete: 5 } })
    expect(simulator.stats().faultsFired).toMatchObject({ 'truncate-range': 1 })
  })

  test('a range that the plan covers in part is held in part, and never called complete; exit 3', async () => {
    const place = new Place((await simulate(['entitlement:before=2025-06-04'])).url)
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(3)
    expect(document.sessions.map(({ state }) => state)).toEqual([
      'not_entitled',
      'not_entitled',
      'complete',
      'complete',
      'complete',
    ])
  })

  test("a free plan's two years of history and its refusals are understood", async () => {
    const simulator = await simulate([], { plan: 'free', callsPerMinute: 0 })
    const place = new Place(simulator.url)
    const bars = await place.backfill('--ticker SPY --from 2023-04-03 --to 2025-06-10')
    expect(bars.code).toBe(3)
    expect(stateOf(bars.document, '2023-04-03')).toBe('not_entitled')
    expect(stateOf(bars.document, '2025-06-06')).toBe('complete')
    expect(stateOf(bars.document, '2025-06-10')).toBe('pending')
    const trades = await place.backfill('--ticker SPY --dataset trades --days 2')
    expect(trades.code).toBe(4)
    expect(trades.document.sessions[0]).toMatchObject({
      state: 'not_entitled',
      reason: expect.stringMatching(/not entitled/i) as string,
    })
  })

  test('a day that the vendor has lost is missing, because it has a daily bar; the next run fetches it', async () => {
    const place = new Place((await simulate(['missing-day:day=2025-06-04,path=/minute/'])).url)
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(3)
    expect(stateOf(document, '2025-06-04')).toBe('missing')
    const next = await new Place((await simulate()).url, {}, place.dataDir).backfill(WEEK)
    expect(next).toMatchObject({ code: 0, document: { states: { complete: 5 } } })
  })

  test('a page that leads to itself for ever ends the request, not the program', async () => {
    const simulator = await simulate(['duplicate-page:then=loop,path=/minute/'])
    const place = new Place(simulator.url)
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(1)
    expect(document.sessions[0]).toMatchObject({ state: 'failed' })
    expect(document.sessions[0]!.reason).toMatch(/next_url does not advance/)
    expect(simulator.stats().calls).toBeLessThan(10)
  })

  test('a vendor that is out of reach: exit 1, the kind of failure in the ledger; the next run completes', async () => {
    const gone = await simulate()
    await gone.close()
    const place = new Place(gone.url, { TAPELAKE__RETRY__NETWORK__RETRIES: '1' })
    const { code, document, stderr } = await place.backfill(WEEK)
    expect(code).toBe(1)
    expect(document.sessions[0]).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/^network: /) as string,
    })
    expect(stderr).toMatch(/no answer from polygon/)
    const next = await new Place((await simulate()).url, {}, place.dataDir).backfill(WEEK)
    expect(next).toMatchObject({ code: 0, document: { states: { complete: 5 } } })
  })

  test('a vendor that hangs is given up after the deadline', async () => {
    const place = new Place((await simulate(['hang'])).url, {
      TAPELAKE__SOURCES__POLYGON__TIMEOUTS__REQUEST_MS: '200',
      TAPELAKE__RETRY__TIMEOUT__RETRIES: '1',
    })
    const { code, document } = await place.backfill(WEEK)
    expect(code).toBe(1)
    expect(document.calls).toBe(2)
    expect(document.sessions[0]!.reason).toMatch(/^timeout: .*200 ms/)
  })
})
