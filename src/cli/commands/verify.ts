import type { Command } from 'commander'
import { EXIT, UsageError, type ExitCode } from '../../core/errors.ts'
import type { Finding, VerifiedSeries } from '../../lake/verify.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatBytes, formatNumber, plural } from '../format.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags, flagsText, heldText, seriesFilter, type SeriesFlags } from '../series-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('verify')
    .description('read every file again and compare it with the ledger; exit 3 names what differs')
    .action(cli.action(verify))
  addSeriesFlags(command)
  examples(command, ['verify', 'the whole lake'], ['verify --ticker SPY --json', 'one ticker, as JSON'])
}

async function verify(context: RunContext, only: SeriesFlags): Promise<ExitCode> {
  const { config, out, flags, signals } = context
  const filter = await seriesFilter(only)
  const { openLake } = await import('../../lake/index.ts')
  const lake = await openLake(config.dataDir)
  try {
    const total = (await lake.series(filter)).length
    const given = flagsText(only)
    if (total === 0 && given !== '')
      throw new UsageError(`nothing recorded matches ${given}`, { hint: await heldText(lake) })
    const series = await readAll(context, lake.verify(filter), total, signals.immediate)
    const findings = series.flatMap((verified) => verified.findings)
    const sum = totals(series)
    if (flags.json) out.json('tapelake.verify', 1, { dataDir: config.dataDir, ...sum, findings })
    else report(context, sum, findings)
    return findings.length > 0 ? EXIT.partial : EXIT.ok
  } finally {
    await lake.close()
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

function report(
  { out }: RunContext,
  { series, files, rows, bytes }: Totals,
  findings: readonly Finding[],
): void {
  for (const { dataset, ticker, file, problem, detail } of findings)
    out.line(`${problem}: ${file ?? `${dataset} ${ticker}`}: ${detail}`)
  const read = `${plural(series, 'series', 'series')}, ${plural(files, 'file')}, ${formatNumber(rows)} rows, ${formatBytes(bytes)}`
  if (findings.length === 0) out.line(`In order: ${read}.`)
  else out.line(`${plural(findings.length, 'difference')} in ${read}.`)
}
