import { InvalidArgumentError, type Command } from 'commander'
import { EXIT, type ExitCode } from '../../core/errors.ts'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatNumber, plural } from '../format.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags, seriesFilter, type SeriesFlags } from '../series-flags.ts'

interface ReprocessFlags extends SeriesFlags {
  readonly rename?: Readonly<Record<string, string>>
  readonly numbers: boolean
  readonly wait?: number
  readonly done: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('reprocess')
    .description('read the answers again that were kept because their fields had changed; asks nobody')
    .option('--rename <now=was>', 'a field has another name now (repeatable)', renaming)
    .option('--numbers', 'take texts that hold a number for the number', false)
    .option('--done', 'drop answers, too, of which fields are not understood but all rows are good', false)
    .option('--wait <seconds>', 'how long to wait for another run of a series', wholeNumber(0))
    .action(cli.action(reprocess))
  addSeriesFlags(command)
  examples(
    command,
    ['reprocess', 'after an update that knows the fields'],
    ['reprocess --rename volume=v', 'what is called volume now was v'],
    ['reprocess --numbers', 'numbers come as texts'],
  )
}

function renaming(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const match = /^([^=\s]+)=([^=\s]+)$/.exec(text)
  if (!match) throw new InvalidArgumentError('Expected the name now and the name before: volume=v.')
  return { ...before, [match[1]!]: match[2]! }
}

async function reprocess(context: RunContext, flags: ReprocessFlags): Promise<ExitCode> {
  const { config, out, signals, runId, logger } = context
  const { datasets, tickers } = await seriesFilter(flags)
  const { createEngine } = await import('../../lake/engines/index.ts')
  const { dataPaths } = await import('../../lake/layout.ts')
  const pipeline = await import('../../pipeline/drift/reprocess.ts')
  const { engine: name, compression, rowGroupRows } = config.settings.sinks.parquet
  const engine = createEngine(name, { tempDirectory: dataPaths(config.dataDir).scratch })
  const pages = []
  try {
    for await (const page of pipeline.reprocess({
      ...{ root: config.dataDir, runId, engine, compression, rowGroupRows, datasets, tickers },
      ...{ lockWaitMs: (flags.wait ?? 0) * 1000, signal: signals.immediate },
      done: flags.done,
      onMended: (note) => logger.warn(note),
      fixes: { rename: flags.rename ?? {}, numbers: flags.numbers },
    })) {
      pages.push(page)
      const { dataset, ticker, rows, refused, sessions, reason, unread } = page
      const kept = unread.length > 0 && !flags.done ? `; kept, not understood: ${unread.join(', ')}` : ''
      const left = refused > 0 ? `; ${plural(refused, 'row')} still refused: ${reason ?? ''}` : ''
      if (!context.flags.json) {
        out.line(
          `${ticker} ${dataset}: ${formatNumber(rows)} rows of ${plural(sessions.length, 'session')}${left}${kept}`,
        )
      }
    }
  } finally {
    await engine.close()
  }
  if (context.flags.json) out.json('tapelake.reprocess', 1, { dataDir: config.dataDir, pages })
  else if (pages.length === 0) out.line('No pages are kept.')
  return pages.some(({ refused, lost }) => refused > 0 || lost.length > 0) ? EXIT.partial : EXIT.ok
}
