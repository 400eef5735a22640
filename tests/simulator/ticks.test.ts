import { describe, expect, test } from 'vitest'
import { get, simulate } from './support.ts'

const simulator = await simulate()

/** Values of an integer field, exact, as they stand in the text. */
const exact = (text: string, field: string): bigint[] =>
  [...text.matchAll(new RegExp(`"${field}":(\\d+)`, 'g'))].map((match) => BigInt(match[1]!))

async function pages(path: string): Promise<string[]> {
  const texts: string[] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const got = await get(simulator, next)
    expect(got.status).toBe(200)
    texts.push(got.text)
    next = got.body.next_url
  }
  return texts
}

const FROM = BigInt(Date.parse('2025-01-03T14:30:00Z')) * 1_000_000n
const range = (order: string, limit: number): string =>
  `timestamp.gte=${FROM}&timestamp.lt=${FROM + 180_000_000_000n}&order=${order}&limit=${limit}`

describe.each(['trades', 'quotes'])('%s', (kind) => {
  test('carry nanoseconds that a double cannot hold, unique and within what was asked', async () => {
    const [text] = await pages(`/v3/${kind}/AAPL?${range('asc', 50_000)}`)
    const times = exact(text!, 'sip_timestamp')
    expect(times.length).toBeGreaterThan(100)
    expect(new Set(times).size).toBe(times.length)
    expect(times).toEqual([...times].sort((a, b) => Number(a - b)))
    expect(times.every((time) => time >= FROM && time < FROM + 180_000_000_000n)).toBe(true)
    expect(times.some((time) => BigInt(Number(time)) !== time)).toBe(true)
  })

  test('give the same rows in pages as in one, in both orders', async () => {
    const whole = exact((await pages(`/v3/${kind}/AAPL?${range('asc', 50_000)}`)).join(), 'sip_timestamp')
    for (const order of ['asc', 'desc']) {
      const paged = await pages(`/v3/${kind}/AAPL?${range(order, 501)}`)
      expect(paged.length).toBe(Math.ceil(whole.length / 501))
      const times = exact(paged.join(), 'sip_timestamp')
      expect(times).toEqual(order === 'asc' ? whole : whole.toReversed())
    }
  })

  test('come newest first, a thousand at a time, when nothing else is said', async () => {
    const { text, body } = await get(simulator, `/v3/${kind}/SPY`)
    const times = exact(text, 'sip_timestamp')
    expect(times.length).toBe(1000)
    expect(times[0]! > times[999]!).toBe(true)
    expect(body.next_url).toContain(`/v3/${kind}/SPY?cursor=`)
  })

  test('treat a date as the whole New York day', async () => {
    const all = exact(
      (await pages(`/v3/${kind}/THNY?timestamp=2025-01-03&order=asc&limit=50000`)).join(),
      'sip_timestamp',
    )
    expect(all.length).toBeGreaterThan(0)
    const from = BigInt(Date.parse('2025-01-03T05:00:00Z')) * 1_000_000n
    expect(all.every((time) => time >= from && time < from + 86_400_000_000_000n)).toBe(true)
    const bounded = await pages(
      `/v3/${kind}/THNY?timestamp.gte=2025-01-03&timestamp.lte=2025-01-03&order=asc&limit=50000`,
    )
    expect(exact(bounded.join(), 'sip_timestamp')).toEqual(all)
    const between = await pages(
      `/v3/${kind}/THNY?timestamp.gt=2025-01-02&timestamp.lt=2025-01-04&order=asc&limit=50000`,
    )
    expect(exact(between.join(), 'sip_timestamp')).toEqual(all)
  })

  test('answer an empty list where there is nothing, 400 where the time cannot be read', async () => {
    expect((await get(simulator, `/v3/${kind}/NOSUCH`)).body.results).toEqual([])
    expect((await get(simulator, `/v3/${kind}/SPY?timestamp.gte=2030-01-01`)).body.results).toEqual([])
    expect((await get(simulator, `/v3/${kind}/SPY?timestamp.gte=5&timestamp.lt=3`)).body.results).toEqual([])
    expect((await get(simulator, `/v3/${kind}/SPY?timestamp=yesterday`)).status).toBe(400)
    expect((await get(simulator, `/v3/${kind}/SPY?sort=price`)).status).toBe(400)
  })
})

test('an exact instant finds its trade, and a bound right after it does not', async () => {
  const { text } = await get(simulator, `/v3/trades/SPY?${range('asc', 5)}`)
  const time = exact(text, 'sip_timestamp')[2]!
  const found = await get(simulator, `/v3/trades/SPY?timestamp=${time}`)
  expect(exact(found.text, 'sip_timestamp')).toEqual([time])
  const after = await get(simulator, `/v3/trades/SPY?timestamp.gt=${time}&order=asc&limit=1`)
  expect(exact(after.text, 'sip_timestamp')[0]! > time).toBe(true)
})

test('sequence numbers rise with time through the day, and ids are unique', async () => {
  const [text] = await pages(`/v3/trades/MCD?timestamp=2025-01-03&order=asc&limit=50000`)
  const sequence = exact(text!, 'sequence_number')
  expect(sequence.every((value, i) => i === 0 || value > sequence[i - 1]!)).toBe(true)
  const ids = [...text!.matchAll(/"id":"(\d+)"/g)].map((match) => match[1])
  expect(new Set(ids).size).toBe(ids.length)
})

test('prints beyond the range are marked as not counting for it', async () => {
  const { body } = await get(simulator, `/v3/trades/SPY?timestamp=2025-01-03&order=asc&limit=50000`)
  const marked = body.results!.filter((row) => (row['conditions'] as number[] | undefined)?.includes(2))
  expect(marked.length).toBeGreaterThan(0)
  expect(marked.every((row) => 'trf_id' in row && 'trf_timestamp' in row)).toBe(true)
})

test('the last trade and quote are the newest of the lists', async () => {
  const newest = async (kind: string) =>
    exact((await get(simulator, `/v3/${kind}/SPY?limit=1`)).text, 'sip_timestamp')[0]
  const last = async (path: string) => exact((await get(simulator, path)).text, 't')[0]
  expect(await last('/v2/last/trade/SPY')).toBe(await newest('trades'))
  expect(await last('/v2/last/nbbo/SPY')).toBe(await newest('quotes'))
  expect((await get(simulator, '/v2/last/trade/NOSUCH')).status).toBe(404)
})

test('sizes carry fractions since 2026-02-23, also as decimal text', async () => {
  const { body } = await get(simulator, '/v3/trades/SPY?timestamp=2026-03-02&order=asc&limit=2000')
  const fractional = body.results!.filter((row) => !Number.isInteger(row['size']))
  expect(fractional.length).toBeGreaterThan(0)
  for (const row of body.results!) expect(Number(row['decimal_size'])).toBe(row['size'])
})

test('quotes have a bid below the offer, and now and then only one of them', async () => {
  const { body } = await get(simulator, '/v3/quotes/SPY?timestamp=2025-01-03&order=asc&limit=50000')
  const bids = body.results!.map((row) => Number(row['bid_price']))
  const offers = body.results!.map((row) => Number(row['ask_price']))
  expect(bids.every((bid, i) => offers[i] === 0 || bid < offers[i]!)).toBe(true)
  expect(bids.filter((bid, i) => bid === 0 || offers[i] === 0).length).toBeGreaterThan(0)
})
