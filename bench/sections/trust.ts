import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  medians,
  REPORT_USAGE,
  runCase,
  runNode,
  TAPELAKE,
  type Figures,
  type Usage,
} from '../harness/child.ts'
import { count, megabytes, ms, times } from '../harness/table.ts'
import { atMost, type Report, type Setup } from './section.ts'

const TICKERS = ['SPY', 'NVDA', 'THNY']
const SPAN = ['--from', '2020-01-02', '--to', '2024-12-31']
const SMOKE_SPAN = ['--from', '2024-12-02', '--to', '2024-12-31']

/** Gaps and quality of years of minute bars, through the built program, beside one aggregate of DuckDB over the same files. */
export async function trust({ smoke, rounds, work }: Setup): Promise<Report> {
  const place = join(work, 'trust')
  const lake = join(place, 'lake')
  mkdirSync(place, { recursive: true })
  const at = ['--data-dir', lake]
  const span = smoke ? SMOKE_SPAN : SPAN
  const record = ['backfill', '--source', 'simulator', '--ticker', TICKERS.join(','), ...span, ...at]
  const rows = await program(record, place)
  const median = async (run: () => Promise<Figures>): Promise<Figures> => {
    const runs: Figures[] = []
    for (let round = 0; round < (smoke ? 1 : rounds); round++) runs.push(await run())
    return medians(runs)
  }
  const gaps = await median(() => program(['gaps', ...at], place))
  const quality = await median(() => program(['quality', ...at], place))
  const peer = await median(() => runCase('minute-aggregate', { lake }))
  rmSync(place, { recursive: true, force: true })
  const line = (label: string, figures: Figures): string[] => [
    label,
    ms(figures['wallMs']!),
    `${count((rows['rows']! / figures['wallMs']!) * 1000)} rows/s`,
    ms(figures['cpuMs']!),
    megabytes(figures['rssBytes']!),
  ]
  return {
    tables: [
      {
        title: `Gaps and quality of ${count(rows['rows']!)} minute bars, ${TICKERS.length} tickers`,
        head: ['', 'wall', '', 'CPU', 'peak RSS'],
        rows: [
          line('gaps: calendar, ledger, every minute, start of the program included', gaps),
          line('quality: eight parts of a score for every session, gaps included', quality),
          line('DuckDB: one aggregate by ticker and day', peer),
        ],
        notes: [`gaps take ${times(gaps['wallMs']! / peer['wallMs']!)} the time of the aggregate.`],
      },
    ],
    figures: { gaps, quality, peer },
    targets: [atMost('peak RSS of quality', quality['rssBytes']! / 1e6, 700, 'MB')],
  }
}

/** Runs the program and says what it took. */
async function program(args: readonly string[], place: string): Promise<Figures> {
  const usage = join(place, 'usage.json')
  const { stdout, wallMs } = await runNode([...REPORT_USAGE, TAPELAKE, ...args, '--json', '--no-progress'], {
    BENCH_USAGE: usage,
  })
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(readFileSync(usage, 'utf8')) as Usage
  const { rows = 0 } = JSON.parse(stdout) as { rows?: number }
  return { wallMs, cpuMs: (userCPUTime + systemCPUTime) / 1000, rssBytes: maxRSS * 1024, rows }
}
