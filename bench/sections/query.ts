import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { oneDay } from '../cases/query.ts'
import { compareCases, medians, runNode, serveSimulator, TAPELAKE, type Figures } from '../harness/child.ts'
import { count, ms, times } from '../harness/table.ts'
import { atMost, type Report, type Setup } from './section.ts'

/** More tickers beside the one asked for, so that there is something to leave out. */
const OTHERS = ['AAPL', 'MSFT', 'NVDA', 'AMZN', 'TSLA', 'QQQ']

/** One session of one ticker, from a lake with years of it and of others: through the ledger and by glob. */
export async function query(setup: Setup): Promise<Report> {
  const { smoke, rounds, work } = setup
  const root = join(work, 'history')
  await recordLake(root, smoke)
  const params = { root, runs: smoke ? 2 : 40 }
  const inProcess = await compareCases(rounds, {
    day: { name: 'ledger-query', params: { ...params, day: 1 } },
    ledger: { name: 'ledger-query', params },
    glob: { name: 'glob-query', params },
  })
  const commands: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    const sql = oneDay('equity_bars_1m')
    const { wallMs } = await runNode([TAPELAKE, 'query', sql, '--data-dir', root, '--format', 'csv'])
    commands.push({ wallMs })
  }
  const found = { ...inProcess, command: medians(commands) }
  const { day, ledger, glob, command } = found
  const files = readdirSync(join(root, 'lake'), { recursive: true }).filter((name) =>
    String(name).endsWith('.parquet'),
  )
  const row = (label: string, figures: Figures): string[] => [
    label,
    ms(figures['openMs']!),
    ms(figures['coldMs']!),
    ms(figures['warmMs']!),
    times(glob['warmMs']! / figures['warmMs']!),
  ]
  return {
    tables: [
      {
        title: `One session of one ticker, from a lake of ${count(files.length)} files`,
        head: ['', 'open', 'first query', 'warm', 'faster than glob'],
        rows: [
          row('ledger: files of that session', day),
          row('ledger: all files of the dataset', ledger),
          row('DuckDB, glob over the lake', glob),
          ['tapelake query, new process', ms(command['wallMs']!), '', '', ''],
        ],
      },
    ],
    figures: found,
    targets: [atMost('query of one day, warm', day['warmMs']!, 10, 'ms')],
  }
}

/** Adds to the lake what the query needs and it does not hold yet. */
async function recordLake(root: string, smoke: boolean): Promise<void> {
  const simulator = await serveSimulator()
  const env = {
    POLYGON_REST_URL: simulator.url,
    POLYGON_API_KEY: 'bench',
    TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '0',
  }
  const range = smoke
    ? ['--from', '2024-05-20', '--to', '2024-06-14']
    : ['--from', '2023-07-03', '--to', '2024-12-31']
  const tickers = ['SPY', ...(smoke ? [] : OTHERS)].join(',')
  try {
    await runNode(
      [TAPELAKE, 'backfill', '--ticker', tickers, ...range, '--data-dir', root, '--json', '--quiet'],
      env,
    )
  } finally {
    await simulator.stop()
  }
}
