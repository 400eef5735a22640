import { describe, expect, test } from 'vitest'
import { bars, get, getAll, minutes, simulate } from './support.ts'

const simulator = await simulate()
const ok = async (path: string) => (await get(simulator, path)).body

describe('aggregates on the wire', () => {
  test('have the envelope of the vendor and say that they are synthetic', async () => {
    const { status, headers, body } = await get(
      simulator,
      bars('AAPL', '1/day', '2025-01-02', '2025-01-10', 'limit=2'),
    )
    expect(status).toBe(200)
    expect(headers.get('x-tapelake-simulator')).toBe('seed=1')
    expect(headers.get('x-request-id')).toBe(body['request_id'])
    expect(body).toMatchObject({
      ticker: 'AAPL',
      queryCount: 2,
      resultsCount: 2,
      count: 2,
      adjusted: true,
      status: 'OK',
    })
    expect(body.results!.map(({ t }) => new Date(t).toISOString())).toEqual([
      '2025-01-02T05:00:00.000Z',
      '2025-01-03T05:00:00.000Z',
    ])
  })

  test('lead to the next page with an absolute URL that holds no key and the range that is left', async () => {
    const { next_url: next } = await ok(
      `${bars('AAPL', '1/day', '2020-01-01', '2020-01-10', 'limit=2')}&apiKey=a-key`,
    )
    expect(next).toMatch(
      new RegExp(`^${simulator.url}/v2/aggs/ticker/AAPL/range/1/day/1578114000000/2020-01-10\\?cursor=`),
    )
    expect(next).not.toContain('a-key')
    const cursor = Buffer.from(new URL(next!).searchParams.get('cursor')!, 'base64url').toString()
    expect(cursor).toBe('limit=2&sort=asc')
  })

  test('leave results out of an empty answer', async () => {
    for (const path of [minutes('SPY', '2025-01-04', '2025-01-05'), minutes('NOSUCH', '2025-01-03')]) {
      const { status, body } = await get(simulator, path)
      expect(status).toBe(200)
      expect(body).toMatchObject({ queryCount: 0, resultsCount: 0, status: 'OK' })
      expect(body).not.toHaveProperty('results')
      expect(body).not.toHaveProperty('next_url')
    }
  })

  test('count base aggregates against the limit: 120 minutes make two hours', async () => {
    const page = await ok(bars('SPY', '1/hour', '1735914600000', '2025-01-03', 'limit=120'))
    expect(page['queryCount']).toBe(120)
    expect(page['resultsCount']).toBe(2)
    expect(page.next_url).toBeDefined()
  })

  test('give a long bar whole even where it needs more than the limit', async () => {
    const whole = await getAll(simulator, bars('SPY', '1/hour', '2025-01-03'))
    expect(
      await getAll(simulator, bars('SPY', '1/hour', '2025-01-03', '2025-01-03', 'limit=1&adjusted=false')),
    ).toEqual(whole)
  })

  test('take 5000 as the default limit and 50000 as the largest', async () => {
    expect((await ok(minutes('SPY', '2025-01-02', '2025-03-31', ''))).results!.length).toBe(5000)
    expect((await ok(minutes('SPY', '2025-01-02', '2025-03-31', 'limit=50000'))).results!.length).toBe(50_000)
  })

  test.each(['1/minute', '7/minute', '4/hour', '1/day', '3/day', '1/week', '1/month', '1/quarter'])(
    'are the same newest first: %s',
    async (span) => {
      const query = 'adjusted=false&limit=400'
      const up = await getAll(simulator, bars('AAPL', span, '2025-01-02', '2025-01-08', query))
      const down = await getAll(
        simulator,
        bars('AAPL', span, '2025-01-02', '2025-01-08', `${query}&sort=desc`),
      )
      expect(down).toEqual(up.toReversed())
      expect(up.length).toBeGreaterThan(0)
    },
  )

  test('snap the range outwards to whole windows', async () => {
    const from = Date.parse('2025-01-03T15:02:30Z')
    const rows = await getAll(simulator, bars('SPY', '5/minute', String(from), String(from + 300_000)))
    expect(rows.map(({ t }) => new Date(t).toISOString().slice(11, 16))).toEqual(['15:00', '15:05'])
    const [month] = await getAll(simulator, bars('SPY', '1/month', '2025-02-10', '2025-02-11'))
    const [whole] = await getAll(simulator, bars('SPY', '1/month', '2025-02-01', '2025-02-28'))
    expect(month).toEqual(whole)
  })

  test('take an instant as inclusive at both ends', async () => {
    const ms = String(Date.parse('2025-01-03T15:00:00Z'))
    expect((await getAll(simulator, minutes('SPY', ms, ms))).map(({ t }) => String(t))).toEqual([ms])
  })

  test('are zipped for a client that asks, and not for one that does not', async () => {
    const zipped = await get(simulator, minutes('SPY', '2025-01-03'))
    const plain = await get(simulator, minutes('SPY', '2025-01-03'), { 'accept-encoding': 'identity' })
    expect(zipped.headers.get('content-encoding')).toBe('gzip')
    expect(plain.headers.get('content-encoding')).toBeNull()
    expect(Number(plain.headers.get('content-length'))).toBe(Buffer.byteLength(plain.text))
    expect(zipped.text).toBe(plain.text)
  })

  test('understand a percent-encoded ticker and write it back plainly', async () => {
    const page = await ok(bars('I%3ASPX', '1/day', '2025-01-02', '2025-01-31', 'limit=3'))
    expect(page['ticker']).toBe('I:SPX')
    expect(page.next_url).toContain('/ticker/I:SPX/')
    expect((await ok(page.next_url!)).results!.length).toBe(3)
  })
})

