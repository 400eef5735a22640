import { describe, expect, test, vi } from 'vitest'
import { AuthenticationError, InterruptedError, LockedError } from '../../src/core/errors.ts'
import { WANTED } from '../../src/lake/series-contract.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { envelope, minuteBars, REFUSALS, type BarRequest, type WireBar } from '../support/bar-vendor.ts'
import { freshFolder } from '../support/cli.ts'
import type { ScriptedAnswer } from '../support/vendor-server.ts'
import { filesBelow, record, sourceAt, vendor, type RecordOptions } from './record.ts'

const WEEK = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06']
/** Five work items of minute bars. */
const YEAR = { from: '2024-06-03', to: '2025-06-06' }

/** A vendor whose answers to requests for minute bars are those of `script`, in order; then it is well again. */
async function vendorWith(...script: readonly (ScriptedAnswer | undefined)[]) {
  return await vendor({
    instead: ({ timespan, index }) => (timespan === 'minute' ? script[index] : undefined),
  })
}
const recordFrom = async (server: { url: string }, options: Partial<RecordOptions> = {}) =>
  await record({ source: sourceAt(server.url), ...options })

describe('a vendor in trouble', () => {
  const reset: ScriptedAnswer = { write: (response) => response.destroy() }
  const cut: ScriptedAnswer = {
    write: (response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('{"ticker":"SPY","results":[')
      setTimeout(() => response.destroy(), 20)
    },
  }
  test.each<[string, ScriptedAnswer]>([
    ['a fault of its own', { status: 500, body: { status: 'ERROR', error: 'internal' } }],
    [
      'a page of its proxy',
      { status: 502, body: '<html>bad gateway</html>', headers: { 'content-type': 'text/html' } },
    ],
    ['a reset connection', reset],
    ['a body cut short', cut],
    ['broken JSON', { body: '{"status":"OK","results":[{"t":17488' }],
    ['too many requests', { status: 429, body: { status: 'ERROR', error: 'slow down' } }],
    ['too many requests, with a wait', { status: 429, headers: { 'retry-after': '0' }, body: {} }],
  ])('%s: the request is sent again and the session completed', async (_, trouble) => {
    const run = await recordFrom(await vendorWith(trouble, trouble))
    expect(WEEK.map((date) => run.cells[date])).toEqual(WEEK.map(() => 'complete'))
    expect(run).toMatchObject({ rows: 15, calls: 3, exitCode: 0 })
  })

  test.each<[string, ScriptedAnswer, RegExp]>([
    ['down', { status: 503, body: {} }, /^server: polygon answered 503.*after 3 attempts/],
    ['out of reach', reset, /^network: .*after 3 attempts/],
    ['sending what is no JSON', { body: '{"status":"OK","results":[' }, /^malformed: .*after 3 attempts/],
    ['refusing the request', { status: 400, body: { error: 'bad ticker' } }, /^validation: .*bad ticker/],
    ['always busy', { status: 429, body: {} }, /^rate_limit: .*after 3 attempts/],
  ])(
    '%s: the sessions have failed, with the kind of failure; the next run completes them',
    async (_, trouble, reason) => {
      const run = await recordFrom(await vendor({ instead: () => trouble }))
      expect(run.outcome.ledger.cells[WEEK[0]!]).toMatchObject({ state: 'failed', rows: 0 })
      expect(run.outcome.ledger.cells[WEEK[0]!]!.reason).toMatch(reason)
      expect(run).toMatchObject({ rows: 0, failures: 1, exitCode: 1 })
      const next = await recordFrom(await vendor(), { root: run.root })
      expect(next).toMatchObject({ rows: 15, calls: 1, exitCode: 0 })
    },
  )

  test('is left alone after three failures in a row, and the sessions not asked for say so', async () => {
    const server = await vendor({ instead: () => ({ status: 400, body: {} }) })
    const run = await recordFrom(server, YEAR)
    expect(server.requests).toHaveLength(3)
    expect(run.outcome.ledger.cells['2024-06-03']).toMatchObject({ state: 'missing', reason: WANTED })
    expect(run.sessions[0]).toMatchObject({
      state: 'missing',
      reason: 'not asked for: 3 requests in a row failed (validation)',
    })
    expect(run.exitCode).toBe(1)
  })

  test('is asked on when a request in between succeeds', async () => {
    const bad = { status: 400, body: {} }
    const server = await vendorWith(bad, bad, undefined, bad, bad)
    const run = await recordFrom(server, YEAR)
    expect(run).toMatchObject({ failures: 4, exitCode: 3 })
    expect(run.outcome.stopped).toBeUndefined()
  })

  test('does not cost what was recorded before, when it is forced to be asked again', async () => {
    const { root } = await recordFrom(await vendor())
    const run = await recordFrom(await vendor({ instead: () => ({ status: 503, body: {} }) }), {
      root,
      force: true,
    })
    expect(run.sessions.map(({ state, rows }) => [state, rows])).toEqual(WEEK.map(() => ['complete', 3]))
    expect(run).toMatchObject({ failures: 1, exitCode: 3 })
  })

  test('a refused key ends the run at once, and settles nothing', async () => {
    const server = await vendor({ instead: () => REFUSALS.key })
    const run = await recordFrom(server, YEAR)
    expect(run.outcome.fatal).toBeInstanceOf(AuthenticationError)
    expect(run.outcome.ledger.cells).toEqual({})
    expect(server.requests).toHaveLength(1)
  })

  test('a key that is refused half-way ends the run too; what was committed stays', async () => {
    const server = await vendorWith(undefined, REFUSALS.key)
    const run = await recordFrom(server, YEAR)
    expect(run.outcome.fatal).toBeInstanceOf(AuthenticationError)
    expect(run.cells['2025-06-06']).toBe('complete')
    expect(run.cells['2024-06-03']).toBe('missing')
  })
})

