import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  medians,
  REPORT_USAGE,
  runCase,
  runNode,
  serveSimulator,
  TAPELAKE,
  type Figures,
  type Usage,
} from '../harness/child.ts'
import { count, megabytes, ms, number, times } from '../harness/table.ts'
import { atMost, type Report, type Setup } from './section.ts'

interface Span {
  readonly label: string
  readonly from: string
}

const TO = '2024-12-31'
const SPANS: readonly Span[] = [
  { label: '1 year', from: '2024-01-02' },
  { label: '5 years', from: '2020-01-02' },
  { label: '20 years', from: '2005-01-03' },
]
const SMOKE_SPANS: readonly Span[] = [
  { label: '1 month', from: '2024-12-02' },
  { label: '4 months', from: '2024-09-03' },
]
/** Base aggregates that one call of the vendor can bring. */
const PAGE_ROWS = 50_000

/**
 * Minute bars of one ticker through the built program, from a simulator in a process of its own, without a call
 * limit. The longest lake stays in `<work>/history` for the queries.
 */
export async function backfill(setup: Setup): Promise<Report> {
  const spans = setup.smoke ? SMOKE_SPANS : SPANS
  const rounds = setup.smoke ? 1 : Math.min(3, setup.rounds)
  const runs = new Map<string, Figures[]>(spans.map(({ label }) => [label, []]))
  for (let round = 0; round < rounds; round++) {
    for (const span of spans) runs.get(span.label)!.push(await record(span, setup))
  }
  const found = Object.fromEntries([...runs].map(([label, each]) => [label, medians(each)]))
  const first = found[spans[0]!.label]!
  const last = found[spans.at(-1)!.label]!
  const growth = last['wallMs']! / first['wallMs']! / (last['rows']! / first['rows']!)
  return {
    tables: [
      {
        title: 'Backfill of minute bars, one ticker, from the simulator, no call limit',
        head: [
          '',
          'rows',
          'wall',
          'rows/s',
          'CPU',
          'simulator alone',
          'peak RSS',
          'calls',
          'fewest',
          'planned',
          'bytes/row',
        ],
        rows: spans.map(({ label }) => row(label, found[label]!)),
        notes: [
          'CPU: of the program, all threads. Simulator alone: the same requests sent again with plain fetch to a new',
          'simulator and thrown away. Fewest: rows / 50,000 rounded up, the vendor’s page limit.',
          `Time per row grows by ${times(growth)} from ${spans[0]!.label} to ${spans.at(-1)!.label};`,
          `peak RSS by ${times(last['rssBytes']! / first['rssBytes']!)}.`,
        ],
      },
    ],
    figures: found,
    targets: [
      atMost('peak RSS of the longest backfill', last['rssBytes']! / 1e6, 300, 'MB'),
      atMost('time per row, longest to shortest', growth, 1.1, '×'),
      atMost('calls above the fewest possible', last['calls']! - last['fewestCalls']!, 0, ''),
    ],
  }
}

function row(label: string, figures: Figures): string[] {
  const { rows, wallMs, cpuMs, drainMs, rssBytes, calls, fewestCalls, plannedCalls, bytes } = figures
  return [
    label,
    count(rows!),
    ms(wallMs!),
    count((rows! / wallMs!) * 1000),
    ms(cpuMs!),
    ms(drainMs!),
    megabytes(rssBytes!),
    count(calls!),
    count(fewestCalls!),
    count(plannedCalls!),
    number(bytes! / rows!),
  ]
}

async function record({ from }: Span, { work }: Setup): Promise<Figures> {
  const dataDir = join(work, 'history')
  rmSync(dataDir, { recursive: true, force: true })
  mkdirSync(dataDir)
  const range = ['--ticker', 'SPY', '--from', from, '--to', TO, '--data-dir', dataDir, '--json']
  const planned = JSON.parse((await runNode([TAPELAKE, 'plan', ...range])).stdout) as { calls: number }
  const run = await withSimulator((url) => runBackfill(range, url, work))
  const ledger = join(dataDir, 'ledger', 'equity_bars_1m', 'SPY.json')
  const drain = await withSimulator((url) => runCase('drain-requests', { url, ledger }))
  const status = JSON.parse(
    (await runNode([TAPELAKE, 'status', '--data-dir', dataDir, '--json'])).stdout,
  ) as { series: readonly { rows: number; bytes: number }[] }
  const { rows, bytes } = status.series[0]!
  if (rows !== run['rows']) throw new Error(`status says ${rows} rows, the backfill ${run['rows']}`)
  return {
    ...run,
    bytes,
    drainMs: drain['wallMs']!,
    plannedCalls: planned.calls,
    fewestCalls: Math.ceil(rows / PAGE_ROWS),
  }
}

async function runBackfill(range: readonly string[], url: string, work: string): Promise<Figures> {
  const usagePath = join(work, 'usage.json')
  const { stdout, wallMs } = await runNode(
    [...REPORT_USAGE, TAPELAKE, 'backfill', ...range, '--no-progress', '--quiet'],
    {
      BENCH_USAGE: usagePath,
      POLYGON_REST_URL: url,
      POLYGON_API_KEY: 'bench',
      TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '0',
    },
  )
  const { rows, calls } = JSON.parse(stdout) as { rows: number; calls: number }
  const usage = JSON.parse(readFileSync(usagePath, 'utf8')) as Usage
  return {
    rows,
    calls,
    wallMs,
    cpuMs: (usage.userCPUTime + usage.systemCPUTime) / 1000,
    rssBytes: usage.maxRSS * 1024,
  }
}

async function withSimulator(work: (url: string) => Promise<Figures>): Promise<Figures> {
  const simulator = await serveSimulator()
  try {
    return await work(simulator.url)
  } finally {
    await simulator.stop()
  }
}
