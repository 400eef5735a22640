import type { Command } from 'commander'
import type { CompactedSeries } from '../../lake/compact.ts'
import { EXIT, type ExitCode } from '../../core/errors.ts'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatBytes, formatNumber, plural } from '../format.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags, seriesFilter, type SeriesFlags } from '../series-flags.ts'

interface CompactFlags extends SeriesFlags {
  readonly keepDays?: number
  readonly wait?: number
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('compact')
    .description('drop versions beyond the retention and merge the files of the others; live rows stay')
    .option('--keep-days <n>', 'instead of versions.keepDays; 0 keeps all', wholeNumber(0))
    .option('--wait <seconds>', 'wait for another writer of a series', wholeNumber(0))
    .action(cli.action(compact))
  addSeriesFlags(command)
  examples(command, ['compact', 'the whole lake'], ['compact --keep-days 30 --ticker SPY', 'one ticker'])
}

async function compact(context: RunContext, given: CompactFlags): Promise<ExitCode> {
  const { config, flags, out, signals, runId, now } = context
  const { keepDays = config.settings.versions.keepDays, wait = 0, ...only } = given
  const { openLake } = await import('../../lake/index.ts')
  const { compactSeries } = await import('../../lake/compact.ts')
  const { createEngine } = await import('../../lake/engines/index.ts')
  const { dataPaths } = await import('../../lake/layout.ts')
  const { compression, rowGroupRows } = config.settings.sinks.parquet
  const lake = await openLake(config.dataDir)
  const engine = createEngine('columnar', { tempDirectory: dataPaths(config.dataDir).scratch })
  try {
    const options = {
      ...{ root: config.dataDir, runId, nowMs: now(), keepDays, lockWaitMs: wait * 1000 },
      ...{ engine, compression, rowGroupRows },
    }
    const series: CompactedSeries[] = []
    for (const one of await lake.series(await seriesFilter(only))) {
      series.push(await compactSeries(one, options, signals.immediate))
    }
    if (flags.json) out.json('tapelake.compact', 1, { dataDir: config.dataDir, keepDays, series })
    else await report(context, series)
    return series.some(({ skipped }) => skipped !== undefined) ? EXIT.locked : EXIT.ok
  } finally {
    await engine.close()
    await lake.close()
  }
}

async function report({ out }: RunContext, series: readonly CompactedSeries[]): Promise<void> {
  const touched = series.filter(({ dropped, filesBefore }) => dropped > 0 || filesBefore > 0)
  const dropped = touched.reduce((sum, one) => sum + one.dropped, 0)
  const rows = touched.map((one) => [
    ...[one.dataset, one.ticker, formatNumber(one.dropped)],
    ...[formatNumber(one.filesBefore), formatNumber(one.filesAfter)],
    ...[formatBytes(one.bytesBefore), formatBytes(one.bytesAfter)],
  ])
  if (rows.length > 0) {
    const head = ['dataset', 'ticker', 'dropped', 'files', 'now', 'size', 'now']
    await out.table(head, rows, { right: [2, 3, 4, 5, 6] })
  }
  out.line(`${plural(series.length, 'series', 'series')}, ${plural(dropped, 'version')} dropped.`)
  for (const { skipped } of series) if (skipped !== undefined) out.note(`Left alone: ${skipped}.`)
}
