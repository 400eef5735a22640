import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createEngine } from '../../src/lake/engines/index.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { envelope, minuteBars, type BarRequest, type WireBar } from '../support/bar-vendor.ts'
import { calm } from './gap-lake.ts'
import { record, sourceAt, vendor } from './record.ts'

const minutes = ({ timespan }: BarRequest) => timespan === 'minute'

/** All bars of the range asked for. */
function barsOf({ from, to }: BarRequest): WireBar[] {
  const bars: WireBar[] = []
  for (let ms = Date.parse(from); ms <= Date.parse(to); ms += 86_400_000) {
    const date = new Date(ms).toISOString().slice(0, 10)
    if (![0, 6].includes(new Date(ms).getUTCDay())) bars.push(...minuteBars(date))
  }
  return bars
}

describe('an answer that ends early without a word', () => {
  test('is asked on from the session in which it ended, until nothing is missing', async () => {
    const { url } = await vendor({
      instead: (request) =>
        minutes(request) ? { body: envelope('SPY', barsOf(request).slice(0, 7)) } : undefined,
    })
    const run = await record({ source: sourceAt(url) })
    expect(run.sessions.map(({ state, rows }) => [state, rows])).toEqual(
      Array.from({ length: 5 }, () => ['complete', 3]),
    )
    expect(run).toMatchObject({ rows: 15, exitCode: 0 })
  })

  test('of daily bars is asked on, too, and a silence that stays is empty', async () => {
    const day = (t: string) => ({ t: Date.parse(`${t}T04:00:00Z`), o: 1, h: 1, l: 1, c: 1, v: 1 })
    const traded = ['2025-06-02', '2025-06-03', '2025-06-05', '2025-06-06']
    const { url } = await vendor({
      instead: ({ from, to }) => {
        const asked = traded.filter((date) => date >= from && date <= to)
        return { body: envelope('SPY', asked.slice(0, 2).map(day)) }
      },
    })
    const { cells } = await record({ source: sourceAt(url), dataset: 'equity_bars_1d' })
    expect(Object.values(cells)).toEqual(['complete', 'complete', 'empty', 'complete', 'complete'])
  })
})

test('a session within which the answer was cut is asked for with the one before it; a late open is believed', async () => {
  const dates = ['2025-05-30', '2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06']
  const opensLate = '2025-06-05'
  const { url, requests } = await vendor({
    instead: (request) => {
      if (!minutes(request)) return undefined
      const { from, to } = request
      const middle = (Date.parse(from) + Date.parse(to) + 86_400_000) / 2 + 7 * 3_600_000
      const bars = dates
        .filter((date) => date >= from && date <= to)
        .flatMap((date) => (date === opensLate ? calm(date).slice(150) : calm(date)))
      return {
        body: envelope(
          'SPY',
          bars.filter(({ t }) => Number(t) >= middle),
        ),
      }
    },
    hasDailyBar: (date) => dates.includes(date),
  })
  const run = await record({ source: sourceAt(url) })
  expect(run.sessions.map(({ state, rows }) => [state, rows])).toEqual([
    ...[390, 390, 390, 240, 390].map((rows) => ['complete', rows]),
  ])
  expect(run.exitCode).toBe(0)
  const asked = requests.map(({ url: path }) => /minute\/([\d-]+)\/([\d-]+)/.exec(path)?.slice(1).join(' '))
  expect(asked.filter((range) => range === '2025-06-04 2025-06-05')).toHaveLength(1)
})

test('where every answer begins late, that of the daily bars too, no session is called empty', async () => {
  const all = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06']
  const { url, requests } = await vendor({
    instead: (request) => {
      const asked = all.filter((date) => date >= request.from && date <= request.to)
      const given = asked.slice(Math.floor(asked.length / 2))
      const day = (date: string) => ({ t: Date.parse(`${date}T04:00:00Z`), o: 1, h: 1, l: 1, c: 1, v: 1 })
      return {
        body: envelope(
          'SPY',
          minutes(request) ? given.slice(1).flatMap((date) => minuteBars(date)) : given.map(day),
        ),
      }
    },
  })
  const run = await record({ source: sourceAt(url) })
  const states = run.sessions.map(({ state }) => state)
  expect(states).toEqual(['missing', 'missing', 'complete', 'complete', 'complete'])
  expect(run.exitCode).toBe(3)
  expect(requests.length).toBeLessThan(12)
})

test('pages that repeat under ever new cursors end with an error, not with the budget', async () => {
  let page = 0
  const { url, requests } = await vendor({
    instead: (request) => {
      const next_url = `http://vendor${request.url.split('?')[0]}?cursor=${page++}`
      return minutes(request) ? { body: envelope('SPY', barsOf(request), { next_url }) } : undefined
    },
  })
  const run = await record({ source: sourceAt(url) })
  expect(run.exitCode).toBe(1)
  expect(run.sessions[0]?.reason).toMatch(/next_url does not advance/)
  expect(requests.length).toBeLessThan(10)
})

test('a segment that is gone is written anew by --force, although the answer is the same', async () => {
  const source = sourceAt((await vendor()).url)
  const { root } = await record({ source })
  const folder = join(root, 'lake/equity_bars_1m/ticker=SPY')
  for (const month of readdirSync(folder)) {
    for (const file of readdirSync(join(folder, month))) rmSync(join(folder, month, file))
  }
  await record({ source, root, force: true })
  const engine = createEngine('columnar', { tempDirectory: join(root, 'scratch') })
  const series = { dataset: datasetNamed('equity_bars_1m'), ticker: 'SPY' }
  const { rows, findings } = await verifySeries(root, series, async () => engine)
  await engine.close()
  expect([rows, findings]).toEqual([15, []])
})
