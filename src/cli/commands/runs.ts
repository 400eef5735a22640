import { Option, type Command } from 'commander'
import { UsageError } from '../../core/errors.ts'
import type { RunRecord } from '../../lake/run-record.ts'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'

/** Flags of `runs`. */
export interface RunsFlags {
  readonly limit: number
  readonly ticker?: string
  readonly state?: RunRecord['state']
}

export function register(program: Command, cli: Cli): void {
  const runs = program
    .command('runs')
    .description('history of the runs that recorded something: what each did, cost and left')
    .option('--limit <n>', 'how many, newest first; 0 shows all', wholeNumber(0), 20)
    .option('--ticker <symbol>', 'only runs of this ticker')
    .addOption(
      new Option('--state <state>', 'only runs that stand so').choices([
        ...['running', 'ok', 'partial', 'failed', 'interrupted', 'died'],
      ]),
    )
    .action(
      cli.action(async (context: RunContext, flags: RunsFlags) => {
        const { listRuns } = await import('../../lake/run-store.ts')
        const { printRuns } = await import('../runs-text.ts')
        await printRuns(context, chosen(await listRuns(context.config.dataDir), flags))
      }),
    )
  runs
    .command('show <id>')
    .description('one run: counts, errors by category, what it left undone; `last` is the newest')
    .action(
      cli.action(async (context: RunContext, _flags: object, id: string) => {
        const { printRun } = await import('../runs-text.ts')
        printRun(context, await runCalled(context, id))
      }),
    )
  examples(
    runs,
    ['runs', 'the last 20 runs'],
    ['runs --state failed --limit 0', 'every run that failed'],
    ['runs show last', 'what the last run did'],
    ['runs show 20250611T020000Z-1a2b3c --json', 'one run, as JSON'],
  )
}

function chosen(runs: readonly RunRecord[], { limit, ticker, state }: RunsFlags): readonly RunRecord[] {
  const wanted = runs.filter(
    (run) =>
      (ticker === undefined || run.tickers.includes(ticker)) && (state === undefined || run.state === state),
  )
  return limit === 0 ? wanted : wanted.slice(0, limit)
}

/** The run called `id`, by its whole name or a beginning of it that no other has. @throws {UsageError} */
async function runCalled({ config }: RunContext, id: string): Promise<RunRecord> {
  const { listRuns, readRun } = await import('../../lake/run-store.ts')
  const exact = await readRun(config.dataDir, id)
  if (exact) return exact
  const runs = await listRuns(config.dataDir)
  const found = id === 'last' ? runs.slice(0, 1) : runs.filter((run) => run.id.startsWith(id))
  if (found.length === 1) return found[0]!
  if (found.length > 1) throw new UsageError(`'${id}' is the beginning of ${found.length} runs`)
  throw new UsageError(`there is no run '${id}' in ${config.dataDir}`, {
    hint: 'See tapelake runs. The oldest are forgotten.',
  })
}
