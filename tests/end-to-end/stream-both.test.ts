import { expect, test } from 'vitest'
import { startRecorder } from './stream-recorder.ts'
import { DATE, discoverContracts, lakeBars, openMarket, restBars } from './stream-world.ts'

/** Everything that a connection can suffer; each strikes both recorders. */
const FAULTS = [
  ...['cut:at=11:00,for=300', 'silence:at=13:30,for=300', 'close:at=14:10,for=600'],
  ...['kick:at=15:00,for=60', 'stall:at=15:20,for=120', 'cut:times=3,for=1-600'],
]

test.each([
  ['that nothing disturbs', []],
  ['full of cuts, closes, silence, a kick and a stall', FAULTS],
])(
  'a session %s is recorded of SPY and of 200 contracts at once: the lake equals the vendor, row for row',
  { timeout: 120_000 },
  async (_name, faults) => {
    const market = await openMarket({
      ...{ faults, startOnSubscribe: 2 },
      env: { TAPELAKE__STREAM__RECONNECT__MAX_CONNECTIONS_MS: '80' },
    })
    const { place } = market
    const contracts = await discoverContracts(place)
    expect(contracts.length).toBeGreaterThanOrEqual(200)
    const [spy, options] = await Promise.all([
      startRecorder(place, 'stream --ticker SPY --ignore-hours').document(),
      startRecorder(place, `stream-options --date ${DATE} --ignore-hours`).document(),
    ])
    for (const { code, document } of [spy, options]) {
      expect(document.cells).toMatchObject([{ ticker: 'SPY', date: DATE, state: 'complete' }])
      expect(code).toBe(0)
      expect(document.holes.filter(({ closed }) => closed === null)).toEqual([])
      expect(document.reconnects).toBeGreaterThanOrEqual(faults.length === 0 ? 0 : 4)
    }
    if (faults.length === 0) expect(spy.document).toMatchObject({ holes: [], reconnects: 0 })
    expect(await lakeBars(place)).toEqual(await restBars(market, ['SPY']))
    const recorded = await lakeBars(place, 'option_bars_1m')
    expect(recorded.length).toBeGreaterThan(5000)
    expect(recorded).toEqual(await restBars(market, contracts))
  },
)
