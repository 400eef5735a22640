import { describe, expect, test } from 'vitest'
import { DATE, openMarket } from './stream-world.ts'

const STREAM = 'stream --ticker SPY --ignore-hours'

describe('a whole session', () => {
  test('is in the lake as REST has it, row for row', async () => {
    const spy = await openMarket()
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
    const spy = await openMarket({ faults: [fault] })
    const { code, document } = await spy.run(STREAM)
    expect(document.holes.map((hole) => hole.cause)).toContain(cause)
    expect(document.holes.every(({ closed, rows }) => closed !== null && rows > 0)).toBe(true)
    expect(code).toBe(0)
    expect(await spy.place.rows()).toEqual(await spy.truth())
  })
})