describe('refusals', () => {
  test.each([
    [
      bars('SPY', '1/minute', '2025-01-03', '2025-01-02'),
      "The parameter 'to' cannot be a time that occurs before 'from'",
    ],
    [bars('SPY', '0/minute', '2025-01-03'), "The parameter 'multiplier' must be a positive integer"],
    [bars('SPY', '1/fortnight', '2025-01-03'), "The parameter 'timespan' is invalid: 'fortnight'"],
    [bars('SPY', '1/day', '2025-02-30'), "Could not parse the time '2025-02-30' for the parameter 'from'"],
    [
      bars('SPY', '1/day', '2025-01-03', '2025-01-03', 'limit=50001'),
      "The parameter 'limit' cannot be greater than 50000",
    ],
    [bars('SPY', '1/day', '2025-01-03', '2025-01-03', 'limit=x'), "The parameter 'limit' is invalid: 'x'"],
    [bars('SPY', '1/day', '2025-01-03', '2025-01-03', 'sort=up'), "The parameter 'sort' is invalid: 'up'"],
    [bars('SPY', '1/day', '2025-01-03', '2025-01-03', 'cursor=%00%01'), "The parameter 'cursor' is invalid"],
  ])('answer 400 in the words of the vendor: %s', async (path, error) => {
    const { status, body } = await get(simulator, path)
    expect(status).toBe(400)
    expect(body).toEqual({
      status: 'ERROR',
      request_id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      error,
    })
  })

  test('answer 401 without a key and with one that is not known', async () => {
    const guarded = await simulate({ keys: ['right'] })
    const path = minutes('SPY', '2025-01-03')
    const ask = async (suffix: string, headers = {}) => {
      const response = await fetch(guarded.url + path + suffix, { headers })
      return [response.status, ((await response.json()) as { error?: string }).error]
    }
    expect(await ask('')).toEqual([401, 'API Key was not provided'])
    expect(await ask('&apiKey=')).toEqual([401, 'API Key was not provided'])
    expect(await ask('&apiKey=wrong')).toEqual([401, 'Unknown API Key'])
    expect(await ask('', { authorization: 'Bearer wrong' })).toEqual([401, 'Unknown API Key'])
    expect(await ask('&apiKey=right')).toEqual([200, undefined])
    expect(await ask('', { authorization: 'Bearer right' })).toEqual([200, undefined])
  })

  test('answer 404 for a path that does not exist', async () => {
    const { status, body } = await get(simulator, '/v2/nothing')
    expect([status, body.status]).toEqual([404, 'NOT_FOUND'])
    expect((await get(simulator, '/v2/aggs/ticker/%E0%A4%A/prev')).status).toBe(404)
  })
})
