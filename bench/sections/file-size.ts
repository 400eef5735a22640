import { compareCases, type Figures } from '../harness/child.ts'
import { count, ms, number, times } from '../harness/table.ts'
import type { Report, Setup } from './section.ts'

/** The same rows in one Parquet file, by engine and codec. */
export async function fileSize({ smoke, rounds, work, body }: Setup): Promise<Report> {
  const params = { body: body.path, work, runs: smoke ? 1 : 9 }
  const slow = { ...params, runs: 1 }
  const found = await compareCases(rounds, {
    columnar: { name: 'segment-file', params: { ...params, engine: 'columnar', compression: 'zstd' } },
    zstd: { name: 'segment-file', params: { ...params, engine: 'duckdb', compression: 'zstd' } },
    snappy: { name: 'segment-file', params: { ...params, engine: 'duckdb', compression: 'snappy' } },
    second: { name: 'segment-file', params: { ...slow, engine: 'parquetjs-lite', compression: 'snappy' } },
    rowByRow: { name: 'row-by-row-file', params: slow },
  })
  const peer = found.rowByRow
  const row = (label: string, { bytesPerRow, warmMs }: Figures): string[] => [
    label,
    number(bytesPerRow!),
    times(bytesPerRow! / peer['bytesPerRow']!),
    ms(warmMs!),
    times(peer['warmMs']! / warmMs!),
  ]
  return {
    tables: [
      {
        title: `Parquet file of ${count(body.rows)} bars`,
        head: ['', 'bytes/row', 'size to row by row', 'write, warm', 'faster'],
        rows: [
          row('columnar, zstd (default)', found.columnar),
          row('duckdb, zstd', found.zstd),
          row('duckdb, snappy', found.snappy),
          row('engine parquetjs-lite, snappy, read back', found.second),
          row('parquetjs-lite row by row, snappy', peer),
        ],
      },
    ],
    figures: found,
    targets: [],
  }
}