describe('pages', () => {
  const days = (request: BarRequest) =>
    calendarOf('XNYS')
      .between(request.from, request.to)
      .map(({ date }) => minuteBars(date))
  const page = (rows: readonly WireBar[], next?: string): ScriptedAnswer => ({
    body: envelope(
      'SPY',
      rows,
      next
        ? {
            next_url: `https://api.polygon.io/v2/aggs/ticker/SPY/range/1/minute/2025-06-02/2025-06-06?cursor=${next}`,
          }
        : {},
    ),
  })
  /** Serves the week in pages, given by the days in each; asked for again, they come again. */
  const paged = async (...pages: readonly (readonly number[])[]) =>
    await vendor({
      instead: (request) => {
        if (request.timespan !== 'minute') return undefined
        const at = Number(new URL(request.url, 'http://vendor').searchParams.get('cursor') ?? 0)
        const rows = pages[at]!.flatMap((day) => days(request)[day]!)
        return page(rows, at + 1 < pages.length ? String(at + 1) : undefined)
      },
    })

  test.each<[string, readonly (readonly number[])[], number]>([
    ['in order', [[0, 1], [2, 3], [4]], 0],
    ['in another order', [[4], [0, 1], [2, 3]], 0],
    [
      'in reverse within a page',
      [
        [4, 3],
        [2, 1, 0],
      ],
      0,
    ],
    ['one of them twice', [[0, 1], [0, 1], [2, 3], [4]], 6],
    [
      'overlapping',
      [
        [0, 1, 2],
        [2, 3, 4],
      ],
      3,
    ],
    ['the last of them empty', [[0, 1, 2, 3, 4], []], 0],
  ])('%s: every row is recorded once', async (_, pages, duplicates) => {
    const run = await recordFrom(await paged(...pages))
    expect(run).toMatchObject({ rows: 15, duplicates, exitCode: 0, calls: pages.length })
    expect(run.sessions.map(({ rows }) => rows)).toEqual([3, 3, 3, 3, 3])
  })

  test('that lead back to themselves end the request with an error, and nothing of it is recorded', async () => {
    const server = await vendor({
      instead: (request) => (request.timespan === 'minute' ? page(days(request).flat(), 'again') : undefined),
    })
    const run = await recordFrom(server)
    expect(run.outcome.ledger.cells[WEEK[0]!]).toMatchObject({ state: 'failed' })
    expect(run.outcome.ledger.cells[WEEK[0]!]!.reason).toMatch(/next_url does not advance/)
    expect(filesBelow(run.root).filter((path) => path.endsWith('.parquet'))).toEqual([])
    expect(server.requests).toHaveLength(2)
  })

  test('the last value wins where the vendor sends a row twice with different values', async () => {
    const server = await vendor({
      instead: ({ timespan }) =>
        timespan === 'minute'
          ? {
              body: envelope(
                'SPY',
                minuteBars(WEEK[0]!).flatMap((one) => [one, { ...one, v: 999 }]),
              ),
            }
          : undefined,
    })
    const run = await recordFrom(server, { to: WEEK[0]! })
    expect(run).toMatchObject({ rows: 3, duplicates: 3 })
  })
})

