import { afterEach, describe, expect, test } from 'vitest'
import { AuthenticationError, InterruptedError, MalformedError } from '../../../src/core/errors.ts'
import { PROBES, probeClock, probePlan } from '../../../src/sources/polygon/probe.ts'
import { startVendorServer, type Script, type VendorServer } from '../../support/vendor-server.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { KEY, never, optionsFor } from './support.ts'

let server: VendorServer | undefined
const serve = async (script: Script) => (server = await startVendorServer(script)).url
afterEach(() => server?.close())

const clock = new VirtualClock(Date.UTC(2025, 5, 18, 16))

describe('probing the plan', () => {
  test('asks one cheap request for each kind of data', async () => {
    const url = await serve(() => ({ body: { status: 'OK' } }))
    const results = await probePlan({ ...optionsFor(url), clock }, PROBES, never)
    expect(results).toEqual(PROBES.map((name) => ({ name, ok: true, notEntitled: false })))
    expect(server!.requests.map((request) => request.url)).toEqual([
      '/v2/aggs/ticker/SPY/range/1/minute/2025-06-11/2025-06-11?adjusted=false&limit=1',
      '/v2/aggs/ticker/SPY/range/1/minute/2020-06-19/2020-06-19?adjusted=false&limit=1',
      '/v2/aggs/ticker/SPY/range/1/second/2025-06-11/2025-06-11?adjusted=false&limit=1',
      '/v3/trades/SPY?timestamp=2025-06-11&limit=1',
      '/v3/quotes/SPY?timestamp=2025-06-11&limit=1',
      '/v2/snapshot/locale/us/markets/stocks/tickers/SPY',
      '/v3/snapshot/options/SPY?limit=1',
      '/v2/aggs/ticker/I%3ASPX/range/1/minute/2025-06-11/2025-06-11?limit=1',
    ])
  })

  test('tells what the plan does not cover from what is broken', async () => {
    const url = await serve(({ url: path }) => {
      if (path.includes('/trades/'))
        return { status: 403, body: { message: 'You are not entitled to this data.' } }
      return path.includes('/quotes/') ? { status: 500 } : { body: {} }
    })
    const results = await probePlan(optionsFor(url), ['minute_bars', 'trades', 'quotes'], never)
    expect(results).toMatchObject([
      { name: 'minute_bars', ok: true },
      { name: 'trades', ok: false, notEntitled: true },
      { name: 'quotes', ok: false, notEntitled: false },
    ])
    expect(results[1]!.reason).toContain('You are not entitled to this data.')
  })

  test('a refused key ends it at once', async () => {
    const url = await serve(() => ({ status: 401, body: { error: `Unknown API Key ${KEY}` } }))
    const probing = probePlan(optionsFor(url), PROBES, never)
    await expect(probing).rejects.toThrow(AuthenticationError)
    await expect(probing).rejects.not.toThrow(KEY)
    expect(server!.requests).toHaveLength(1)
  })

  test('so does an abort', async () => {
    const url = await serve(() => ({ body: {} }))
    await expect(probePlan(optionsFor(url), PROBES, AbortSignal.abort())).rejects.toThrow(InterruptedError)
  })
})

describe('probing the clock', () => {
  test('tells how far the vendor’s clock is from ours, and the state of the market', async () => {
    const url = await serve(() => ({ body: { market: 'open', serverTime: '2025-06-18T12:05:00-04:00' } }))
    const { serverMs, skewMs, market } = await probeClock({ ...optionsFor(url), clock }, never)
    expect(serverMs).toBe(Date.UTC(2025, 5, 18, 16, 5))
    expect(Math.abs(skewMs - 5 * 60_000)).toBeLessThan(60_000)
    expect(market).toBe('open')
  })

  test.each([{}, { serverTime: 'now' }, { serverTime: 5 }])(
    'an answer without a time is refused: %j',
    async (body) => {
      const url = await serve(() => ({ body }))
      await expect(probeClock(optionsFor(url), never)).rejects.toThrow(MalformedError)
    },
  )
})
