import type { Command } from 'commander'
import type { Simulator } from '../../simulator/index.ts'
import { collect, instant, wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatNumber } from '../format.ts'
import { examples } from '../program-text.ts'

interface SimulatorFlags {
  readonly now?: number
  readonly callsPerMinute?: number
  readonly fault?: readonly string[]
}

/** Any key will do. */
const ANY_KEY = 'simulator'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('simulator')
    .description("a server that speaks the vendor's REST API over made-up, seeded market data")
    .option('--port <n>', 'port to listen on; 0 = any free one (default: simulator.port)')
    .option('--seed <n>', 'the same seed makes the same market (default: simulator.seed)')
    .option('--plan <name>', 'plan to imitate: free, starter, developer, advanced, unlimited')
    .option('--latency-ms <n>', 'wait before each answer')
    .option('--calls-per-minute <n>', "overrides the plan's limit; 0 = none", wholeNumber(0))
    .option('--fault <spec>', 'NAME or NAME:option=value,… (repeatable); see tapelake help faults', collect)
    .option('--now <instant>', 'start at this instant, e.g. 2025-06-02T20:00:00Z', instant)
    .action(
      cli.action(simulator, {
        endsBySignal: true,
        settings: {
          'simulator.port': 'port',
          'simulator.seed': 'seed',
          'simulator.plan': 'plan',
          'simulator.latencyMs': 'latencyMs',
        },
      }),
    )
  examples(
    command,
    ['simulator --port 8080', 'then, in another terminal, use the lines that it prints'],
    ['simulator --plan free', 'five calls a minute, two years'],
    ['simulator --fault 429:first=2 --fault slow:delay-ms=500', 'a bad day; see tapelake help faults'],
  )
}

async function simulator(context: RunContext, flags: SimulatorFlags): Promise<void> {
  const { port, seed, plan, latencyMs } = context.config.settings.simulator
  const { parseFault, startSimulator } = await import('../../simulator/index.ts')
  const running = await startSimulator({
    ...{ port, seed, plan, latencyMs },
    faults: (flags.fault ?? []).map(parseFault),
    now: clockFrom(flags.now) ?? context.now,
    ...(flags.callsPerMinute !== undefined && { callsPerMinute: flags.callsPerMinute }),
  })
  announce(context, running, { seed, plan })
  await aborted(context.signals.immediate)
  const { calls } = running.stats()
  await running.close()
  context.out.note(`Stopped after ${formatNumber(calls)} calls.`)
}

/** A clock that shows `startMs` now and goes on from there. */
function clockFrom(startMs: number | undefined): (() => number) | undefined {
  if (startMs === undefined) return undefined
  const startedMs = performance.now()
  return () => startMs + Math.floor(performance.now() - startedMs)
}

function announce(
  { out, flags }: RunContext,
  { url, port }: Simulator,
  market: { readonly seed: number; readonly plan: string },
): void {
  const env = { POLYGON_REST_URL: url, POLYGON_API_KEY: ANY_KEY }
  if (flags.json) return out.json('tapelake.simulator', 1, { url, port, ...market, env })
  out.line(
    `Simulator at ${url} (seed ${market.seed}, plan ${market.plan}); its data is synthetic. Ctrl-C stops it.`,
  )
  out.line()
  for (const [name, value] of Object.entries(env)) out.line(`export ${name}=${value}`)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
