import { cpSync, mkdirSync, readFileSync, rmSync, statSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { REPORT_USAGE, runCase, runNode, TAPELAKE, type Figures, type Usage } from '../harness/child.ts'
import { timed } from '../harness/clock.ts'
import { count, megabytes, ms, number, times } from '../harness/table.ts'
import { atMost, type Report, type Setup } from './section.ts'

const TICKERS = [
  ...['SPY', 'QQQ', 'IWM', 'AAPL', 'MSFT', 'NVDA', 'AMZN', 'GOOGL'],
  ...['META', 'TSLA', 'AMD', 'AVGO', 'JPM', 'XOM', 'THNY'],
]
const SMOKE_TICKERS = ['SPY', 'THNY']
const SPAN = ['--from', '2020-01-02', '--to', '2024-12-31']
const SMOKE_SPAN = ['--from', '2024-12-02', '--to', '2024-12-31']
/** Restated twice, so that there are versions to merge. */
const RESTATED = 'SPY'

/**
 * Five years of minute bars of fifteen tickers: what it takes to say whether they are whole, right and unchanged, through
 * the built program, each beside DuckDB or the system doing the heart of the same work. Each runs once: the lake is
 * recorded once for all of them. BENCH_LAKE names one that was recorded before; it is copied.
 */
export async function trust({ smoke, work }: Setup): Promise<Report> {
  const place = join(work, 'trust')
  const lake = join(place, 'lake')
  mkdirSync(place, { recursive: true })
  await record(lake, place, smoke)
  const at = ['--data-dir', lake]
  const gaps = await program(['gaps', ...at], place, [0, 3])
  const quality = await program(['quality', ...at], place)
  const aggregate = await runCase('minute-aggregate', { lake })
  const deep = await program(['verify', '--deep', ...at], place)
  const everyValue = await runCase('every-value', { lake })
  const [copyMs, backup, again] = await backUp(lake, place)
  const { compact, history, rewrite } = await restateAndCompact(lake, place, smoke)
  const { asOf, plain, then } = await queries(lake, place)
  const rows = everyValue['rows']!
  const bytes = sizeOf(join(lake, 'lake'))
  rmSync(place, { recursive: true, force: true })
  const line = (label: string, one: Figures, what = rows, size = bytes): string[] => [
    ...[label, ms(one['wallMs']!), `${count((what / one['wallMs']!) * 1000)} rows/s`],
    ...[`${number(size / 1e3 / one['wallMs']!)} MB/s`, ms(one['cpuMs']!), megabytes(one['rssBytes']!)],
  ]
  const answer = (label: string, one: Figures): string[] => [
    ...[label, ms(one['wallMs']!), ms(one['cpuMs']!), megabytes(one['rssBytes']!)],
  ]
  const head = ['', 'wall', '', 'of Parquet', 'CPU', 'peak RSS']
  const tickers = smoke ? SMOKE_TICKERS : TICKERS
  return {
    tables: [
      {
        title: `${count(rows)} minute bars of ${tickers.length} tickers, ${megabytes(bytes)} of Parquet`,
        head,
        rows: [
          line('gaps: calendar, ledger, every minute', gaps),
          line('quality: eight parts of a score for every session, gaps included', quality),
          line('DuckDB: one aggregate by ticker and day', aggregate),
          line('verify --deep: every byte, every row, order, keys, digests', deep),
          line('DuckDB: a hash over every value', everyValue),
          line('backup, fsynced and read back', backup),
          line('backup again, nothing new', again),
          [
            'copy of the folder, no fsync, nothing compared',
            ms(copyMs),
            '',
            `${number(bytes / 1e3 / copyMs)} MB/s`,
            '-',
            '-',
          ],
        ],
        notes: [`gaps take ${times(gaps['wallMs']! / aggregate['wallMs']!)} the time of the aggregate.`],
      },
      {
        title: `compact: ${count(history['rows']!)} rows of versions of ${RESTATED}, restated twice`,
        head,
        rows: [
          line(
            `compact: ${count(history['files']!)} files, checked against the ledger`,
            compact,
            history['rows'],
            history['bytes'],
          ),
          line('DuckDB: the same rows into one file', rewrite, history['rows'], history['bytes']),
        ],
      },
      {
        title: `One aggregate over ${RESTATED} by query`,
        head: ['', 'wall', 'CPU', 'peak RSS'],
        rows: [
          answer('as it is', plain),
          answer('--as-of before it was restated', then),
          answer('--as-of now', asOf),
        ],
      },
    ],
    figures: {
      gaps,
      quality,
      aggregate,
      deep,
      everyValue,
      backup,
      again,
      compact,
      rewrite,
      plain,
      then,
      asOf,
    },
    targets: [
      atMost('peak RSS of quality', quality['rssBytes']! / 1e6, 700, 'MB'),
      atMost('peak RSS of verify --deep', deep['rssBytes']! / 1e6, 700, 'MB'),
    ],
  }
}

async function record(lake: string, place: string, smoke: boolean): Promise<void> {
  const given = process.env['BENCH_LAKE']
  if (given !== undefined && !smoke) return cpSync(given, lake, { recursive: true })
  const tickers = (smoke ? SMOKE_TICKERS : TICKERS).join(',')
  const span = smoke ? SMOKE_SPAN : SPAN
  const source = ['--source', 'simulator', '--workers', '2', '--data-dir', lake]
  await program(['backfill-all', '--tickers', tickers, ...span, ...source], place)
}

async function backUp(lake: string, place: string): Promise<readonly [number, Figures, Figures]> {
  const folder = join(place, 'backup')
  const copyMs = await timed(() => cpSync(lake, join(place, 'copy'), { recursive: true }))
  rmSync(join(place, 'copy'), { recursive: true })
  const first = await program(['backup', folder, '--data-dir', lake], place)
  return [copyMs, first, await program(['backup', folder, '--data-dir', lake], place)]
}

/** Records one ticker twice more, each time from another vendor, and compacts what gave way. */
async function restateAndCompact(lake: string, place: string, smoke: boolean) {
  const span = smoke ? SMOKE_SPAN : SPAN
  for (const seed of ['2', '3']) {
    const args = [
      'backfill',
      '--ticker',
      RESTATED,
      ...span,
      '--force',
      '--source',
      'simulator',
      '--data-dir',
      lake,
    ]
    await program(args, place, [0], { TAPELAKE__SIMULATOR__SEED: seed })
  }
  const folder = join(lake, 'history')
  const names = readdirSync(folder, { recursive: true }).map(String)
  const files = names.filter((name) => name.endsWith('.parquet')).length
  const rewrite = await runCase('merge-files', { folder, to: join(place, 'merged.parquet') })
  const history: Figures = { files, bytes: sizeOf(folder), rows: rewrite['rows']! }
  return { compact: await program(['compact', '--data-dir', lake], place), history, rewrite }
}

async function queries(lake: string, place: string) {
  const sql = `SELECT count(*), sum(volume), max(high) FROM equity_bars_1m WHERE ticker = '${RESTATED}'`
  const ask = (...more: string[]) => program(['query', sql, ...more, '--data-dir', lake], place)
  const ledger = JSON.parse(
    readFileSync(join(lake, 'ledger', 'equity_bars_1m', `${RESTATED}.json`), 'utf8'),
  ) as {
    history: { until: string }[]
  }
  const first = ledger.history.map(({ until }) => until).sort()[0]!
  const before = new Date(Date.parse(first) - 1).toISOString()
  return {
    plain: await ask(),
    then: await ask('--as-of', before),
    asOf: await ask('--as-of', new Date().toISOString()),
  }
}

function sizeOf(folder: string): number {
  const names = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
  return names.filter((name) => name.endsWith('.parquet')).reduce((sum, name) => sum + statSync(name).size, 0)
}

/** Runs the program and says what it took. */
async function program(
  args: readonly string[],
  place: string,
  codes: readonly number[] = [0],
  env: Readonly<Record<string, string>> = {},
): Promise<Figures> {
  const usage = join(place, 'usage.json')
  const { wallMs } = await runNode(
    [...REPORT_USAGE, TAPELAKE, ...args, '--json', '--no-progress'],
    { ...env, BENCH_USAGE: usage },
    { codes },
  )
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(readFileSync(usage, 'utf8')) as Usage
  return { wallMs, cpuMs: (userCPUTime + systemCPUTime) / 1000, rssBytes: maxRSS * 1024 }
}
