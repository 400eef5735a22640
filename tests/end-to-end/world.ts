import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import {
  parseFault,
  startSimulator,
  type Simulator,
  type SimulatorOptions,
} from '../../src/simulator/index.ts'
import { startBarVendor, type BarVendorOptions } from '../support/bar-vendor.ts'
import { freshFolder, runCli, type CliRun, type CliRunOptions } from '../support/cli.ts'

/** Tuesday 2025-06-10, 22:00 in New York: that session has ended, extended hours and all. */
export const NOW = '2025-06-11T02:00:00Z'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A simulator whose clock stands at {@link NOW}, closed after the test. Faults as `--fault` takes them. */
export async function simulate(
  faults: readonly string[] = [],
  options: Omit<SimulatorOptions, 'faults'> = {},
): Promise<Simulator> {
  const simulator = await startSimulator({
    now: () => Date.parse(NOW),
    faults: faults.map(parseFault),
    ...options,
  })
  closing.push(() => simulator.close())
  return simulator
}

/** A server that looks like the real vendor, closed after the test. */
export async function vendor(options: BarVendorOptions = {}) {
  const server = await startBarVendor(options)
  closing.push(() => server.close())
  return server
}

/** The environment of a person with a key whose vendor answers at `url`, without a limit and with short waits. */
export function vendorEnv(url: string, key = 'a-key-for-tests'): Record<string, string> {
  const waits = ['NETWORK', 'TIMEOUT', 'RATE_LIMIT', 'SERVER', 'MALFORMED']
  return {
    TAPELAKE_NOW: NOW,
    POLYGON_REST_URL: url,
    POLYGON_API_KEY: key,
    TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '0',
    TAPELAKE__RETRY__RATE_LIMIT__FALLBACK: 'none',
    ...Object.fromEntries(waits.map((name) => [`TAPELAKE__RETRY__${name}__BASE_MS`, '1'])),
    ...Object.fromEntries(waits.map((name) => [`TAPELAKE__RETRY__${name}__MAX_MS`, '20'])),
  }
}

/** One session in `backfill --json`. */
export interface SessionDocument {
  readonly dataset: string
  readonly ticker: string
  readonly date: string
  readonly state: string
  readonly reason: string
  readonly rows: number
}

/** What `backfill --json` prints. */
export interface BackfillDocument {
  readonly schema: { readonly name: string; readonly version: number }
  readonly sessions: readonly SessionDocument[]
  readonly rows: number
  readonly calls: number
  readonly quarantined: number
  readonly duplicates: number
  readonly failures: number
  readonly holes: readonly Record<string, unknown>[]
  readonly states: Readonly<Record<string, number>>
  readonly error?: { readonly message: string; readonly code: string }
}

/** A data directory and a vendor, and what can be done with them. */
export class Place {
  readonly dataDir: string
  readonly env: Readonly<Record<string, string | undefined>>

  constructor(
    url: string | undefined,
    env: Readonly<Record<string, string | undefined>> = {},
    dataDir = freshFolder(),
  ) {
    this.dataDir = dataDir
    this.env = { TAPELAKE_NOW: NOW, ...(url === undefined ? {} : vendorEnv(url)), ...env }
  }

  /** The same vendor and settings with another data directory. */
  at(dataDir: string): Place {
    return new Place(undefined, this.env, dataDir)
  }

  /** Runs `tapelake …` as a process of its own. */
  async run(args: string, options: CliRunOptions = {}): Promise<CliRun> {
    const words = args.split(' ').filter(Boolean)
    const env = { ...this.env, ...options.env }
    return await runCli([...words, '--data-dir', this.dataDir], { ...options, env })
  }

  /** Runs `tapelake backfill … --json`. */
  async backfill(
    args: string,
    options: CliRunOptions = {},
  ): Promise<CliRun & { document: BackfillDocument }> {
    const run = await this.run(`backfill --json ${args}`, options)
    return { ...run, document: JSON.parse(run.stdout) as BackfillDocument }
  }

  /** Files of the data directory but locks and scratch space, with what is in them. */
  files(): Map<string, string> {
    const entries = readdirSync(this.dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.startsWith(join(this.dataDir, 'state')))
      .sort()
    return new Map(entries.map((path) => [path.slice(this.dataDir.length + 1), hashOf(path)]))
  }

  /** Paths of {@link files}. */
  paths(): string[] {
    return [...this.files().keys()]
  }

  /** All rows of a dataset as a reader that is not ours sees them: one line each, in order. */
  async rows(dataset = 'equity_bars_1m'): Promise<string[]> {
    const files = this.paths().filter(
      (path) => path.startsWith(`lake/${dataset}/`) && path.endsWith('.parquet'),
    )
    const lines: string[] = []
    for (const path of files) {
      const file = await asyncBufferFromFile(join(this.dataDir, path))
      for (const row of await parquetReadObjects({ file, compressors })) lines.push(lineOf(row))
    }
    return lines.sort()
  }
}

const lineOf = (row: Record<string, unknown>): string =>
  JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
