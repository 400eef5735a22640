import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EntitlementError } from '../../../src/core/errors.ts'
import { parseFault, startSimulator, type Simulator } from '../../../src/simulator/index.ts'
import { PROBES, probeClock, probePlan } from '../../../src/sources/polygon/probe.ts'
import { historySourceContract } from '../../contracts/history-source-contract.ts'
import { ask, never, optionsFor, rowsOf, sourceAt } from './support.ts'

const NOW_MS = Date.UTC(2025, 5, 18, 16)
const minutes = ask('equity_bars_1m', { from: '2025-03-03', to: '2025-06-13' })
/** A ticker that trades little, on a day that closes early: whole days of ticks are slow to make up. */
const thin = { ticker: 'COST', from: '2024-11-29', to: '2024-11-29' }

/** Runs `use` with the address of a simulator that has `faults`. */
async function withFaults<T>(faults: readonly string[], use: (url: string) => Promise<T>): Promise<T> {
  const simulator = await startSimulator({ now: () => NOW_MS, faults: faults.map(parseFault) })
  try {
    return await use(simulator.url)
  } finally {
    await simulator.close()
  }
}

describe('the source reads the simulator', () => {
  let simulator: Simulator
  beforeAll(async () => {
    simulator = await startSimulator({ now: () => NOW_MS })
  })
  afterAll(() => simulator.close())

  describe('by the contract of history sources', () => {
    historySourceContract(() => ({
      provenance: 'synthetic',
      requests: [
        minutes,
        ask('equity_bars_1s', thin),
        ask('equity_bars_1h'),
        ask('equity_bars_1d'),
        ask('equity_trades', thin),
        ask('equity_quotes', thin),
        ask('splits', { ticker: 'NVDA', from: '2000-01-01' }),
        ask('dividends', { from: '2020-01-01' }),
      ],
      open: () => sourceAt(simulator.url, { name: 'simulator' }),
    }))
  })

  test('bars of many pages come in order, each minute once', async () => {
    const source = sourceAt(simulator.url)
    const times = (await rowsOf(source, minutes)).map((row) => row['timestamp'] as number)
    expect(times.length).toBeGreaterThan(50_000)
    expect(source.calls).toBeGreaterThan(1)
    expect(times.every((time, row) => row === 0 || time > times[row - 1]!)).toBe(true)
  })

  test('tickers that it lists are known, others are not', async () => {
    const source = sourceAt(simulator.url)
    expect(await source.knowsTicker('SPY', '2025-01-02', never)).toBe(true)
    expect(await source.knowsTicker('NOSUCH', '2025-01-02', never)).toBe(false)
  })

  test('its clock and its plan can be probed', async () => {
    const options = optionsFor(simulator.url)
    const { serverMs } = await probeClock(options, never)
    expect(serverMs).toBe(NOW_MS)
    const results = await probePlan(
      { ...options, clock: { now: () => NOW_MS, sleep: async () => undefined } },
      PROBES,
      never,
    )
    expect(results.find(({ name }) => name === 'minute_bars')).toMatchObject({ ok: true })
  })
})

describe('the same rows arrive in spite of', () => {
  const wanted = withFaults([], (url) => rowsOf(sourceAt(url), minutes))

  test.each([
    ['429:first=2,retry-after=0'],
    ['500:first=2'],
    ['reset:first=1'],
    ['truncated:first=1'],
    ['broken-json:first=1'],
    ['empty-last-page'],
    ['wrong-next-host'],
  ])('%s', async (fault) => {
    expect(await withFaults([fault], (url) => rowsOf(sourceAt(url), minutes))).toEqual(await wanted)
  })
})

describe('the source passes on', () => {
  test('a wall of the plan, with its words', async () => {
    const reading = withFaults(['entitlement'], (url) => rowsOf(sourceAt(url), minutes))
    await expect(reading).rejects.toThrow(EntitlementError)
  })

  test('rows of another ticker, under their own name', async () => {
    const rows = await withFaults(['wrong-ticker'], (url) => rowsOf(sourceAt(url), minutes))
    expect(rows.some((row) => row['ticker'] !== 'SPY')).toBe(true)
  })
})
