import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Simulator, SimulatorOptions, Speed } from '../../simulator/index.ts'
import { collect, instant, wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatNumber } from '../format.ts'
import { examples } from '../program-text.ts'

interface SimulatorFlags {
  readonly now?: number
  readonly callsPerMinute?: number
  readonly fault?: readonly string[]
  readonly speed?: Speed
  readonly until?: number
  readonly startOnSubscribe?: number | true
  readonly publicationDelayMs?: number
  readonly evict?: 'older' | 'newcomer'
}

/** Any key will do. */
const ANY_KEY = 'simulator'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('simulator')
    .description("a server that speaks the vendor's REST API and WebSocket over made-up, seeded market data")
    .option('--port <n>', 'port to listen on; 0 = any free one (default: simulator.port)')
    .option('--seed <n>', 'the same seed makes the same market (default: simulator.seed)')
    .option('--plan <name>', 'plan to imitate: free, starter, developer, advanced, unlimited')
    .option('--latency-ms <n>', 'wait before each answer')
    .option('--calls-per-minute <n>', "overrides the plan's limit; 0 = none", wholeNumber(0))
    .option('--fault <spec>', 'NAME or NAME:option=value,… (repeatable); see tapelake help faults', collect)
    .option('--now <instant>', 'start at this instant, e.g. 2025-06-02T20:00:00Z', instant)
    .option(
      '--speed <x>',
      'how fast market time passes: 1 = real time, max = as fast as readers take it',
      speed,
    )
    .option('--until <instant>', 'where a market at full speed ends (default: midnight New York)', instant)
    .option('--start-on-subscribe [n]', 'start the clock at the nth subscribed connection', wholeNumber(1))
    .option('--publication-delay-ms <n>', 'how long REST keeps back what happened last', wholeNumber(0))
    .addOption(
      new Option('--evict <who>', 'who goes when a key has one socket too many (default: older)').choices([
        'older',
        'newcomer',
      ]),
    )
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
    ['simulator --now 2025-06-03T13:25:00Z --speed 60', 'the open of that day, an hour in a minute'],
    [
      'simulator --now 2025-06-03T08:00:00Z --speed max --fault cut:at=10:30',
      'a whole day at once, with a hole',
    ],
    ['simulator --fault 429:first=2 --fault slow:delay-ms=500', 'a bad day; see tapelake help faults'],
  )
}

async function simulator(context: RunContext, flags: SimulatorFlags): Promise<void> {
  const { port, seed, plan, latencyMs } = context.config.settings.simulator
  const { parseFault, startSimulator } = await import('../../simulator/index.ts')
  const running = await startSimulator({
    ...{ port, seed, plan, latencyMs },
    faults: (flags.fault ?? []).map(parseFault),
    ...clockFrom(flags, context),
    ...given('callsPerMinute', flags.callsPerMinute),
    ...given('startOnSubscribe', flags.startOnSubscribe),
    ...given('publicationDelayMs', flags.publicationDelayMs),
    ...given('evict', flags.evict),
  })
  announce(context, running, { seed, plan })
  await aborted(context.signals.immediate)
  const { calls, worstMinuteCalls, refusedByRateLimit } = running.stats()
  await running.close()
  const most = `at most ${formatNumber(worstMinuteCalls)} within a minute`
  const refused = `${formatNumber(refusedByRateLimit)} refused by the call limit`
  context.out.note(`Stopped after ${formatNumber(calls)} calls, ${most}, ${refused}.`)
}

/** The program's own clock, or one that starts elsewhere or runs faster. */
function clockFrom({ now, speed, until }: SimulatorFlags, context: RunContext): SimulatorOptions {
  if (now === undefined && speed === undefined) return { now: context.now }
  return { startMs: now ?? context.now(), ...given('speed', speed), ...given('untilMs', until) }
}

const given = <T>(name: string, value: T | undefined) => (value === undefined ? {} : { [name]: value })

function speed(text: string): Speed {
  if (text === 'max' || Number(text) === 0) return 'max'
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a number such as 1 or 60, or max.')
}

function announce(
  { out, flags }: RunContext,
  { url, wsUrl, port }: Simulator,
  market: { readonly seed: number; readonly plan: string },
): void {
  const env = { POLYGON_REST_URL: url, POLYGON_WS_URL: wsUrl, POLYGON_API_KEY: ANY_KEY }
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
