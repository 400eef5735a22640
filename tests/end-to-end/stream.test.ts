import { afterEach, describe, expect, test } from 'vitest'
import { DATE, Market, type MarketOptions } from './stream-world.ts'

const open: Market[] = []
afterEach(async () => {
  for (const market of open.splice(0)) await market.close()
})

async function market(options: MarketOptions = {}): Promise<Market> {
  const opened = await Market.open(options)
  open.push(opened)
  return opened
}

const STREAM = 'stream --ticker SPY --ignore-hours'

describe('a whole session', () => {
  test('is in the lake as REST has it, row for row', async () => {
    const spy = await market()
    const { code, document, stderr } = await spy.run(STREAM)
    expect(stderr).not.toContain('rror')
    expect(code).toBe(0)
    expect(document.schema).toEqual({ name: 'tapelake.stream', version: 1 })
    expect(document).toMatchObject({ end: 'session_over', session: DATE, holes: [], reconnects: 0 })
    expect(document.cells).toMatchObject([{ ticker: 'SPY', date: DATE, state: 'complete' }])
    expect(document.rows).toBeGreaterThan(900)
    expect(await spy.place.rows()).toEqual(await spy.truth())
  })

  test.each([
    ['a connection that is cut', 'cut:at=10:30,for=300', 'cut'],
    ['a clean close', 'close:at=11:00,for=120', 'clean_close'],
    ['silence on an open connection', 'silence:at=13:00,for=600', 'quiet'],
  ])('is whole after %s, and the hole is named and closed', async (_name, fault, cause) => {
    const spy = await market({ faults: [fault] })
    const { code, document } = await spy.run(STREAM)
    expect(document.holes.map((hole) => hole.cause)).toContain(cause)
    expect(document.holes.every(({ closed }) => closed !== null)).toBe(true)
    expect(code).toBe(0)
    expect(await spy.place.rows()).toEqual(await spy.truth())
  })
})
