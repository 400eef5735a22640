import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
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
import { count, megabytes, ms, number } from '../harness/table.ts'
import { atMost, type Report, type Setup } from './section.ts'

/** Stocks of a day file; the vendor's have about so many. */
const TICKERS = 11_000
const SMOKE_TICKERS = 40

/**
 * A day file of all stocks into the lake, one series each, and the lake into a backup and back, through the built
 * program. The import takes minutes: it is run once.
 */
export async function custody({ smoke, rounds, work }: Setup): Promise<Report> {
  const place = join(work, 'custody')
  mkdirSync(place, { recursive: true })
  const path = join(place, '2025-06-02.csv.gz')
  const tickers = smoke ? SMOKE_TICKERS : TICKERS
  const { rows } = await runCase('prepare-day-file', { path, tickers })
  const peer = await median(rounds, () =>
    runCase('csv-to-parquet', { path, to: join(place, 'peer.parquet') }),
  )
  const lake = join(place, 'lake')
  const importArgs = ['import', path, '--synthetic', '--data-dir', lake]
  const first = await program(importArgs, place)
  const again = await program(importArgs, place)
  const folder = join(place, 'backup')
  const restored = join(place, 'restored')
  const backup = await program(['backup', folder, '--data-dir', lake], place)
  const second = await program(['backup', folder, '--data-dir', lake], place)
  const restore = await program(['restore', folder, '--data-dir', restored], place)
  const copied = copyOf(lake, join(place, 'copy'))
  rmSync(place, { recursive: true, force: true })
  const bytes = backup['bytes']!
  const speed = ({ wallMs }: Figures): string => `${number(bytes / 1e3 / wallMs!)} MB/s`
  const line = (label: string, figures: Figures, per: string): string[] => [
    label,
    ms(figures['wallMs']!),
    per,
    ms(figures['cpuMs']!),
    megabytes(figures['rssBytes']!),
  ]
  const perSecond = ({ wallMs }: Figures): string => `${count((rows! / wallMs!) * 1000)} rows/s`
  return {
    tables: [
      {
        title: `Day file of ${count(rows!)} minute bars of ${count(tickers)} stocks, gzipped`,
        head: ['', 'wall', '', 'CPU', 'peak RSS'],
        rows: [
          line('import: a series, a ledger, a commit each', first, perSecond(first)),
          line('the same file again: nothing changes', again, perSecond(again)),
          line('DuckDB: read_csv to one Parquet file', peer, perSecond(peer)),
        ],
        notes: [`${ms(first['wallMs']! / tickers)} per series, each durable by itself.`],
      },
      {
        title: `Backup of that lake: ${count(backup['files']!)} files, ${megabytes(bytes)}`,
        head: ['', 'wall', '', 'CPU', 'peak RSS'],
        rows: [
          line('backup, fsynced and read back', backup, speed(backup)),
          line('backup again, nothing new', second, speed(second)),
          line('restore, fsynced and compared', restore, speed(restore)),
          ['copy of the folder, no fsync, nothing compared', ms(copied), speed({ wallMs: copied }), '-', '-'],
        ],
      },
    ],
    figures: { import: first, again, peer, backup, second, restore },
    targets: [atMost('peak RSS of the import of a day of all stocks', first['rssBytes']! / 1e6, 1000, 'MB')],
  }
}

async function median(rounds: number, run: () => Promise<Figures>): Promise<Figures> {
  const runs: Figures[] = []
  for (let round = 0; round < rounds; round++) runs.push(await run())
  return medians(runs)
}

/** Runs the program and says what it took. */
async function program(args: readonly string[], place: string): Promise<Figures> {
  const usage = join(place, 'usage.json')
  const { stdout, wallMs } = await runNode([...REPORT_USAGE, TAPELAKE, ...args, '--json', '--no-progress'], {
    BENCH_USAGE: usage,
  })
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(readFileSync(usage, 'utf8')) as Usage
  const { files = 0, bytes = 0 } = JSON.parse(stdout) as { files?: unknown; bytes?: number }
  const cpuMs = (userCPUTime + systemCPUTime) / 1000
  return { wallMs, cpuMs, rssBytes: maxRSS * 1024, files: Number(files) || 0, bytes }
}

function copyOf(from: string, to: string): number {
  const startMs = performance.now()
  cpSync(from, to, { recursive: true })
  return performance.now() - startMs
}
