import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  canPin,
  EACH_USAGE,
  medians,
  runCase,
  runNode,
  serveReplay,
  serveSimulator,
  TAPELAKE,
  type Figures,
  type Usage,
} from '../harness/child.ts'
import { median } from '../harness/clock.ts'
import { count, megabytes, ms, number, times } from '../harness/table.ts'
import { atLeast, atMost, type Report, type Setup } from './section.ts'

const TICKERS = 'SPY,QQQ,IWM,DIA,AAPL,MSFT,NVDA,AMZN,GOOGL,META,TSLA,AMD,NFLX,JPM,XOM'
const TO = '2024-12-31'

interface Way {
  readonly label: string
  readonly command: readonly string[]
  readonly from: string
  readonly oneCore?: boolean
}

/**
 * Minute bars of fifteen tickers through the built program with 1, 2 and 4 worker processes, beside one process that
 * records one ticker after the other. The answers come from memory: they were asked for once before. A worker has the
 * disk and the reader of files work beside it, so how throughput grows with cores is told against a worker that is kept
 * to one, together with the server of answers.
 */
export async function workers(setup: Setup): Promise<Report> {
  const { smoke } = setup
  const tickers = smoke ? TICKERS.split(',').slice(0, 4).join(',') : TICKERS
  const [from, later] = smoke ? ['2024-11-01', '2024-12-02'] : ['2024-01-02', '2024-10-01']
  const all = (n: number) => ['backfill-all', '--tickers', tickers, '--workers', String(n)]
  const ways: Way[] = [
    { label: ALONE, command: ['backfill', '--ticker', tickers], from },
    ...(canPin() ? [{ label: ONE_CORE, command: all(1), from, oneCore: true }] : []),
    ...(smoke ? [1, 2] : [1, 2, 4]).map((n) => ({
      label: workersLabel(n),
      command: all(n),
      from,
    })),
    { label: '2 workers, the last quarter', command: all(2), from: later },
  ]
  const rounds = smoke ? 1 : Math.min(3, setup.rounds)
  const found = await measured(ways, setup, rounds)
  const ceiling = await parsingAtOnce(setup, rounds)
  const [alone, two, oneCore] = [found[ALONE], found[workersLabel(2)], found[ONE_CORE]]
  const quarter = found[ways.at(-1)!.label]!
  const speed = (figures: Figures): number => (figures['rows']! / figures['wallMs']!) * 1000
  return {
    tables: [
      {
        title: `Backfill of minute bars, ${tickers.split(',').length} tickers, answers from memory, no call limit`,
        head: [
          '',
          'rows',
          'wall',
          'rows/s',
          'to 1 process',
          'to 1 core',
          'CPU, all',
          'cores busy',
          'peak RSS, a worker',
          'peak RSS, the run',
        ],
        rows: ways.map(({ label, from }) => {
          const { rows, wallMs, cpuMs, workerRssBytes, runRssBytes } = found[label]!
          return [
            ...[
              label,
              count(rows!),
              ms(wallMs!),
              count(speed(found[label]!)),
              times(speed(found[label]!) / speed(alone!)),
              oneCore && from === ways[0]!.from ? times(speed(found[label]!) / speed(oneCore)) : '-',
            ],
            ...[
              ms(cpuMs!),
              number(cpuMs! / wallMs!),
              workerRssBytes! > 0 ? megabytes(workerRssBytes!) : '-',
              megabytes(runRssBytes!),
            ],
          ]
        }),
        notes: [
          'Wall and CPU include the start of every process. The server of answers runs on the same cores; its CPU is not told.',
          'Peak RSS, a worker: the largest of them.',
          `Two processes that only parse JSON get ${times(ceiling)} as much done as one: that is what the second core gives.`,
          ...(oneCore ? [] : ['No taskset here: nothing is measured on one core.']),
        ],
      },
    ],
    figures: found,
    targets: [
      ...(oneCore
        ? [
            atLeast(
              '2 workers to 1 on one core, part of what parsing JSON gains',
              speed(two!) / speed(oneCore) / ceiling,
              smoke ? 0.4 : 0.7,
              '',
            ),
          ]
        : []),
      atLeast('cores busy with 2 workers', two!['cpuMs']! / two!['wallMs']!, 1.5, 'of 2'),
      atMost(
        'peak RSS of a worker, a year to a quarter',
        two!['workerRssBytes']! / quarter['workerRssBytes']!,
        1.25,
        '×',
      ),
    ],
  }
}

const ALONE = 'one process (backfill)'
const ONE_CORE = '1 worker, all on one core'
const workersLabel = (n: number): string => `${n} worker${n > 1 ? 's' : ''}`

/** How much more two processes parse at the same time than one: what the cores give to work that needs nothing else. */
async function parsingAtOnce({ body, work, smoke }: Setup, rounds: number): Promise<number> {
  const parse = (): Promise<Figures> => runCase('json-parse', { body: body.path, work, runs: smoke ? 3 : 40 })
  const gains: number[] = []
  for (let round = 0; round < rounds; round++) {
    const one = await parse()
    const both = await Promise.all([parse(), parse()])
    gains.push(both.reduce((sum, each) => sum + one['warmMs']! / each['warmMs']!, 0))
  }
  return median(gains)
}

/** Medians by label. */
async function measured(
  ways: readonly Way[],
  setup: Setup,
  rounds: number,
): Promise<Record<string, Figures>> {
  const simulator = await serveSimulator()
  const server = await serveReplay(simulator.url)
  try {
    await record(ways[0]!, server.url, setup) // fills the memory of the server
    const runs = new Map<string, Figures[]>(ways.map(({ label }) => [label, []]))
    for (let round = 0; round < rounds; round++) {
      for (const way of ways) {
        if (canPin()) server.pin(way.oneCore ?? false) // the answers, too, take their part of the cores
        runs.get(way.label)!.push(await record(way, server.url, setup))
      }
    }
    return Object.fromEntries([...runs].map(([label, each]) => [label, medians(each)]))
  } finally {
    await server.stop()
    await simulator.stop()
  }
}

async function record(
  { command, from, oneCore = false }: Way,
  url: string,
  { work }: Setup,
): Promise<Figures> {
  const [dataDir, usage] = [join(work, 'universe'), join(work, 'usage')]
  for (const folder of [dataDir, usage]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
  }
  const range = ['--from', from, '--to', TO, '--data-dir', dataDir, '--json', '--no-progress', '--quiet']
  const env = {
    ...{ BENCH_USAGE: usage, NODE_OPTIONS: EACH_USAGE, POLYGON_REST_URL: url, POLYGON_API_KEY: 'bench' },
    TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '0',
  }
  const { stdout, wallMs } = await runNode([TAPELAKE, ...command, ...range], env, { oneCore })
  const { rows } = JSON.parse(stdout) as { rows: number }
  const used = readdirSync(usage).map(
    (name) => JSON.parse(readFileSync(join(usage, name), 'utf8')) as Usage & { readonly worker: boolean },
  )
  const most = (isWorker: boolean): number =>
    1024 * Math.max(0, ...used.filter(({ worker }) => worker === isWorker).map(({ maxRSS }) => maxRSS))
  const cpuMs =
    used.reduce((sum, { userCPUTime, systemCPUTime }) => sum + userCPUTime + systemCPUTime, 0) / 1000
  return { rows, wallMs, cpuMs, workerRssBytes: most(true), runRssBytes: most(false), processes: used.length }
}
