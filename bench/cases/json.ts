import { readFileSync } from 'node:fs'
import type { Figures } from '../harness/child.ts'
import { coldAndWarm, cpuMs, median, timed } from '../harness/clock.ts'
import { parseBody } from './batch.ts'

interface BodyParams {
  readonly body: string
  readonly runs: number
}

/** JSON.parse of the body as it is received, bytes: the floor under everything that reads rows the usual way. */
export async function jsonParse({ body, runs }: BodyParams): Promise<Figures> {
  const bytes = readFileSync(body)
  const cpu: number[] = []
  const times = await coldAndWarm(() => {
    const before = process.cpuUsage()
    JSON.parse(bytes.toString('utf8'))
    cpu.push(cpuMs(before))
  }, runs)
  return { ...times, cpuMs: median(cpu), megabytes: bytes.length / 1e6 }
}

interface WireBar {
  readonly t: number
  readonly o: number
  readonly h: number
  readonly l: number
  readonly c: number
  readonly v: number
  readonly vw?: number
  readonly n?: number
}

/** JSON.parse of the body's bytes, and then its rows to typed arrays. */
export async function jsonToColumns({ body, runs }: BodyParams): Promise<Figures> {
  const bytes = readFileSync(body)
  return await coldAndWarm(() => {
    const { results } = JSON.parse(bytes.toString('utf8')) as { results: readonly WireBar[] }
    const columns = Array.from({ length: 8 }, () => new Float64Array(results.length))
    const [timestamp, open, high, low, close, volume, vwap, count] = columns
    for (let row = 0; row < results.length; row++) {
      const bar = results[row]!
      timestamp![row] = bar.t * 1000
      open![row] = bar.o
      high![row] = bar.h
      low![row] = bar.l
      close![row] = bar.c
      volume![row] = bar.v
      vwap![row] = bar.vw ?? NaN
      count![row] = bar.n ?? NaN
    }
  }, runs)
}

/** The source's scanner: bytes to a batch, envelope checked. */
export async function scanToColumns({ body, runs }: BodyParams): Promise<Figures> {
  const bytes = readFileSync(body)
  await parseBody(Buffer.from('{"results":[]}')) // loads the modules
  const times: number[] = []
  for (let run = 0; run <= runs; run++) times.push(await timed(() => parseBody(bytes)))
  return { coldMs: times[0]!, warmMs: median(times.slice(1)) }
}
