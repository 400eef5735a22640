import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Batch } from '../../src/core/batch.ts'
import type { Compression, EngineName } from '../../src/lake/engine.ts'
import type { Figures } from '../harness/child.ts'
import { coldAndWarm } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'
import { openRowWriter } from '../peers/row-writer.ts'
import { readBody } from './batch.ts'
import { REQUEST } from './body.ts'

interface FileParams {
  readonly body: string
  readonly work: string
  readonly runs: number
}

/** One segment of all rows through an engine of ours. */
export async function segmentFile(
  params: FileParams & { engine: EngineName; compression: Compression },
): Promise<Figures> {
  const { body, work, runs, engine: name, compression } = params
  const [{ batch }, { createEngine }, { equityBars1m: dataset }] = await Promise.all([
    readBody(body),
    load.engines(),
    load.bars(),
  ])
  const engine = createEngine(name, { tempDirectory: join(work, 'scratch') })
  const path = join(work, `${name}-${compression}.parquet.tmp`)
  const times = await coldAndWarm(async () => {
    const options = { dataset, path, compression, rowGroupRows: 122_880, metadata: {} }
    const writer = await engine.openSegment(options)
    await writer.append(batch)
    await writer.finish()
  }, runs)
  await engine.close()
  return { ...times, bytesPerRow: statSync(path).size / batch.length }
}

/** The same rows through parquetjs-lite, row by row, with its defaults and SNAPPY. */
export async function rowByRowFile({ body, work, runs }: FileParams): Promise<Figures> {
  const { batch } = await readBody(body)
  const rows = rowObjects(batch)
  const path = join(work, 'row-by-row.parquet')
  const times = await coldAndWarm(async () => {
    const writer = await openRowWriter(path)
    for (const row of rows) await writer.appendRow(row)
    await writer.close()
  }, runs)
  return { ...times, bytesPerRow: statSync(path).size / rows.length }
}

function rowObjects({ columns, length }: Batch) {
  const column = (name: string) => columns[name] as Float64Array
  const optional = (value: number) => (Number.isNaN(value) ? undefined : value)
  return Array.from({ length }, (_, row) => ({
    ticker: REQUEST.ticker,
    timestamp: column('timestamp')[row]! / 1000,
    open: column('open')[row]!,
    high: column('high')[row]!,
    low: column('low')[row]!,
    close: column('close')[row]!,
    volume: column('volume')[row]!,
    vwap: optional(column('vwap')[row]!),
    trade_count: optional(column('trade_count')[row]!),
  }))
}