describe('a run that is told to stop', () => {
  test('before it began asks for nothing', async () => {
    const server = await vendor()
    await expect(recordFrom(server, { graceful: AbortSignal.abort() })).rejects.toThrow(InterruptedError)
    expect(server.requests).toEqual([])
  })

  test('finishes the item in hand and begins no other', async () => {
    const stop = new AbortController()
    const server = await vendor({
      instead: () => {
        stop.abort(new InterruptedError('interrupted by SIGINT'))
        return undefined
      },
    })
    const run = await recordFrom(server, { ...YEAR, graceful: stop.signal })
    expect(run.calls).toBe(1)
    expect(run.outcome.stopped).toBe('interrupted')
    expect(run.cells).toMatchObject({ '2025-06-06': 'complete', '2024-06-03': 'missing' })
    const rest = await recordFrom(await vendor(), { ...YEAR, root: run.root })
    expect(rest.exitCode).toBe(0)
    expect(rest.rows + run.rows).toBe(3 * rest.sessions.length)
  })

  test('at once drops the item in hand, keeps what was committed, and leaves no file half-written', async () => {
    const stop = new AbortController()
    const server = await vendor({
      instead: ({ index }) => {
        if (index < 1) return undefined
        return { write: () => stop.abort(new InterruptedError('interrupted by SIGINT')) } // never answers
      },
    })
    const run = await recordFrom(server, { ...YEAR, immediate: stop.signal })
    expect(run.outcome).toMatchObject({ stopped: 'interrupted' })
    expect(run.outcome.fatal).toBeUndefined()
    expect(run.cells).toMatchObject({ '2025-06-06': 'complete', '2024-06-03': 'missing' })
    expect(filesBelow(run.root).filter((path) => path.endsWith('.tmp'))).toEqual([])
    expect(await recordFrom(await vendor(), { ...YEAR, root: run.root })).toMatchObject({ exitCode: 0 })
  })
})

describe('a series', () => {
  test('takes one writer at a time; the second is told who holds it, and may wait', async () => {
    const root = freshFolder()
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => (answer = resolve))
    const server = await vendor({
      instead: ({ index, from }) => {
        const body = JSON.stringify(envelope('SPY', minuteBars(from)))
        return index === 0 ? { write: (response) => void asked.then(() => response.end(body)) } : undefined
      },
    })
    const first = recordFrom(server, { root, to: WEEK[0]! })
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), { timeout: 10_000 })
    const refused = recordFrom(server, { root, to: WEEK[0]! })
    await expect(refused).rejects.toThrow(LockedError)
    await expect(refused).rejects.toThrow(/backfill of SPY equity_bars_1m/)
    const waiting = recordFrom(server, { root, to: WEEK[0]!, lockWaitMs: 20_000 })
    answer()
    expect(await first).toMatchObject({ rows: 3 })
    expect(await waiting).toMatchObject({ calls: 0, exitCode: 0 })
  })

  test('that another writer holds is not waited for any longer when the run is told to stop', async () => {
    const root = freshFolder()
    const stop = new AbortController()
    const held = new AbortController()
    const server = await vendor({ instead: () => ({ write: () => undefined }) }) // never answers
    const first = recordFrom(server, { root, immediate: held.signal })
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), { timeout: 10_000 })
    const waiting = recordFrom(server, { root, lockWaitMs: 600_000, graceful: stop.signal })
    setTimeout(() => stop.abort(new InterruptedError('interrupted by SIGINT')), 50)
    await expect(waiting).rejects.toThrow(/interrupted|aborted/)
    held.abort(new InterruptedError('enough'))
    expect(await first).toMatchObject({ rows: 0 })
  })

  test('is recorded the same whatever number of requests is under way at once', async () => {
    const one = await recordFrom(await vendor(), { ...YEAR, concurrency: 1 })
    const many = await recordFrom(await vendor(), { ...YEAR, concurrency: 5 })
    const digests = (run: typeof one) =>
      Object.fromEntries(Object.entries(run.outcome.ledger.cells).map(([date, { digest }]) => [date, digest]))
    expect(digests(many)).toEqual(digests(one))
    expect(many.rows).toBe(one.rows)
  })

  test('tells watchers of its plan, of every item, and of what it had to mend', async () => {
    const heard: string[] = []
    const { outcome } = await recordFrom(await vendor(), {
      hooks: {
        onPlan: ({ calls }) => heard.push(`plan of ${calls}`),
        onItem: ({ ticker }, { from }, { rows }) => heard.push(`${ticker} from ${from}: ${rows} rows`),
      },
    })
    expect(heard).toEqual(['plan of 1', 'SPY from 2025-06-02: 15 rows'])
    expect(outcome.failures).toBe(0)
  })
})
