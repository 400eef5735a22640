import { expect, test } from 'vitest'
import { DATE, discoverContracts, openMarket } from './stream-world.ts'

/** Replays to which nothing comes: they say what they wait for, and they end. */

const REPLAY = 'stream --ticker SPY --ignore-hours'

test.each([
  ['2025-06-11T00:30:00Z', /the session of 2025-06-10 is over; the next session is 2025-06-11/],
  ['2025-07-04T14:00:00Z', /closed on 2025-07-04: Independence Day; the next session is 2025-07-07/],
])('in a closed market of which nothing is known (%s) it ends and says why', async (start, why) => {
  const market = await openMarket({ start, speed: 1 })
  const { code, document, stderr } = await market.here(REPLAY, {
    env: { TAPELAKE__STREAM__REPLAY_WAIT_SECONDS: '0.5' },
  })
  expect(stderr).toMatch(/nothing came yet; the feed's clock shows .*, the market is closed/)
  expect(document).toMatchObject({ end: 'closed', cells: [], holes: [] })
  expect(document.reason).toMatch(/^nothing came within 0.5 s: /)
  expect(document.reason).toMatch(why)
  expect(code).toBe(0)
})

test('before the open it says that it waits for it, then records', async () => {
  let nowMs = Date.parse('2025-06-10T07:00:00Z')
  const market = await openMarket({ now: () => nowMs })
  const { code, document, stderr } = await market.here(REPLAY, {
    env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' },
    onOutput: (text) => {
      if (/waiting for the session of 2025-06-10 to open/.test(text))
        nowMs = Date.parse('2025-06-10T08:10:00Z')
    },
    signals: [{ after: /recording the session/, send: 'SIGTERM' }],
  })
  expect(stderr).toContain("the feed's clock shows 2025-06-10 07:00Z: waiting for the session of 2025-06-10")
  expect(document).toMatchObject({ end: 'interrupted', session: DATE })
  expect(code).toBe(143)
})

test.each([
  ['stream', 'equity_bars_1m'],
  ['stream-options', 'option_bars_1m'],
])('%s settles with REST a session that passed without an event', async (command, dataset) => {
  let nowMs = Date.parse('2025-06-10T12:59:30Z')
  const market = await openMarket({ now: () => nowMs, faults: ['silence:at=09:00,for=40000'] })
  if (command === 'stream-options') await discoverContracts(market.place, '0.003')
  const args = command === 'stream' ? REPLAY : `stream-options --date ${DATE} --ignore-hours`
  const { code, document } = await market.here(args, {
    onOutput: (text) => {
      if (/waiting for the session of 2025-06-10/.test(text)) nowMs = Date.parse('2025-06-11T00:30:00Z')
      else if (text.includes('connected')) nowMs = Date.parse('2025-06-10T13:00:30Z') // the silence has begun
    },
  })
  expect(document.cells).toMatchObject([{ dataset, date: DATE, state: 'complete', received: 0 }])
  expect(document.cells[0]!.rows).toBeGreaterThan(300)
  expect(document.end).toBe('session_over')
  expect(code).toBe(0)
})

test.each([
  ['at full speed, where its events jump', { speed: 'max' as const }],
  ['by the clock, while nothing comes', { speed: 6000, startOnSubscribe: true }],
])('a stall of twenty minutes is told in a replay %s', async (_name, pace) => {
  const market = await openMarket({
    ...{ ...pace, start: '2025-06-10T14:00:30Z', faults: ['silence:at=11:00,for=1200'] },
  })
  const { code, stderr } = await market.here(REPLAY)
  expect(stderr).toMatch(/no data for (1[5-9]|2\d) minutes of market time/)
  expect(stderr).toMatch(/data is back after (1[5-9]|2\d) minutes/)
  expect(code).toBe(0)
})
