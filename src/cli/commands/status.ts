import type { Command } from 'commander'
import type { Lake } from '../../lake/index.ts'
import type { SeriesStatus } from '../../lake/status.ts'
import { moment } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatBytes, formatNumber, plural } from '../format.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags, flagsText, heldText, seriesFilter, type SeriesFlags } from '../series-flags.ts'

/** Holes listed for people; --json lists them all. */
const MAX_HOLES = 20

interface StatusFlags extends SeriesFlags {
  readonly asOf?: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('status')
    .description('what the lake holds: tickers, ranges, rows, bytes, holes')
    .option('--as-of <instant>', 'the lake as it stood then: ISO 8601, UTC', moment)
    .action(cli.action(status))
  addSeriesFlags(command)
  examples(
    command,
    ['status', 'everything that is held'],
    ['status --ticker SPY --json', 'one ticker, every hole, as JSON'],
    ['status --as-of 2025-06-02T21:00:00Z', 'what it held then'],
  )
}

async function status({ config, out, flags }: RunContext, given: StatusFlags): Promise<void> {
  const { asOf, ...only } = given
  const filter = { ...(await seriesFilter(only)), asOf }
  const { openLake } = await import('../../lake/index.ts')
  const lake = await openLake(config.dataDir)
  try {
    const series: SeriesStatus[] = []
    for await (const row of lake.status(filter)) series.push(row)
    const provenance = lake.stamp?.provenance ?? null
    if (flags.json)
      return out.json('tapelake.status', 1, {
        ...{ dataDir: config.dataDir, provenance, ...(asOf === undefined ? {} : { asOf }) },
        series,
      })
    if (series.length === 0) return out.note(await nothingText(lake, only))
    await out.table(HEAD, series.map(statusRow), { right: [4, 5, 6, 7, 8] })
    printHoles({ out }, series)
    if (provenance === 'synthetic') out.note('This lake holds synthetic data from the simulator.')
  } finally {
    await lake.close()
  }
}

async function nothingText(lake: Lake, only: SeriesFlags): Promise<string> {
  const given = flagsText(only)
  if (given !== '') return `Nothing recorded matches ${given}. ${await heldText(lake)}`
  return `Nothing is held in ${lake.root}. Record with: tapelake backfill --ticker SPY`
}

const HEAD = ['dataset', 'ticker', 'first', 'last', 'rows', 'size', 'files', 'sessions', 'holes']

function statusRow(series: SeriesStatus): string[] {
  const { dataset, ticker, first, last, rows, bytes, files, cells, holes } = series
  const held = cells.complete + cells.empty
  const missing = holes.reduce((sum, { sessions }) => sum + sessions, 0)
  return [
    ...[dataset, ticker, first ?? '-', last ?? '-'],
    ...[
      formatNumber(rows),
      formatBytes(bytes),
      formatNumber(files),
      formatNumber(held),
      formatNumber(missing),
    ],
  ]
}

function printHoles({ out }: Pick<RunContext, 'out'>, series: readonly SeriesStatus[]): void {
  const holes = series.flatMap((row) => row.holes)
  if (holes.length > 0) out.line('\nHoles:')
  for (const { dataset, ticker, from, to, sessions, state, reason } of holes.slice(0, MAX_HOLES)) {
    const range = from === to ? from : `${from} to ${to} (${plural(sessions, 'session')})`
    out.line(`  ${dataset} ${ticker} ${range}: ${state}, ${reason}`)
  }
  if (holes.length > MAX_HOLES) out.line(`  and ${holes.length - MAX_HOLES} more; --json lists them all`)
}
