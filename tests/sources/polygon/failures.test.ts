import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import {
  AuthenticationError,
  EntitlementError,
  InterruptedError,
  MalformedError,
  NetworkError,
  NotFoundError,
  RateLimitError,
  RequestRefusedError,
  ServerError,
  TimeoutError,
  VendorError,
} from '../../../src/core/errors.ts'
import { createRateLimiter } from '../../../src/core/rate-limit.ts'
import { retryPolicySchema } from '../../../src/core/retry.ts'
import type { PolygonSourceOptions } from '../../../src/sources/polygon/index.ts'
import { startVendorServer, type ScriptedAnswer, type VendorServer } from '../../support/vendor-server.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { aggregates, ask, KEY, never, quickRetries, rowsOf, sourceAt, wireBar } from './support.ts'

const open: VendorServer[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()))
})

const good: ScriptedAnswer = { body: aggregates([wireBar(1)]) }
const request = ask('equity_bars_1m')

async function serve(answers: readonly ScriptedAnswer[]): Promise<VendorServer> {
  const server = await startVendorServer(answers)
  open.push(server)
  return server
}

/** The error that reading from a server with `answers` ends in, and the number of requests it took. */
async function failure(answers: readonly ScriptedAnswer[], more: Partial<PolygonSourceOptions> = {}) {
  const server = await serve(answers)
  const error: unknown = await rowsOf(sourceAt(server.url, more), request).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  expectNoKey(error)
  return { error: error as VendorError, calls: server.requests.length, path: server.requests[0]?.url }
}

/** The key must not be found anywhere in an error, however one looks at it. */
function expectNoKey(error: unknown): void {
  expect(inspect(error, { depth: 10, showHidden: true, maxStringLength: null })).not.toContain(KEY)
  expect(JSON.stringify(error)).not.toContain(KEY)
  expect((error as Error).stack).not.toContain(KEY)
}

const refused = (status: number, text: object): ScriptedAnswer => ({
  status,
  body: { status: 'ERROR', request_id: 'id-7', ...text },
})

