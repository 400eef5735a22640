import { afterEach } from 'vitest'
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

const open: Market[] = []
afterEach(async () => {
  for (const market of open.splice(0)) await market.close()
})

/** A market that is closed after the test. */
export async function openMarket(options: MarketOptions = {}): Promise<Market> {
  const market = await Market.open(options)
  open.push(market)
  return market
}

interface Bar {
  readonly t: number
  readonly o: number
  readonly h: number
  readonly l: number
  readonly c: number
  readonly v: number
  readonly vw?: number
  readonly n?: number
}

/** What is known of one minute, as text: ticker, start, open, high, low, close, volume, vwap, trades. */
const barText = (ticker: string, startMs: number, values: readonly (number | undefined)[]): string =>
  [ticker, new Date(startMs).toISOString(), ...values.map((value) => String(value ?? null))].join(' ')

/** Minute bars of `date` as the simulator's REST API has them, read without a line of the recorder's code. */
export async function restBars(
  { simulator }: Market,
  tickers: readonly string[],
  date = DATE,
): Promise<string[]> {
  const lines: string[] = []
  for (const ticker of tickers) {
    const path = `/v2/aggs/ticker/${ticker}/range/1/minute/${date}/${date}?adjusted=false&limit=50000`
    const answer = await fetch(simulator.url + path, { headers: { authorization: 'Bearer a-key-for-tests' } })
    const { results = [] } = (await answer.json()) as { results?: Bar[] }
    for (const { t, o, h, l, c, v, vw, n } of results) lines.push(barText(ticker, t, [o, h, l, c, v, vw, n]))
  }
  return lines.sort()
}

/** What of a bar in the lake is compared; a whole number comes as text. */
type LakeRow = Readonly<Record<'ticker' | 'timestamp', string>> &
  Readonly<Record<'open' | 'high' | 'low' | 'close' | 'volume' | 'vwap' | 'trade_count', number>>

/** Minute bars in the lake, as a reader that is not ours sees them; one line each, like {@link restBars}. */
export async function lakeBars(place: Place, dataset = 'equity_bars_1m'): Promise<string[]> {
  const rows = (await place.rows(dataset)).map((line) => JSON.parse(line) as LakeRow)
  return rows
    .map(({ ticker, timestamp, open, high, low, close, volume, vwap, trade_count: trades }) =>
      barText(ticker, Date.parse(timestamp), [open, high, low, close, volume, vwap, trades]),
    )
    .sort()
}

/** Discovers about 200 contracts of SPY at `place` for {@link DATE}; returns their symbols. */
export async function discoverContracts(place: Place, strikeRange = '0.085'): Promise<string[]> {
  const env = { TAPELAKE_NOW: '2025-06-10T13:00:00Z' }
  const { stdout } = await place.run(`discover --date ${DATE} --strike-range ${strikeRange} --json`, { env })
  const { contracts } = JSON.parse(stdout) as { contracts: { contract: string }[] }
  return contracts.map(({ contract }) => contract)
}

/** Short waits, so that a session of seconds is not spent waiting. */
function placeFor({ url, wsUrl }: Simulator, env: Readonly<Record<string, string>> = {}): Place {
  return new Place(
    url,
    {
      TAPELAKE_NOW: '2025-12-12T02:00:00Z',
      POLYGON_WS_URL: wsUrl,
      TAPELAKE__STREAM__REPLAY_QUIET_MS: '150',
      TAPELAKE__STREAM__REPLAY_WAIT_SECONDS: '1',
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
