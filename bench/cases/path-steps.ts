import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Batch } from '../../src/core/batch.ts'
import type { Stage } from '../../src/core/flow.ts'
import type { ParquetEngine } from '../../src/lake/engine.ts'
import type { Ledger } from '../../src/lake/ledger.ts'
import type { SeriesId } from '../../src/lake/layout.ts'
import type { Figures } from '../harness/child.ts'
import { median } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'
import { flowOf, parseBody, readBody } from './batch.ts'
import { REQUEST } from './body.ts'
import type { PathParams } from './tapelake-path.ts'

/** Times of the named steps of one walk, milliseconds. */
class Stopwatch {
  readonly times: Record<string, number> = {}

  async run<T>(step: string, work: () => Promise<T>): Promise<T> {
    const startMs = performance.now()
    const result = await work()
    this.times[step] = (this.times[step] ?? 0) + performance.now() - startMs
    return result
  }
}

/**
 * The steps of the whole path, called one after the other with a stopwatch in between. The path itself calls the
 * same functions; what it does besides is what its own time is above the sum of these.
 */
export async function pathSteps(params: PathParams): Promise<Figures> {
  const { batch, item } = await readBody(params.body)
  const { equityBars1m: dataset } = await load.bars()
  const { createTransport } = await load.transport()
  const { createEngine } = await load.engines()
  const transport = await createTransport({
    baseUrl: params.url,
    apiKey: 'bench',
    connectMs: 5000,
  })
  const engine = createEngine('columnar', { tempDirectory: join(params.work, 'scratch') })
  const stages = await openStages(new Set(item.sessions), item)
  const walks: Stopwatch[] = []
  for (let run = 0; run <= params.runs; run++) {
    const watch = new Stopwatch()
    const root = mkdtempSync(join(params.work, 'steps-'))
    const { body } = await watch.run('fetch', () =>
      transport.get('/v2/aggs', 60_000, new AbortController().signal),
    )
    const rows = await watch.run('parse', () => parseBody(body))
    let kept = rows
    for (const [step, stage] of Object.entries(stages)) {
      kept = await watch.run(step, () => lastOf(stage, kept))
    }
    if (kept.length !== batch.length) throw new Error(`${kept.length} rows of ${batch.length} passed`)
    await store({ root, engine, series: { dataset, ticker: REQUEST.ticker } }, kept, watch)
    walks.push(watch)
    rmSync(root, { recursive: true })
  }
  transport.close()
  await engine.close()
  return mediansOf(walks.slice(1))
}

async function openStages(
  wanted: ReadonlySet<string>,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<Readonly<Record<string, Stage>>> {
  const [{ equityBars1m }, { validate }, { inRequest }, { dedup }] = await Promise.all([
    load.bars(),
    load.validate(),
    load.inRequest(),
    load.dedup(),
  ])
  const onRefused = (): never => {
    throw new Error('a good row was refused')
  }
  return {
    validate: validate(equityBars1m, { ticker: REQUEST.ticker, onRefused }),
    inRequest: inRequest(equityBars1m, { from, to, wanted, onRefused }),
    dedup: dedup(equityBars1m),
  }
}

async function lastOf(stage: Stage, batch: Batch): Promise<Batch> {
  let last = batch
  for await (const one of stage(flowOf(batch))) last = one
  return last
}

interface Place {
  readonly root: string
  readonly engine: ParquetEngine
  readonly series: SeriesId
}

async function store(place: Place, batch: Batch, watch: Stopwatch): Promise<void> {
  const { sessionRuns, scanContent } = await load.scan()
  const { partitionOf, segmentPath } = await load.layout()
  const { fsyncFile, makeFolder, sha256File } = await load.durable()
  const { root, series, engine } = place
  const { dataset } = series
  const months = await watch.run('split', async () => {
    const parts = new Map<string, Batch[]>()
    for (const { date, rows } of sessionRuns(dataset, batch)) {
      const month = partitionOf(dataset, date!)
      parts.set(month, [...(parts.get(month) ?? []), rows])
    }
    return parts
  })
  const { concatBatches } = await load.batchConcat()
  for (const [month, parts] of months) {
    const path = join(root, segmentPath(series, month) + '.tmp')
    const rows = await watch.run('split', async () => concatBatches(parts))
    await watch.run('mkdir', () => makeFolder(dirname(path)))
    await watch.run('write', async () => {
      const options = { dataset, path, compression: 'zstd', rowGroupRows: 122_880, metadata: {} } as const
      const writer = await engine.openSegment(options)
      await writer.append(rows)
      await writer.finish()
    })
    await watch.run('digest', () => scanContent(dataset, [rows]))
    await watch.run('fsync', () => fsyncFile(path))
    const same = await watch.run('readBack', () => engine.holds(dataset, path, rows))
    if (!same) throw new Error(`${path} does not hold what was written`)
    await watch.run('sha256', () => sha256File(path))
  }
  await watch.run('commit', () => commit(place, [...months.keys()]))
}

/** Writes a ledger of that many segments, and cells for their sessions, and puts the segments in place. */
async function commit({ root, series }: Place, months: readonly string[]): Promise<void> {
  const [{ announceCommit, publishCommit }, { emptyLedger }, { segmentPath }] = await Promise.all([
    load.commit(),
    load.ledger(),
    load.layout(),
  ])
  const cell = { state: 'complete', reason: 'recorded', rows: 940, run: 'bench', at: '' } as const
  const days = Array.from({ length: 53 }, (_, day) => [`day ${day}`, cell] as const)
  const next: Ledger = { ...emptyLedger(series), cells: Object.fromEntries(days) }
  await announceCommit(root, series, next)
  await publishCommit(
    root,
    series,
    next,
    months.map((month) => segmentPath(series, month)),
  )
}

function mediansOf(walks: readonly Stopwatch[]): Figures {
  const steps = Object.keys(walks[0]!.times)
  return Object.fromEntries(
    steps.map((step) => [`${step}Ms`, median(walks.map(({ times }) => times[step]!))]),
  )
}
