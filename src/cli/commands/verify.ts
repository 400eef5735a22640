import type { Command } from 'commander'
import { EXIT, UsageError, type ExitCode } from '../../core/errors.ts'
import type { SeriesId } from '../../lake/layout.ts'
import type { Finding, VerifiedSeries } from '../../lake/verify.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatBytes, formatNumber, plural } from '../format.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags, flagsText, heldText, seriesFilter, type SeriesFlags } from '../series-flags.ts'

interface VerifyFlags extends SeriesFlags {
  readonly deep?: boolean
  readonly rebuildLedger?: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('verify')
    .description('compare every file with the ledger: bytes, footer, columns; exit 3 names what differs')
    .option('--deep', 'read every row as well: order, keys, sessions, values')
    .option('--rebuild-ledger', 'first make lost or damaged ledgers anew; Parquet files stay as they are')
    .action(cli.action(verify))
  addSeriesFlags(command)
  examples(
    command,
    ['verify', 'the whole lake'],
    ['verify --deep --ticker SPY --json', 'every row of one ticker, as JSON'],
    ['verify --rebuild-ledger', 'after a ledger was lost'],
  )
}

async function verify(context: RunContext, given: VerifyFlags): Promise<ExitCode> {
  const { config, out, flags, signals } = context
  const { deep = false, rebuildLedger = false, ...only } = given
  const filter = await seriesFilter(only)
  const { openLake } = await import('../../lake/index.ts')
  const lake = await openLake(config.dataDir)
  try {
    const total = (await lake.series(filter)).length
    const words = flagsText(only)
    if (total === 0 && words !== '')
      throw new UsageError(`nothing recorded matches ${words}`, { hint: await heldText(lake) })
    const rebuilt = rebuildLedger ? await rebuild(context, await lake.series(filter)) : []
    const series = await readAll(context, lake.verify(filter, { deep }), total, signals.immediate)
    const strays = words === '' ? (await lake.strays()).map(strayFinding) : []
    const unstamped = total > 0 && !lake.stamp ? [STAMP_LOST] : []
    const findings = [...unstamped, ...series.flatMap((verified) => verified.findings), ...strays]
    const sum = totals(series)
    if (flags.json) {
      out.json('tapelake.verify', 1, { dataDir: config.dataDir, deep, rebuilt, ...sum, findings })
    } else report(context, sum, findings)
    return findings.length > 0 ? EXIT.partial : EXIT.ok
  } finally {
    await lake.close()
  }
}

async function rebuild(
  { config, out, signals }: RunContext,
  series: readonly SeriesId[],
): Promise<readonly string[]> {
  const { createEngine } = await import('../../lake/engines/index.ts')
  const { dataPaths } = await import('../../lake/layout.ts')
  const { rebuildLedgers } = await import('../../lake/rebuild.ts')
  const engine = createEngine('duckdb', { tempDirectory: dataPaths(config.dataDir).scratch })
  try {
    const rebuilt = await rebuildLedgers(config.dataDir, series, engine, signals.immediate)
    for (const path of rebuilt) out.note(`${path} was made anew from the segments.`)
    if (rebuilt.length === 0) out.note('No ledger is lost or damaged; none was made anew.')
    return rebuilt
  } finally {
    await engine.close()
  }
}

const STAMP_LOST: Finding = {
  ...{ dataset: '', ticker: '', file: 'lake.json', problem: 'stamp_lost' },
  detail: 'it says whether the data are real or synthetic, and is gone: restore it from a backup',
}

function strayFinding(file: string): Finding {
  const [, dataset = '', ticker = ''] = file.split('/')
  const detail = 'it lies in the folder of no series; it is not part of the lake'
  return {
    dataset,
    ticker: ticker.includes('=') ? ticker.split('=')[1]! : '',
    file,
    problem: 'orphan',
    detail,
  }
}

async function readAll(
  context: RunContext,
  verified: AsyncGenerator<VerifiedSeries>,
  total: number,
  signal: AbortSignal,
): Promise<VerifiedSeries[]> {
  const { abortable } = await import('../../core/abort.ts')
  const progress = await context.progress({ total, label: 'verify' })
  const series: VerifiedSeries[] = []
  let rows = 0
  try {
    for (;;) {
      const next = await abortable(verified.next(), signal)
      if (next.done) return series
      series.push(next.value)
      rows += next.value.rows
      progress.update(series.length, { rows, at: `${next.value.dataset} ${next.value.ticker}` })
    }
  } finally {
    progress.stop()
  }
}

interface Totals {
  readonly series: number
  readonly files: number
  readonly rows: number
  readonly bytes: number
}

function totals(series: readonly VerifiedSeries[]): Totals {
  const sum = (of: (verified: VerifiedSeries) => number) => series.reduce((all, one) => all + of(one), 0)
  return {
    series: series.length,
    files: sum(({ files }) => files),
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
  }
}

/** What asking the vendor anew can mend. */
const DAMAGE: ReadonlySet<Finding['problem']> = new Set([
  ...(['file_missing', 'file_unreadable', 'size', 'checksum', 'rows', 'content', 'order', 'cell'] as const),
])

function report(
  { out, config }: RunContext,
  { series, files, rows, bytes }: Totals,
  findings: readonly Finding[],
): void {
  for (const { dataset, ticker, file, problem, detail } of findings)
    out.line(`${problem}: ${file ?? `${dataset} ${ticker}`}: ${detail}`)
  const read = `${plural(series, 'series', 'series')}, ${plural(files, 'file')}, ${formatNumber(rows)} rows, ${formatBytes(bytes)}`
  // A mistyped --data-dir must not read as a good lake.
  if (series === 0 && findings.length === 0)
    out.line(`Nothing is held in ${config.dataDir}: nothing to verify.`)
  else if (findings.length === 0) out.line(`In order: ${read}.`)
  else out.line(`${plural(findings.length, 'difference')} in ${read}.`)
  if (findings.some(({ problem }) => DAMAGE.has(problem)))
    out.note(
      'Mend a damaged file with `tapelake backfill … --force` over its sessions, or with `tapelake restore`.',
    )
}
