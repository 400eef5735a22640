import {
  startSimulator,
  parseFault,
  type Simulator,
  type SimulatorOptions,
} from '../../src/simulator/index.ts'
import { freshFolder, runHere, type CliRun, type CliRunOptions, type HereOptions } from '../support/cli.ts'
import { Place } from './world.ts'

/** Tuesday 2025-06-10: an ordinary session, 08:00Z to 00:00Z. */
export const DATE = '2025-06-10'
export const OPEN = '2025-06-10T08:00:00Z'

/** One hole in `stream --json`. */
export interface HoleDocument {
  readonly channel: string
  readonly cause: string
  readonly from: string
  readonly to: string | null
  readonly detected: string
  readonly closed: string | null
  readonly rows: number
}

/** What `stream --json` prints. */
export interface StreamDocument {
  readonly schema: { readonly name: string; readonly version: number }
  readonly end: string
  readonly reason?: string
  readonly session?: string
  readonly cells: readonly {
    readonly dataset: string
    readonly ticker: string
    readonly date: string
    readonly state: string
    readonly reason: string
    readonly rows: number
    readonly received: number
  }[]
  readonly holes: readonly HoleDocument[]
  readonly rows: number
  readonly frames: number
  readonly unknown: number
  readonly malformed: number
  readonly reconnects: number
  readonly recovered: number
  readonly error?: { readonly message: string; readonly code: string }
}

export interface MarketOptions extends Omit<SimulatorOptions, 'faults' | 'startMs'> {
  readonly faults?: readonly string[]
  /** Where the market's clock starts; default: the extended open of {@link DATE}. */
  readonly start?: string
  /** Of the recorder. */
  readonly env?: Readonly<Record<string, string>>
}

/** A simulated market that runs as fast as it is read, and a data directory to record it into. */
export class Market {
  readonly simulator: Simulator
  readonly place: Place

  private constructor(simulator: Simulator, place: Place) {
    this.simulator = simulator
    this.place = place
  }

  static async open({
    faults = [],
    start = OPEN,
    env = {},
    ...options
  }: MarketOptions = {}): Promise<Market> {
    const simulator = await startSimulator({
      ...{ startMs: Date.parse(start), speed: 'max', ...options },
      faults: faults.map(parseFault),
    })
    return new Market(simulator, placeFor(simulator, env))
  }

  /** Runs `tapelake <args> --json` as a process of its own. */
  async run(args: string, options: CliRunOptions = {}): Promise<CliRun & { document: StreamDocument }> {
    const run = await this.place.run(`${args} --json`, options)
    if (run.stdout === '') throw new Error(`nothing printed, exit code ${run.code}: ${run.stderr}`)
    return { ...run, document: JSON.parse(run.stdout) as StreamDocument }
  }

  /** The same within this process: faster, and counted by coverage. */
  async here(args: string, options: HereOptions = {}): Promise<CliRun & { document: StreamDocument }> {
    const words = [...args.split(' '), '--json', '--data-dir', this.place.dataDir]
    const run = await runHere(words, { ...options, env: { ...this.place.env, ...options.env } })
    return { ...run, document: JSON.parse(run.stdout) as StreamDocument }
  }

  /** The rows that a backfill of the finished session records in another data directory: the truth. */
  async truth(
    args = `--ticker SPY --from ${DATE} --to ${DATE}`,
    dataset = 'equity_bars_1m',
  ): Promise<string[]> {
    const other = placeFor(this.simulator)
    const run = await other.run(`backfill ${args}`)
    if (run.code !== 0) throw new Error(run.stderr)
    return await other.rows(dataset)
  }

  async close(): Promise<void> {
    await this.simulator.close()
  }
}

/** Short waits, so that a session of seconds is not spent waiting. */
function placeFor({ url, wsUrl }: Simulator, env: Readonly<Record<string, string>> = {}): Place {
  return new Place(
    url,
    {
      TAPELAKE_NOW: '2025-12-12T02:00:00Z',
      POLYGON_WS_URL: wsUrl,
      TAPELAKE__STREAM__REPLAY_QUIET_MS: '150',
      TAPELAKE__STREAM__REPAIR_DELAY_MS: '50',
      TAPELAKE__STREAM__RECONNECT__BASE_MS: '20',
      TAPELAKE__STREAM__RECONNECT__MAX_MS: '40',
      TAPELAKE__STREAM__FLUSH_SECONDS: '0.3',
      TAPELAKE__STREAM__FSYNC_MS: '20',
      ...env,
    },
    freshFolder(),
  )
}