describe('an answer that is an error', () => {
  test('a 429 that asks for a long wait says for how long', async () => {
    const { error } = await failure([{ status: 429, headers: { 'retry-after': '7200' }, body: '' }])
    expect(error.message).toMatch(/^polygon answered 429 \(it asks to wait 120 min\)/)
  })

  test.each([
    [400, { error: "The parameter 'to' cannot be a time that occurs before 'from'" }, RequestRefusedError, 1],
    [401, { error: 'Unknown API Key' }, AuthenticationError, 1],
    [403, { message: 'You are not entitled to this data.' }, EntitlementError, 1],
    [404, { message: 'Data not found.' }, NotFoundError, 1],
    [408, { error: 'timeout' }, TimeoutError, 3],
    [429, { error: "You've exceeded the maximum requests per minute" }, RateLimitError, 3],
    [500, { error: 'internal' }, ServerError, 3],
    [503, { message: 'try later' }, ServerError, 3],
  ])('%i is thrown with the vendor’s words, the request and its id', async (status, words, kind, calls) => {
    const result = await failure([refused(status, words)])
    expect(result.error).toBeInstanceOf(kind)
    expect(result.calls).toBe(calls)
    const text = Object.values(words)[0]!
    expect(result.error.message).toContain(`polygon answered ${status}: ${text}`)
    expect(result.error).toMatchObject({
      status,
      requestId: 'id-7',
      request: result.path,
      vendorMessage: text,
    })
  })

  test('the id in the header counts before the one in the body', async () => {
    const answer = { ...refused(400, { error: 'x' }), headers: { 'X-Request-Id': 'head-1' } }
    expect((await failure([answer])).error.requestId).toBe('head-1')
  })

  test('a refused key says which settings hold it, a refused plan how to see what it covers', async () => {
    expect((await failure([refused(401, {})])).error.hint).toMatch(/POLYGON_API_KEY.*MASSIVE_API_KEY/)
    expect((await failure([refused(403, {})])).error.hint).toContain('doctor')
  })

  test.each([
    ['an HTML page', '<html><h1>502 Bad Gateway</h1></html>'],
    ['nothing', ''],
    ['JSON that is no object', '"overloaded"'],
    ['a huge body', `{"error":"${'x'.repeat(200_000)}"}`],
  ])('a 502 with %s is a server error all the same', async (_, body) => {
    const { error, calls } = await failure([{ status: 502, body }])
    expect(error).toBeInstanceOf(ServerError)
    expect(error.message).toBe('polygon answered 502 (after 3 attempts)')
    expect(calls).toBe(3)
  })

  test('the vendor’s words are one plain line of a bounded length', async () => {
    const words = `bad\u001b[31m thing\r\nhappened ${'x'.repeat(5000)}`
    const { error } = await failure([refused(400, { error: words })])
    expect(error.vendorMessage).toMatch(/^bad \[31m thing happened x+…$/)
    expect(error.message.length).toBeLessThan(500)
  })

  test('a redirect is not followed: the key stays with the host it was meant for', async () => {
    const other = await serve([good])
    const { error, calls } = await failure([{ status: 302, headers: { location: `${other.url}/v2/x` } }])
    expect(error).toBeInstanceOf(RequestRefusedError)
    expect(error.hint).toContain('sources.polygon.restUrl')
    expect({ calls, elsewhere: other.requests.length }).toEqual({ calls: 1, elsewhere: 0 })
  })

  test('a key that the vendor echoes is not repeated', async () => {
    const echo = `Unknown key ${KEY} in ?apiKey=${KEY} or Bearer ${KEY}`
    const headers = { 'x-request-id': KEY }
    const { error } = await failure([{ status: 401, headers, body: { error: echo, request_id: KEY } }])
    expect(error.message).toContain('Unknown key [redacted]')
    expect(error.vendorMessage).not.toContain(KEY)
  })
})

describe('what passes is tried again', () => {
  const transient: [string, ScriptedAnswer][] = [
    ['500', { status: 500 }],
    ['a reset connection', { write: (response) => response.socket?.resetAndDestroy() }],
    ['a connection closed without an answer', { write: (response) => response.socket?.destroy() }],
    ['a 200 with broken JSON', { body: '{"results":[{"o":1' }],
    [
      'a 200 with a page of HTML',
      { body: '<html>please log in</html>', headers: { 'content-type': 'text/html' } },
    ],
    ['an empty 200', { body: '' }],
    [
      'a body shorter than announced',
      {
        write: (response) => {
          response.writeHead(200, { 'content-length': 1000 })
          response.write('{"results":[')
          setImmediate(() => response.socket?.destroy())
        },
      },
    ],
    [
      'a compressed body that is cut',
      {
        write: (response) => {
          response.writeHead(200, { 'content-encoding': 'gzip' })
          response.end(gzipSync(JSON.stringify(aggregates([wireBar(1)]))).subarray(0, 60))
        },
      },
    ],
  ]

  test.each(transient)('after %s', async (_, answer) => {
    const server = await serve([answer, good])
    const source = sourceAt(server.url)
    expect(await rowsOf(source, request)).toHaveLength(1)
    expect(source.calls).toBe(2)
  })

  test.each(transient)(
    'but %s again and again is an error in the end, without the key',
    async (_, answer) => {
      const { error, calls } = await failure([answer])
      expect(error).toBeInstanceOf(VendorError)
      expect(error.message).toContain('(after 3 attempts)')
      expect(error.request).toContain('/v2/aggs/ticker/SPY')
      expect(calls).toBe(3)
    },
  )

  test('a compressed answer is read', async () => {
    const body = gzipSync(JSON.stringify(aggregates([wireBar(1)])))
    const server = await serve([{ headers: { 'content-encoding': 'gzip' }, body }])
    expect(await rowsOf(sourceAt(server.url), request)).toHaveLength(1)
  })

  test('a compressed answer in several parts is read, the last of them of any length', async () => {
    const text = JSON.stringify(aggregates(Array.from({ length: 2000 }, (_, i) => wireBar(i + 1))))
    for (const at of [1, 100, text.length - 1]) {
      const body = Buffer.concat([gzipSync(text.slice(0, at)), gzipSync(text.slice(at))])
      const server = await serve([{ headers: { 'content-encoding': 'gzip' }, body }])
      expect(await rowsOf(sourceAt(server.url), request)).toHaveLength(2000)
    }
  })

  test('a broken body says where it breaks and how long it was', async () => {
    const { error } = await failure([{ body: '{"results":[{"o":1,}]}' }])
    expect(error).toBeInstanceOf(MalformedError)
    expect(error.message).toMatch(/at byte 19 \(22 bytes, application\/json\)/)
  })

  test('a 429 waits as long as its Retry-After says, in seconds or until a date', async () => {
    for (const [header, seconds] of [
      ['7', 7],
      [new Date(Date.UTC(2030, 0, 1, 0, 0, 20)).toUTCString(), 20],
    ] as const) {
      const clock = new VirtualClock()
      const date = new Date(Date.UTC(2030, 0, 1)).toUTCString()
      const server = await serve([{ status: 429, headers: { 'retry-after': header, date } }, good])
      const retryPolicy = retryPolicySchema.parse({})
      const limiter = createRateLimiter({ callsPerMinute: 0, clock })
      await rowsOf(sourceAt(server.url, { clock, retryPolicy, limiter }), request)
      expect(clock.sleeps[0]).toBe(seconds * 1000)
    }
  })

  test('a 429 without one waits for the next minute', async () => {
    const clock = new VirtualClock(Date.UTC(2025, 0, 3, 15, 0, 50))
    const server = await serve([{ status: 429, body: '' }, good])
    const limiter = createRateLimiter({ callsPerMinute: 0, clock })
    await rowsOf(sourceAt(server.url, { clock, retryPolicy: retryPolicySchema.parse({}), limiter }), request)
    expect(clock.now()).toBeGreaterThanOrEqual(Date.UTC(2025, 0, 3, 15, 1, 0))
  })
})

describe('deadlines and aborts', () => {
  const timeouts = { connectMs: 5000, requestMs: 60 }
  const once = { ...quickRetries, timeout: { ...quickRetries.timeout, retries: 0 } }
  const silent: ScriptedAnswer = { write: () => undefined }
  const trickling: ScriptedAnswer = {
    write: (response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(timer))
    },
  }

  test.each([
    ['is silent', silent],
    ['never ends its body', trickling],
  ])('a vendor that %s is a timeout of the whole request', async (_, answer) => {
    const { error } = await failure([answer], { timeouts, retryPolicy: once })
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toContain('no whole answer within 60 ms')
  })

  test('a timeout is tried again', async () => {
    const server = await serve([silent, good])
    const slow = { connectMs: 5000, requestMs: 300 }
    expect(await rowsOf(sourceAt(server.url, { timeouts: slow }), request)).toHaveLength(1)
  })

  test('a host that accepts but never completes the TLS handshake is a timeout of the connection', async () => {
    const mute = createServer(() => undefined)
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as { port: number }
    const options = { timeouts: { connectMs: 50, requestMs: 20_000 }, retryPolicy: once }
    const source = sourceAt(`https://127.0.0.1:${port}`, options)
    const error: unknown = await rowsOf(source, request).catch((thrown: unknown) => thrown)
    mute.close()
    expect(error).toBeInstanceOf(TimeoutError)
    expect((error as Error).message).toContain('no connection within 50 ms')
    expectNoKey(error)
  })

  test('nobody listening is a network error that says where to look', async () => {
    const closed = await startVendorServer([good])
    await closed.close()
    const error: unknown = await rowsOf(sourceAt(closed.url), request).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NetworkError)
    expect((error as NetworkError).hint).toContain('sources.polygon.restUrl')
    expect((error as Error).message).toContain('ECONNREFUSED')
    expectNoKey(error)
  })

  test.each([
    ['waiting for an answer', silent],
    ['in the middle of a body', trickling],
  ])('an abort while %s ends the request at once', async (_, answer) => {
    const controller = new AbortController()
    const server = await serve([
      {
        write: (response, incoming) => (
          answer.write!(response, incoming),
          setTimeout(() => controller.abort(), 20)
        ),
      },
    ])
    const source = sourceAt(server.url, { timeouts: { connectMs: 5000, requestMs: 3_600_000 } })
    const reading = source.read(request, controller.signal)[Symbol.asyncIterator]().next()
    await expect(reading).rejects.toThrow(InterruptedError)
  })

  test('an abort ends the wait before a retry and the wait for the budget', async () => {
    const hour = retryPolicySchema.parse({ server: { baseMs: 3_600_000, maxMs: 3_600_000 } })
    const controller = new AbortController()
    const server = await serve([{ status: 500 }])
    const retrying = sourceAt(server.url, {
      retryPolicy: hour,
      events: { onRetry: () => void setImmediate(() => controller.abort()) },
    })
    await expect(retrying.read(request, controller.signal)[Symbol.asyncIterator]().next()).rejects.toThrow(
      InterruptedError,
    )

    const limiter = createRateLimiter({ callsPerMinute: 1 })
    await limiter.run(async () => undefined, never)
    const second = new AbortController()
    const events = { onWait: () => void setImmediate(() => second.abort()) }
    const waiting = sourceAt(server.url, { limiter, events })
    await expect(waiting.read(request, second.signal)[Symbol.asyncIterator]().next()).rejects.toThrow(
      InterruptedError,
    )
    expect(waiting.calls).toBe(0)
  })

  test('once the patience is over, requests that need not wait still run and those that must wait end', async () => {
    const patience = AbortSignal.abort(new InterruptedError('no more waiting'))
    const server = await serve([good])
    expect(await rowsOf(sourceAt(server.url, { patience }), request)).toHaveLength(1)

    const hour = retryPolicySchema.parse({ server: { baseMs: 3_600_000, maxMs: 3_600_000 } })
    const retrying = await failure([{ status: 500 }], { patience, retryPolicy: hour })
    expect(retrying).toMatchObject({ calls: 1, error: { message: 'no more waiting' } })

    const limiter = createRateLimiter({ callsPerMinute: 1 })
    await limiter.run(async () => undefined, never)
    const queued = await failure([good], { patience, limiter })
    expect(queued).toMatchObject({ calls: 0, error: { message: 'no more waiting' } })
  })

  test('without a key nothing is sent', async () => {
    for (const apiKey of [undefined, '']) {
      const { error, calls } = await failure([good], { apiKey })
      expect(error).toBeInstanceOf(AuthenticationError)
      expect(error.hint).toContain('--source simulator')
      expect(calls).toBe(0)
    }
  })
})
