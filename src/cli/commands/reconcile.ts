import { InvalidArgumentError, type Command } from 'commander'
import { EXIT, UsageError, type ExitCode } from '../../core/errors.ts'
import type { Reconciliation } from '../../lake/reconcile.ts'
import { day } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatNumber } from '../format.ts'
import { examples } from '../program-text.ts'
import type { ReconcileFlags } from '../reconcile-run.ts'
import { addSeriesFlags } from '../series-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('reconcile')
    .description(
      'compare the rows held with those of another lake or of a source, column by column; exit 3 where they differ',
    )
    .requiredOption(
      '--against <dir>',
      'data directory of another lake, e.g. recorded from another vendor; or polygon, simulator: ask again',
    )
    .option('--from <date>', 'first session, inclusive', day)
    .option('--to <date>', 'last session, inclusive', day)
    .option('--tolerance <column=percent>', 'e.g. close=0.1 or prices=1, volume=5 (repeatable)', tolerance)
    .action(cli.action(reconcile))
  addSeriesFlags(command)
  examples(
    command,
    ['reconcile --against /data/other --ticker SPY', 'prices within 0.5 %, all else the same'],
    ['reconcile --against /data/other --tolerance volume=5 --json', 'a report, as JSON'],
    [
      'reconcile --against polygon --ticker SPY --from 2025-06-02',
      'what was streamed with what REST says now',
    ],
  )
}

/** Reads `close=0.1`: percent, by column; `prices` stands for every column in USD. */
function tolerance(
  text: string,
  before: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  const given = /^([a-z_0-9]+)=(\d+(?:\.\d+)?)%?$/.exec(text)
  if (!given) throw new InvalidArgumentError('Expected a column and percent, like close=0.1.')
  return new Map([...before, [given[1]!, Number(given[2]) / 100]])
}

async function reconcile(context: RunContext, flags: ReconcileFlags): Promise<ExitCode> {
  const { reconcileAll } = await import('../reconcile-run.ts')
  const compared = await reconcileAll(context, flags)
  if (compared.length === 0) {
    throw new UsageError(`nothing is held that ${flags.against} has, too`, {
      hint: 'See `tapelake status` of either lake.',
    })
  }
  const isEqual = compared.every(({ found }) => isAgreed(found))
  const { out, config } = context
  if (context.flags.json) {
    const series = compared.map(({ found, ...one }) => ({ ...one, agreed: isAgreed(found), ...found }))
    out.json('tapelake.reconcile', 1, {
      dataDir: config.dataDir,
      against: flags.against,
      agreed: isEqual,
      series,
    })
  } else {
    for (const { dataset, ticker, from, to, found } of compared) {
      const { both, onlyLeft, onlyRight } = found.rows
      const counts = `${formatNumber(both)} rows in both, ${formatNumber(onlyLeft)} here only, ${formatNumber(onlyRight)} there only`
      out.line(
        `${ticker} ${dataset} ${from} to ${to}: ${counts}; ${isAgreed(found) ? 'agreed' : 'they differ'}`,
      )
      await out.table(HEAD, found.columns.map(columnRow), { right: [1, 2, 3, 4, 5] })
    }
  }
  return isEqual ? EXIT.ok : EXIT.partial
}

const HEAD = ['column', 'tolerance', 'compared', 'differing', 'beyond', 'worst']
const percent = (part: number): string => `${Number((part * 100).toPrecision(3))} %`

const columnRow = (one: Reconciliation['columns'][number]): string[] => [
  ...[one.column, percent(one.tolerance), formatNumber(one.compared)],
  ...[formatNumber(one.differing), formatNumber(one.beyond), one.worst === null ? '-' : percent(one.worst)],
]

const isAgreed = ({ rows, columns }: Reconciliation): boolean =>
  rows.onlyLeft === 0 && rows.onlyRight === 0 && columns.every(({ beyond }) => beyond === 0)
