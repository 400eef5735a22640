import { readFileSync } from 'node:fs'
import type { Batch } from '../../src/core/batch.ts'
import type { WorkItem } from '../../src/pipeline/work-item.ts'
import { load } from '../harness/modules.ts'
import { REQUEST } from './body.ts'

/** The bars in `body` as the source makes a batch of them. */
export async function parseBody(body: Buffer): Promise<Batch> {
  const [{ equityBars1m }, { mappingOf }, { readPage, toBatch }] = await Promise.all([
    load.bars(),
    load.fields(),
    load.rows(),
  ])
  const mapping = mappingOf(equityBars1m)!
  const origin = { source: 'simulator', request: '/v2/aggs/bench' }
  return toBatch(equityBars1m, mapping, readPage(body, mapping), REQUEST.ticker, origin)
}

/** The batch of the body in the file at `path`, and the work item that asks for exactly its sessions. */
export async function readBody(path: string): Promise<{ body: Buffer; batch: Batch; item: WorkItem }> {
  const [{ equityBars1m }, { sessionDates }] = await Promise.all([load.bars(), load.sessionRows()])
  const body = readFileSync(path)
  const batch = await parseBody(body)
  const { dates } = sessionDates(equityBars1m, batch)
  return { body, batch, item: { from: dates[0]!, to: dates.at(-1)!, sessions: dates } }
}

/** `batch` as a flow of its own. */
export async function* flowOf(batch: Batch): AsyncGenerator<Batch> {
  yield batch
}
