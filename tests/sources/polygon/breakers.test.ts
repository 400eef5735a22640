import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  InterruptedError,
  NotFoundError,
  RateLimitError,
  ServerError,
  TimeoutError,
} from '../../../src/core/errors.ts'
import { retryPolicySchema } from '../../../src/core/retry.ts'
import { Breakers, type BreakerEvent } from '../../../src/sources/polygon/breakers.ts'
import { endpointFamily } from '../../../src/sources/polygon/endpoints.ts'
import { startVendorServer, type VendorServer } from '../../support/vendor-server.ts'
import { ask, never, quickRetries, rowsOf, sourceAt } from './support.ts'

const servers: VendorServer[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const server of servers.splice(0)) await server.close()
})

async function serve(script: Parameters<typeof startVendorServer>[0]): Promise<VendorServer> {
  const server = await startVendorServer(script)
  servers.push(server)
  return server
}

function breakers(more: { openMs?: number; maxWaitMs?: number; events?: BreakerEvent[] } = {}): Breakers {
  return new Breakers({
    ...{ host: 'vendor', failures: 3, openMs: more.openMs ?? 40, maxWaitMs: more.maxWaitMs ?? 2000 },
    retryPolicy: retryPolicySchema.parse({}),
    onChange: (event) => more.events?.push(event),
  })
}

const fail = (error: Error) => () => Promise.reject(error)

async function breakIt(set: Breakers): Promise<void> {
  for (let i = 0; i < 3; i++)
    await expect(set.run('trades', fail(new ServerError('no')), never)).rejects.toThrow('no')
}

describe('a circuit breaker', () => {
  test('opens after failures in a row, lets one try, closes when it goes well; work waits and is not lost', async () => {
    const events: BreakerEvent[] = []
    const set = breakers({ events })
    await breakIt(set)
    expect(events).toEqual([{ host: 'vendor', endpoint: 'trades', state: 'open' }])
    let atOnce = 0
    let most = 0
    const work = async (): Promise<string> => {
      most = Math.max(most, ++atOnce)
      await new Promise((resolve) => setTimeout(resolve, events.length < 3 ? 20 : 0))
      atOnce--
      return events.map(({ state }) => state).join()
    }
    const results = await Promise.all([1, 2, 3].map(() => set.run('trades', work, never)))
    const trials = results.filter((seen) => seen === 'open,half_open')
    expect(trials).toHaveLength(1)
    expect(results.filter((seen) => seen === 'open,half_open,closed')).toHaveLength(2)
    expect(most).toBeLessThanOrEqual(2)
  })

  test('opens again when the trial fails, and counts anew after a success', async () => {
    const events: BreakerEvent[] = []
    const set = breakers({ events })
    await breakIt(set)
    await expect(set.run('trades', fail(new TimeoutError('late')), never)).rejects.toThrow('late')
    expect(events.map(({ state }) => state)).toEqual(['open', 'half_open', 'open'])
    await set.run('trades', () => Promise.resolve(1), never)
    await expect(set.run('trades', fail(new ServerError('no')), never)).rejects.toThrow('no')
    expect(events.at(-1)!.state).toBe('closed')
  })

  test('does not mind refusals that are no trouble of the vendor, nor other endpoints', async () => {
    const events: BreakerEvent[] = []
    const set = breakers({ events })
    for (let i = 0; i < 5; i++) {
      await expect(set.run('trades', fail(new NotFoundError('404')), never)).rejects.toThrow('404')
      await expect(set.run('trades', fail(new RateLimitError('429')), never)).rejects.toThrow('429')
    }
    await breakIt(set)
    expect(await set.run('quotes', () => Promise.resolve('fine'), never)).toBe('fine')
    expect(events).toHaveLength(1)
  })

  test('bounds the wait, and ends it when nobody wants to wait any more', async () => {
    const set = breakers({ openMs: 60_000, maxWaitMs: 1 })
    const impatient = breakers({ openMs: 60_000, maxWaitMs: 60_000 })
    await breakIt(impatient)
    const patience = new AbortController()
    const waiting = impatient.run('trades', () => Promise.resolve(1), patience.signal)
    patience.abort(new InterruptedError('enough'))
    await expect(waiting).rejects.toThrow('enough')
    // the wait of a retry, 8 s, bounds the time that it stays open
    await breakIt(set)
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    const refused = expect(set.run('trades', () => Promise.resolve(1), never)).rejects.toThrow(
      'vendor fails: the circuit breaker of trades was open',
    )
    await vi.advanceTimersByTimeAsync(9000)
    await refused
  })

  test('is not kept open by a wall clock that is set back', async () => {
    const events: BreakerEvent[] = []
    const set = breakers({ openMs: 8000, maxWaitMs: 60_000, events })
    vi.useFakeTimers({ now: 1_700_000_000_000 })
    await breakIt(set)
    vi.setSystemTime(1_600_000_000_000)
    const run = set.run('trades', () => Promise.resolve('through'), never)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await run).toBe('through')
    expect(events.at(-1)!.state).toBe('closed')
  })
})

describe('requests behind a breaker', () => {
  test('are all answered once the vendor is back', async () => {
    const server = await serve((_, index) => (index < 5 ? { status: 503 } : { body: { results: [] } }))
    const events: string[] = []
    const source = sourceAt(server.url, {
      breakers: new Breakers({
        ...{
          host: 'vendor',
          failures: 3,
          openMs: 30,
          maxWaitMs: 2000,
          retryPolicy: retryPolicySchema.parse({}),
        },
        onChange: ({ state }) => events.push(state),
      }),
      retryPolicy: retryPolicySchema.parse({
        ...quickRetries,
        server: { ...quickRetries.server, retries: 9 },
      }),
    })
    expect(await rowsOf(source, ask('equity_bars_1m'))).toEqual([])
    expect(events.at(-1)).toBe('closed')
    expect(events).toContain('half_open')
  })

  test('give up sooner at the first attempt than at the last', async () => {
    const waits: string[] = []
    const server = await serve(() => ({ write: () => undefined }))
    const source = sourceAt(server.url, {
      timeouts: { connectMs: 5000, requestMs: 70, firstRequestMs: 20 },
      events: { onFailure: ({ error }) => waits.push((error as Error).message) },
    })
    await expect(rowsOf(source, ask('equity_bars_1m'))).rejects.toThrow(TimeoutError)
    expect(waits.map((text) => /within (\d+) ms/.exec(text)?.[1])).toEqual(['20', '40', '70'])
  })
})

test.each([
  ['/v2/aggs/ticker/SPY/range/1/minute/2025-01-02/2025-01-03?limit=50000', 'aggregates'],
  ['/v2/aggs/grouped/locale/us/market/stocks/2025-01-02', 'grouped_daily'],
  ['/v3/reference/options/contracts?underlying_ticker=SPY', 'option_contracts'],
  ['/v3/reference/splits?ticker=SPY', 'corporate_actions'],
  ['/v9/anything', 'other'],
])('%s belongs to %s', (path, family) => expect(endpointFamily(path)).toBe(family))
