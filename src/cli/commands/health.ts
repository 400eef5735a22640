import type { Command } from 'commander'
import { EXIT, UsageError, type ExitCode } from '../../core/errors.ts'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { BudgetView } from '../../pipeline/budget.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'

/** Flags of `health`. */
export interface HealthFlags {
  /** Seconds between two looks; true: the default. */
  readonly watch?: number | true
}

const WATCH_SECONDS = 5
/** Clears the screen and goes to its upper left corner. */
const CLEAR = '\u001b[2J\u001b[H'

const EXIT_OF = { ok: EXIT.ok, degraded: EXIT.partial, down: EXIT.failed } as const

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('health')
    .description('whether all is well: runs, freshness, streams, breakers, disk; exit 0 only if it is')
    .option(
      '--watch [seconds]',
      `look again every so many seconds (default ${WATCH_SECONDS})`,
      wholeNumber(1),
    )
    .action(
      cli.action(
        async (context: RunContext, { watch }: HealthFlags) =>
          watch === undefined
            ? await look(context)
            : await lookOn(context, watch === true ? WATCH_SECONDS : watch),
        { endsBySignal: true },
      ),
    )
  examples(
    command,
    ['health', 'exit 0 ok, 3 degraded, 1 down; the reasons name the ticker or the run'],
    ['health --json', 'every part, for scripts'],
    ['health --watch', 'a view that renews itself'],
  )
}

async function look(context: RunContext): Promise<ExitCode> {
  const { config, flags, now, out, redactor, terminal } = context
  const { settings, dataDir: root } = config
  const { checkHealth } = await import('../../pipeline/health.ts')
  const { universeOf } = await import('../../pipeline/universe.ts')
  const { equities } = settings.sources.polygon
  const universe = equities.length > 0 ? universeOf(equities, terminal.cwd) : []
  const report = await checkHealth({ root, settings, universe, nowMs: now() })
  const budget = await budgetOf(context)
  if (flags.json)
    out.json('tapelake.health', 1, redactor.value({ dataDir: root, ...report, budget }) as object)
  else {
    const { printHealth } = await import('../health-text.ts')
    await printHealth(context, report, budget)
  }
  return EXIT_OF[report.state]
}

/** What is left of the account's calls; null where there is no key. */
async function budgetOf({ config }: RunContext): Promise<BudgetView | null> {
  if (config.secrets.polygonApiKey === undefined) return null
  const { readBudget } = await import('../../pipeline/budget.ts')
  return await readBudget(config).catch(() => null)
}

/** Looks again and again until a signal comes; the exit code is that of the last look. */
async function lookOn(context: RunContext, seconds: number): Promise<ExitCode> {
  const { flags, out, signals } = context
  if (flags.json)
    throw new UsageError('--watch makes no sense with --json', { hint: 'Call it in a loop instead.' })
  const { sleep } = await import('../../core/abort.ts')
  for (;;) {
    if (out.stream.isTTY) out.stream.write(CLEAR)
    const code = await look(context)
    await sleep(seconds * 1000, signals.immediate).catch(() => undefined)
    if (signals.immediate.aborted || out.stream.errored) return code // nobody looks any more
    if (!out.stream.isTTY) out.line()
  }
}
