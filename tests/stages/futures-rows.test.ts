import { describe, expect, test } from 'vitest'
import { collect, type Refusal } from '../../src/core/flow.ts'
import type { Batch } from '../../src/core/batch.ts'
import { futuresBars1m } from '../../src/market/datasets/futures.ts'
import { validate } from '../../src/stages/validate.ts'
import { batchOf } from '../lake/engines/samples.ts'

const bar = { open: 5000.25, high: 5001, low: 5000, close: 5000.5, volume: 12, vwap: null, trade_count: 3 }

/** The rule that a bar of `ticker` at `time` breaks, with the reason; nothing where it is good. */
async function judged(ticker: string, time: string, more: object = {}): Promise<readonly string[]> {
  const found: Refusal[] = []
  const stage = validate(futuresBars1m, { onRefused: (_, refusals) => void found.push(...refusals) })
  async function* rows(): AsyncGenerator<Batch> {
    yield batchOf(futuresBars1m, [{ ticker, timestamp: Date.parse(time) * 1000, ...bar, ...more }])
  }
  await collect(stage(rows()))
  return found.flatMap(({ rule, reason }) => [rule, reason])
}

/** Times are those of Chicago's exchange, written down by hand in UTC. */
describe('a minute of a futures contract', () => {
  test.each([
    ['in the evening before its session', 'ESM2025', '2025-06-02T22:00:00Z'],
    ['in the afternoon', 'ESM2025', '2025-06-02T20:20:00Z'],
    ['on the last day, before New York opens', 'ESM2025', '2025-06-20T13:29:00Z'],
    ['of the contract that follows, on that day', 'ESU2025', '2025-06-20T13:30:00Z'],
    ['before the pause of earlier years', 'NQM2020', '2020-06-10T20:14:00Z'],
    ['when that pause was no more', 'NQU2021', '2021-06-28T20:20:00Z'],
  ])('is good %s', async (_, ticker, time) => {
    expect(await judged(ticker, time)).toEqual([])
  })

  test.each([
    ['in the hour between two sessions', 'ESM2025', '2025-06-02T21:30:00Z', 'outside_session', 'XCME'],
    ['on a Saturday', 'ESM2025', '2025-06-07T15:00:00Z', 'outside_session', 'XCME'],
    ['when its market had settled', 'ESM2025', '2025-06-20T13:30:00Z', 'not_traded', 'ESM2025 ended at'],
    ['in the pause of earlier years', 'NQM2020', '2020-06-10T20:20:00Z', 'not_traded', 'paused'],
    [
      'of a month without a contract',
      'ESF2025',
      '2025-01-06T15:00:00Z',
      'not_traded',
      'no contract of month F',
    ],
    ['of an unknown root', 'XXM2025', '2025-06-02T15:00:00Z', 'not_traded', 'unknown futures root'],
    ['of a year that may be two', 'ESM5', '2025-06-02T15:00:00Z', 'not_traded', 'full year'],
  ])('is refused %s', async (_, ticker, time, rule, reason) => {
    const [found, why] = await judged(ticker, time)
    expect(found).toBe(rule)
    expect(why).toContain(reason)
  })

  test('has whole contracts, and prices that fit', async () => {
    expect((await judged('ESM2025', '2025-06-02T15:00:00Z', { volume: 1.5 }))[0]).toBe('volume_not_whole')
    expect((await judged('ESM2025', '2025-06-02T15:00:30Z'))[0]).toBe('not_aligned')
    expect((await judged('ESM2025', '2025-06-02T15:00:00Z', { high: 1 }))[0]).toBe('high_below_low')
  })
})
