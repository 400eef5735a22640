import { expect, test } from 'vitest'
import { DATE, discoverContracts, openMarket } from './stream-world.ts'

test('more contracts than one connection may have are refused, with the way out', async () => {
  const market = await openMarket({ env: { TAPELAKE__STREAM__MAX_CONTRACTS: '3' } })
  await market.place.run(`discover --date ${DATE}`, { env: { TAPELAKE_NOW: '2025-06-10T14:00:00Z' } })
  const { code, stderr } = await market.here(`stream-options --date ${DATE} --ignore-hours`)
  expect(code).toBe(2)
  expect(stderr).toMatch(/more than one connection may have \(3\)[^]*--strike-range/)
})

test.each([
  ['2025-06-11T12:00:00Z', 'the day after'],
  ['2025-06-11T00:30:00Z', 'in the evening, when the next session of the options exchange has begun'],
])('contracts of a day that is over (%s) are not recorded: %s', async (now) => {
  const market = await openMarket()
  await discoverContracts(market.place, '0.003')
  const { code, document } = await market.here(`stream-options --date ${DATE}`, {
    env: { TAPELAKE_NOW: now },
  })
  expect(code).toBe(0)
  expect(document).toMatchObject({ end: 'closed', cells: [] })
  expect(document.reason).toMatch(/the session of 2025-06-10 is over/)
})

test('those of a fund, joined in the morning before the open, miss nothing of the night', async () => {
  const market = await openMarket({ start: '2025-06-10T12:00:00Z' })
  await discoverContracts(market.place, '0.003')
  const { code, document } = await market.here(`stream-options --date ${DATE} --ignore-hours`)
  expect(code).toBe(0)
  expect(document.holes).toEqual([])
  expect(document.cells).toMatchObject([{ ticker: 'SPY', date: DATE, state: 'complete' }])
})
