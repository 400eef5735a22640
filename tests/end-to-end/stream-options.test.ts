import { expect, test } from 'vitest'
import { DATE, Market } from './stream-world.ts'

test(
  'a day of 200 contracts is in the lake as REST has it, after cuts, a close, silence, a kick and a stall',
  { timeout: 120_000 },
  async () => {
    const market = await Market.open({
      start: '2025-06-10T13:00:00Z',
      faults: [
        ...['cut:at=11:00,for=300', 'silence:at=13:30,for=300', 'close:at=14:10,for=600'],
        ...['kick:at=15:00,for=60', 'stall:at=15:20,for=120', 'cut:times=3,for=1-600'],
      ],
      env: { TAPELAKE__STREAM__RECONNECT__MAX_CONNECTIONS_MS: '80' },
    })
    try {
      const found = await market.place.run(`discover --date ${DATE} --strike-range 0.085 --json`, {
        env: { TAPELAKE_NOW: '2025-06-10T13:00:00Z' },
      })
      const { contracts } = JSON.parse(found.stdout) as { contracts: unknown[] }
      expect(contracts.length).toBeGreaterThanOrEqual(190)
      const { code, document } = await market.run(`stream-options --date ${DATE} --ignore-hours`)
      expect(document.cells).toMatchObject([{ dataset: 'option_bars_1m', ticker: 'SPY', state: 'complete' }])
      expect(code).toBe(0)
      expect(document.reconnects).toBeGreaterThanOrEqual(4)
      const recorded = await market.place.rows('option_bars_1m')
      const backfilled = await market.place.run(
        `backfill --dataset option_bars_1m --underlying SPY --date ${DATE} --force`,
      )
      expect(backfilled.code).toBe(0)
      expect(recorded.length).toBeGreaterThan(5000)
      expect(recorded).toEqual(await market.place.rows('option_bars_1m'))
    } finally {
      await market.close()
    }
  },
)

test('more contracts than one connection may have are refused, with the way out', async () => {
  const market = await Market.open({ env: { TAPELAKE__STREAM__MAX_CONTRACTS: '3' } })
  try {
    await market.place.run(`discover --date ${DATE}`, { env: { TAPELAKE_NOW: '2025-06-10T14:00:00Z' } })
    const { code, stderr } = await market.here(`stream-options --date ${DATE} --ignore-hours`)
    expect(code).toBe(2)
    expect(stderr).toMatch(/more than one connection may have \(3\)[^]*--strike-range/)
  } finally {
    await market.close()
  }
})
