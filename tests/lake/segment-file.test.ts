import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { segmentPath, type SeriesId } from '../../src/lake/layout.ts'
import { parseSegmentMetadata } from '../../src/lake/segment-metadata.ts'
import { hyparquetMetadata, hyparquetRows } from '../contracts/parquet-readers.ts'
import {
  askDuckDb,
  BARS,
  barRows,
  engine,
  record,
  rowsFor,
  SESSIONS,
  testRoot,
  TRADES,
  tradeRows,
} from '../support/lake.ts'

const [, DEC31, JAN2, JAN3] = SESSIONS
afterAll(() => engine.close())

async function recordedFile(series: SeriesId, partition: string): Promise<string> {
  const root = testRoot()
  await record(root, { [DEC31]: rowsFor(series, DEC31, 1, 5), [JAN2]: rowsFor(series, JAN2, 2, 5) }, series)
  await record(root, { [JAN3]: rowsFor(series, JAN3, 3, 4) }, series, 'run-2')
  return join(root, segmentPath(series, partition))
}

describe('a committed segment, as others read it', () => {
  test('bars: every value, with nulls, through hyparquet', async () => {
    const path = await recordedFile(BARS, '2025-01')
    expect(await hyparquetRows(BARS.dataset, path)).toEqual([...barRows(JAN2, 2, 5), ...barRows(JAN3, 3, 4)])
  })

  test('trades: nanoseconds and lists exact, through hyparquet', async () => {
    const path = await recordedFile(TRADES, JAN3)
    expect(await hyparquetRows(TRADES.dataset, path)).toEqual(tradeRows(JAN3, 3, 4))
  })

  test('sums, counts and nulls are right in DuckDB, by plain arithmetic', async () => {
    const path = await recordedFile(BARS, '2025-01')
    const [found] = await askDuckDb(
      `SELECT count(*)::INTEGER AS rows, sum(volume) AS volume, sum("close") AS close,
              count(*) FILTER (vwap IS NULL)::INTEGER AS no_vwap,
              count(*) FILTER (trade_count IS NULL)::INTEGER AS no_count,
              min(timestamp)::VARCHAR AS first, typeof(any_value(timestamp)) AS type
       FROM read_parquet('${path}')`,
    )
    expect(found).toMatchObject({
      rows: 9,
      volume: 5 * 100.5 + 10 + 4 * 100.5 + 6,
      no_vwap: 2 + 2,
      no_count: 1 + 1,
      first: '2025-01-02 14:30:00+00',
      type: 'TIMESTAMP WITH TIME ZONE',
    })
    expect(found!.close).toBeCloseTo(5 * 2 + 0.1 + 4 * 3 + 0.06, 10)
  })

  test('timestamps are instants in UTC with microseconds, columns are named and typed as defined', async () => {
    const { schema } = await hyparquetMetadata(await recordedFile(BARS, '2025-01'))
    expect(schema.find(({ name }) => name === 'timestamp')).toMatchObject({
      type: 'INT64',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
    })
    expect(schema.slice(1).map(({ name, type }) => [name, type])).toEqual([
      ['ticker', 'BYTE_ARRAY'],
      ['timestamp', 'INT64'],
      ...['open', 'high', 'low', 'close', 'volume', 'vwap'].map((name) => [name, 'DOUBLE']),
      ['trade_count', 'INT64'],
    ])
  })

  test('statistics tell the first and last instant, and how many values are missing', async () => {
    const metadata = await hyparquetMetadata(await recordedFile(BARS, '2025-01'))
    const columns = metadata.row_groups.flatMap(({ columns: all }) => all)
    const statistics = (name: string) =>
      columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === name)?.meta_data?.statistics
    expect(statistics('timestamp')).toMatchObject({
      min_value: Date.parse('2025-01-02T14:30:00Z') * 1000,
      max_value: Date.parse('2025-01-03T14:33:00Z') * 1000,
    })
    expect(Number(statistics('vwap')?.null_count)).toBe(4)
  })

  test('the footer says dataset, version, source, run and requests, so that one file can be traced', async () => {
    const { key_value_metadata: pairs } = await hyparquetMetadata(await recordedFile(BARS, '2025-01'))
    const facts = Object.fromEntries((pairs ?? []).map(({ key, value }) => [key, value]))
    expect(facts).toMatchObject({
      'tapelake.dataset': 'equity_bars_1m',
      'tapelake.dataset_version': '1',
      'tapelake.ticker': 'SPY',
      'tapelake.partition': '2025-01',
      'tapelake.provenance': 'synthetic',
      'tapelake.source': 'simulator',
      'tapelake.run_id': 'run-2',
      'tapelake.request_range': `${JAN2}/${JAN3}`,
    })
    const origins = JSON.parse(facts['tapelake.origins'] ?? '') as unknown
    expect(origins).toMatchObject([
      { run: 'run-1', request: '/v2/aggs/test', from: JAN2, to: JAN2 },
      { run: 'run-2', request: '/v2/aggs/test', requestId: 'req-1', from: JAN3, to: JAN3 },
    ])
    expect(parseSegmentMetadata(facts as Record<string, string>)).toMatchObject({
      ...{
        dataset: 'equity_bars_1m',
        datasetVersion: 1,
        ticker: 'SPY',
        partition: '2025-01',
        runId: 'run-2',
      },
      origins,
    })
  })

  test.each(['{', '[{"source":1}]', 'null'])(
    'a footer whose origins read %s is nobody we know',
    (origins) => {
      const facts = {
        dataset: 'd',
        dataset_version: '1',
        ticker: 't',
        partition: 'p',
        run_id: 'r',
        written_at: 'w',
      }
      const named = Object.fromEntries(
        Object.entries(facts).map(([name, value]) => [`tapelake.${name}`, value]),
      )
      expect(parseSegmentMetadata({ ...named, 'tapelake.origins': '[]' })).toBeDefined()
      expect(parseSegmentMetadata({ ...named, 'tapelake.origins': origins })).toBeUndefined()
      expect(parseSegmentMetadata({})).toBeUndefined()
    },
  )
})
