import { extname } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../../core/errors.ts'
import type { ResultFormat } from '../../lake/reader/index.ts'
import { moment } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'
import { score } from './quality.ts'

/** The formats, as in {@link ResultFormat}; the last of a file name tells the format of --output. */
const FORMATS: readonly ResultFormat[] = ['table', 'csv', 'json', 'parquet', 'arrow']
const BINARY: ReadonlySet<ResultFormat> = new Set(['parquet', 'arrow'])

interface QueryFlags {
  readonly format?: string
  readonly output?: string
  readonly file?: string
  readonly asOf?: string
  readonly minQuality?: number
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('query')
    .argument('[sql]', 'one statement that reads; a view per dataset')
    .description('ask the lake in SQL (DuckDB); reads exactly what the ledger holds, changes nothing')
    .option('--format <name>', `${FORMATS.join(', ')} (default table, or by the name of --output)`)
    .option('-o, --output <file>', 'write to this file, whole or not at all')
    .option('-f, --file <file>', 'read the statement from this file; - is stdin')
    .option('--as-of <instant>', 'the lake as it stood then: ISO 8601, UTC', moment)
    .option('--min-quality <score>', 'exit 5 where a session that is read scores less (see quality)', score)
    .action(cli.action(query))
  examples(
    command,
    ['query "SELECT ticker, count(*) FROM equity_bars_1m GROUP BY ticker"', 'a table'],
    ['query "SELECT * FROM equity_bars_1d" --output days.csv', 'a CSV file'],
    ['query -f report.sql --format json', 'a statement from a file'],
    ['query --as-of 2025-06-02T21:00:00Z "FROM equity_bars_1d"', 'before a restatement'],
  )
}

async function query(context: RunContext, flags: QueryFlags, given: string | undefined): Promise<void> {
  const sql = await statement(flags, given)
  const format = formatOf(context, flags)
  if (flags.asOf !== undefined && Date.parse(flags.asOf) > context.now())
    context.out.note(`${flags.asOf} lies ahead: this is the lake as it stands now.`)
  const { openLakeReader } = await import('../lake-reader.ts')
  const reader = await openLakeReader(context.config, flags.asOf)
  try {
    const { minQuality = context.config.settings.quality.readMin } = flags
    if (minQuality > 0) {
      const { assertQuality } = await import('../quality-gate.ts')
      const tree = await reader.syntaxTree(sql)
      await assertQuality(context, { sql, tree }, minQuality, flags.asOf)
    }
    const { writeResult } = await import('../../lake/reader/index.ts')
    const result = await reader.query(sql, context.signals.immediate)
    const { maxRows } = context.config.settings.query
    const { out } = context
    if (flags.output !== undefined) {
      const { writeWhole } = await import('../output-file.ts')
      await writeWhole(flags.output, context, (file) => writeResult(result, format, file))
    } else if (context.flags.json) {
      await out.jsonAround('tapelake.query', 1, 'rows', () => writeResult(result, 'json', out.stream))
    } else {
      await writeResult(result, format, out.stream, { maxRows })
    }
  } finally {
    await reader.close()
  }
}

async function statement({ file }: QueryFlags, given: string | undefined): Promise<string> {
  if (given !== undefined && file !== undefined) throw new UsageError('give the SQL or --file, not both')
  if (given !== undefined) return given
  if (file === undefined) throw new UsageError('no SQL was given')
  if (file === '-') {
    const { text } = await import('node:stream/consumers')
    return text(process.stdin)
  }
  const { readFile } = await import('node:fs/promises')
  return readFile(file, 'utf8').catch((cause: Error) => {
    throw new UsageError(`--file ${file}: ${cause.message}`, { cause })
  })
}

function formatOf({ flags: { json }, out }: RunContext, { format, output }: QueryFlags): ResultFormat {
  const word = format ?? (json ? 'json' : (extensionOf(output) ?? 'table'))
  const known = FORMATS.find((candidate) => candidate === word)
  if (!known) throw new UsageError(`unknown format '${word}'`, { hint: `Formats: ${FORMATS.join(', ')}.` })
  if (json && known !== 'json') throw new UsageError(`--json and --format ${known} exclude each other`)
  if (BINARY.has(known) && output === undefined && out.stream.isTTY)
    throw new UsageError(`${known} is not for a terminal`, { hint: `Say --output result.${known}.` })
  return known
}

/** The format that the ending of `output` tells, if it has one. @throws {UsageError} when it is none we write */
function extensionOf(output: string | undefined): string | undefined {
  const ending = extname(output ?? '')
  if (ending === '') return undefined
  const known = FORMATS.find((format) => `.${format}` === ending.toLowerCase())
  if (known) return known
  throw new UsageError(`--output ${output}: the ending ${ending} tells no format`, {
    hint: `Say --format, or use one of ${FORMATS.map((format) => `.${format}`).join(', ')}.`,
  })
}
