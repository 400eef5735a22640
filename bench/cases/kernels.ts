import type { Batch } from '../../src/core/batch.ts'
import type { Stage } from '../../src/core/flow.ts'
import type { Figures } from '../harness/child.ts'
import { coldAndWarm } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'
import { barSchema } from '../peers/todays-way.ts'
import { flowOf, readBody } from './batch.ts'
import { REQUEST } from './body.ts'

interface KernelParams {
  readonly body: string
  readonly runs: number
}

/** All rules of minute bars over a batch, `in_session` included. */
export async function validation({ body, runs }: KernelParams): Promise<Figures> {
  const { batch } = await readBody(body)
  const [{ validate }, { equityBars1m }] = await Promise.all([load.validate(), load.bars()])
  let refused = 0
  const stage = validate(equityBars1m, {
    ticker: REQUEST.ticker,
    onRefused: (_, refusals) => (refused += refusals.length),
  })
  const times = await coldAndWarm(() => drain(stage, batch), runs)
  if (refused > 0) throw new Error(`${refused} good rows were refused`)
  return rowsPerSecond(times, batch.length)
}

/** zod on an object per row; making the objects is not timed. */
export async function zodPerRow({ body, runs }: KernelParams): Promise<Figures> {
  const { results } = JSON.parse((await readBody(body)).body.toString()) as { results: unknown[] }
  const times = await coldAndWarm(() => {
    for (const row of results) barSchema.parse(row)
  }, runs)
  return rowsPerSecond(times, results.length)
}

/** Dedup of rows in order without repeats: the usual case. */
export async function dedupInOrder({ body, runs }: KernelParams): Promise<Figures> {
  const { batch } = await readBody(body)
  const times = await coldAndWarm(await dedupOf([batch]), runs)
  return rowsPerSecond(times, batch.length)
}

/** Dedup of rows in reverse order, each twice. */
export async function dedupReversed({ body, runs }: KernelParams): Promise<Figures> {
  const { takeRows } = await load.batch()
  const { batch } = await readBody(body)
  const twice = takeRows(
    batch,
    Uint32Array.from({ length: 2 * batch.length }, (_, i) => batch.length - 1 - (i >> 1)),
  )
  const times = await coldAndWarm(await dedupOf([twice]), runs)
  return rowsPerSecond(times, twice.length)
}

/** Dedup of a page that comes a second time. */
export async function dedupRepeatedPage({ body, runs }: KernelParams): Promise<Figures> {
  const { batch } = await readBody(body)
  const times = await coldAndWarm(await dedupOf([batch, batch]), runs)
  return rowsPerSecond(times, 2 * batch.length)
}

/** A Map with a text key per row object, as one writes it without columns. */
export async function dedupWithMap({ body, runs }: KernelParams): Promise<Figures> {
  const { results } = JSON.parse((await readBody(body)).body.toString()) as { results: { t: number }[] }
  const times = await coldAndWarm(() => {
    const last = new Map<string, { t: number }>()
    for (const row of results) last.set(`${REQUEST.ticker}|${row.t}`, row)
    return [...last.values()].sort((a, b) => a.t - b.t)
  }, runs)
  return rowsPerSecond(times, results.length)
}

async function dedupOf(batches: readonly Batch[]): Promise<() => Promise<void>> {
  const [{ dedup }, { equityBars1m }] = await Promise.all([load.dedup(), load.bars()])
  async function* flow(): AsyncGenerator<Batch> {
    yield* batches
  }
  return async () => {
    for await (const batch of dedup(equityBars1m)(flow()))
      if (batch.length === 0) throw new Error('empty batch')
  }
}

async function drain(stage: Stage, batch: Batch): Promise<void> {
  for await (const kept of stage(flowOf(batch))) if (kept !== batch) throw new Error('rows were dropped')
}

const rowsPerSecond = ({ coldMs, warmMs }: { coldMs: number; warmMs: number }, rows: number): Figures => ({
  coldMs,
  warmMs,
  rowsPerSecond: (rows / warmMs) * 1000,
})
