import { describe, expect, test } from 'vitest'
import { constantString, rowAt, type Batch } from '../../src/core/batch.ts'
import { collect, type Refusal } from '../../src/core/flow.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { inRequest } from '../../src/stages/in-request.ts'

const dataset = datasetNamed('equity_bars_1m')

/** Bars that start at the given instants; the volume numbers them. */
function bars(...instants: readonly string[]): Batch {
  const length = instants.length
  const ones = new Float64Array(length).fill(1)
  const columns = Object.fromEntries(dataset.columns.map(({ name }) => [name, ones]))
  return {
    dataset: dataset.name,
    length,
    schema: dataset.columns,
    columns: {
      ...columns,
      ticker: constantString('SPY', length),
      timestamp: Float64Array.from(instants, (instant) => Date.parse(instant) * 1000),
      volume: Float64Array.from(instants, (_, i) => i),
    },
  }
}

async function pass(
  batches: readonly Batch[],
  wanted: readonly string[],
  [from, to]: readonly [string, string] = ['2025-01-02', '2025-01-08'],
) {
  const refused: { batch: Batch; refusals: readonly Refusal[] }[] = []
  const stage = inRequest(dataset, {
    from,
    to,
    wanted: new Set(wanted),
    onRefused: (batch, refusals) => refused.push({ batch, refusals }),
  })
  const feed = async function* () {
    yield* batches
  }
  return { kept: await collect(stage(feed())), refused }
}

const volumes = (batches: readonly Batch[]): unknown[] =>
  batches.flatMap((batch) => Array.from({ length: batch.length }, (_, row) => rowAt(batch, row)['volume']))

describe('inRequest', () => {
  test('a batch of nothing but wanted rows passes untouched', async () => {
    const batch = bars('2025-01-03T14:30:00Z', '2025-01-03T14:31:00Z')
    const { kept, refused } = await pass([batch], ['2025-01-03'])
    expect(kept[0]).toBe(batch)
    expect(refused).toEqual([])
  })

  test('rows of sessions that are held already pass by without a word', async () => {
    const batch = bars('2025-01-03T14:30:00Z', '2025-01-06T14:30:00Z', '2025-01-07T14:30:00Z')
    const { kept, refused } = await pass([batch], ['2025-01-03', '2025-01-07'])
    expect(volumes(kept)).toEqual([0, 2])
    expect(refused).toEqual([])
  })

  test('rows of sessions that nobody asked for are refused, with their session and the one asked for', async () => {
    const batch = bars('2024-12-31T14:30:00Z', '2025-01-03T14:30:00Z', '2025-01-10T14:30:00Z')
    const { kept, refused } = await pass([batch], ['2025-01-03'])
    expect(volumes(kept)).toEqual([1])
    expect(refused).toHaveLength(1)
    expect(refused[0]!.batch).toBe(batch)
    expect(refused[0]!.refusals).toEqual([
      {
        row: 0,
        rule: 'outside_request',
        reason: 'a row of 2024-12-31 in the answer for 2025-01-02 to 2025-01-08',
      },
      {
        row: 2,
        rule: 'outside_request',
        reason: 'a row of 2025-01-10 in the answer for 2025-01-02 to 2025-01-08',
      },
    ])
  })

  test('a row of no session at all is refused', async () => {
    const { kept, refused } = await pass(
      [bars('2025-01-04T14:30:00Z')],
      ['2025-01-03'],
      ['2025-01-03', '2025-01-03'],
    )
    expect(kept).toEqual([])
    expect(refused[0]!.refusals[0]!.reason).toBe('a row of no session in the answer for 2025-01-03')
  })

  test('sessions are days of New York: an evening bar belongs to the day that is still going on there', async () => {
    const evening = bars('2025-01-04T00:59:00Z', '2025-07-03T20:59:00Z') // 19:59 on the 3rd; 16:59 before a holiday
    const { kept } = await pass([evening], ['2025-01-03', '2025-07-03'], ['2025-01-02', '2025-07-31'])
    expect(volumes(kept)).toEqual([0, 1])
  })

  test('a batch left without rows is not passed on', async () => {
    const { kept } = await pass([bars('2025-01-06T14:30:00Z'), bars('2025-01-03T14:30:00Z')], ['2025-01-03'])
    expect(kept).toHaveLength(1)
  })
})
