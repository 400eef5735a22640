import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, onTestFinished, test } from 'vitest'
import { listProcesses } from '../../src/lake/process-registry.ts'
import type { RunRecord } from '../../src/lake/run-record.ts'
import { CLI_BIN, cliEnv, freshFolder } from '../support/cli.ts'
import { steppedClock } from '../support/clock-step.ts'
import { CAN_MOUNT, smallDisk, type SmallDisk } from '../support/small-disk.ts'
import { Place, simulate } from './world.ts'

/**
 * Short by default: one lake, with each kind of trouble at least once. `TAPELAKE_CHAOS_SECONDS=600` goes on for so many
 * seconds, lake after lake, with trouble at random; `TAPELAKE_CHAOS_SEED` makes it another one.
 */
const SECONDS = Number(process.env['TAPELAKE_CHAOS_SECONDS'] ?? 0)
const SEED = Number(process.env['TAPELAKE_CHAOS_SEED'] ?? 1)
const TICKERS = SECONDS > 0 ? 'AAPL,IWM,MSFT,QQQ,SPY,TSLA' : 'AAPL,QQQ,SPY'
const FROM = SECONDS > 0 ? '2025-01-02' : '2025-03-10'
const LIMIT = 4
const WINDOW_SECONDS = 2
const HUNG_SECONDS = 2

/** What the vendor does at random: two bursts, each at some moment, and about one answer in five that is none. */
function faultsFrom(random: () => number): string[] {
  const sometime = (): number => 1 + Math.floor(random() * (SECONDS > 0 ? 12 : 4))
  const single = [
    '500:rate=0.03,body=html',
    'reset:rate=0.05',
    'reset:when=body,rate=0.04',
    'truncated:rate=0.03',
    'slow:rate=0.05,delay-ms=300,trickle-ms=700',
    'slow:rate=0.02,delay-ms=3000',
  ]
  const turn = Math.floor(random() * single.length) // what is drawn for a fault depends on its place
  return [
    ...[...single.slice(turn), ...single.slice(0, turn)],
    `429:after=${sometime()},first=1,burst=2,retry-after=1`,
    `503:after=${sometime()},first=1,burst=6`,
  ]
}

/** Mulberry32: the same seed, the same trouble. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms))

const TROUBLES = ['kill', 'stop', 'hang', 'disk', 'clock'] as const
type Trouble = (typeof TROUBLES)[number]

interface World {
  readonly place: Place
  readonly disk: SmallDisk | undefined
  readonly clock: ReturnType<typeof steppedClock>
  readonly random: () => number
  /** How often each was made. */
  readonly made: Record<Trouble, number>
}

/** Makes trouble of one kind, where there is somebody to make it for; resolves when it is over. */
async function make(trouble: Trouble, { place, disk, clock, random, made }: World): Promise<void> {
  const workers = (await listProcesses(place.dataDir)).filter(({ kind }) => kind === 'worker')
  const victim = workers[Math.floor(random() * workers.length)]
  const send = (signal: NodeJS.Signals): void => {
    try {
      if (victim) process.kill(victim.pid, signal)
    } catch {
      // it has ended meanwhile
    }
  }
  if (trouble === 'clock') clock.step(Math.floor((random() - 0.5) * 7_200_000))
  else if (trouble === 'disk') {
    if (!disk) return
    await disk.fill(0)
    await pause(300 + random() * 700)
    disk.free()
  } else if (!victim) return
  else if (trouble === 'kill') send('SIGKILL')
  else {
    send('SIGSTOP')
    await pause(trouble === 'stop' ? 400 + random() * 600 : HUNG_SECONDS * 1000 + 1200)
    send('SIGCONT')
  }
  made[trouble]++
}

/** Makes trouble until `over` says so: each kind once in turn, then at random. */
async function torment(world: World, over: () => boolean): Promise<void> {
  const first = TROUBLES.filter((trouble) => world.made[trouble] === 0)
  while (!over()) {
    await pause(300 + world.random() * 900)
    const next = first.shift() ?? TROUBLES[Math.floor(world.random() * TROUBLES.length)]!
    if (!over()) await make(next, world)
  }
}

/** Runs `tapelake …` until it has done all there is to do, as an operator or cron would; the exit codes. */
async function untilDone(place: Place, args: string, env: NodeJS.ProcessEnv): Promise<(number | null)[]> {
  const codes: (number | null)[] = []
  while (codes.at(-1) !== 0) {
    if (codes.length >= 40) throw new Error(`does not get done: ${codes.join(' ')}`)
    if (codes.length > 0) await pause(500)
    const child = spawn(process.execPath, [CLI_BIN, ...args.split(' '), '--data-dir', place.dataDir], {
      env: cliEnv({ ...place.env, ...env }),
      stdio: 'ignore',
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    codes.push(await new Promise((resolve) => child.once('exit', (code) => resolve(code))))
  }
  return codes
}

/** Rows that only one of two lakes has, as DuckDB sees their files; and all rows of the second. */
async function difference(left: string, right: string): Promise<{ rows: number; differing: number }> {
  const connection = await (await DuckDBInstance.create()).connect()
  const of = (root: string): string =>
    `(SELECT * FROM read_parquet('${root}/lake/equity_bars_1m/**/*.parquet', hive_partitioning = false))`
  const [a, b] = [of(left), of(right)]
  const reader = await connection.runAndReadAll(
    `SELECT (SELECT count(*) FROM ${b})::INTEGER AS rows,
      (SELECT count(*) FROM (${a} EXCEPT ALL ${b}))::INTEGER +
      (SELECT count(*) FROM (${b} EXCEPT ALL ${a}))::INTEGER AS differing`,
  )
  return reader.getRowObjectsJson()[0] as unknown as { rows: number; differing: number }
}

const countRuns = (runs: readonly RunRecord[], state: RunRecord['state']): number =>
  runs.filter((run) => run.state === state).length

const THINGS = CAN_MOUNT
  ? 'vendor, workers, disk and clock'
  : 'vendor, workers and clock (no disk to fill here)'

test(
  `whatever happens to ${THINGS}, the lake ends as the undisturbed one, within the limit`,
  { timeout: (SECONDS + 300) * 1000 },
  async () => {
    const untilMs = performance.now() + SECONDS * 1000
    const args = `backfill-all --tickers ${TICKERS} --from ${FROM} --workers 2 --quiet`
    const calm = new Place((await simulate()).url)
    expect((await calm.run(args)).code).toBe(0)
    const random = randomOf(SEED)
    const clock = steppedClock()
    const made: Record<Trouble, number> = { kill: 0, stop: 0, hang: 0, disk: 0, clock: 0 }
    const told = {
      lakes: 0,
      runs: 0,
      opened: 0,
      died: 0,
      calls: 0,
      retries: 0,
      crashes: 0,
      errors: {} as Record<string, number>,
    }
    do {
      const simulator = await simulate(faultsFrom(random), {
        ...{ callsPerMinute: LIMIT, rateWindowMs: WINDOW_SECONDS * 1000, seed: 1 },
      })
      const disk = CAN_MOUNT ? smallDisk(200) : undefined
      const dataDir = disk ? join(disk.path, 'data') : freshFolder()
      const logFile = join(freshFolder(), 'tapelake.log')
      const place = new Place(simulator.url, { ...trouble(), TAPELAKE__LOGGING__FILE: logFile }, dataDir)
      const world: World = { place, disk, clock, random, made }
      let done = false
      const tormenting = torment(world, () => done)
      const codes = await untilDone(place, args, clock.env)
      done = true
      await tormenting

      expect(await difference(calm.dataDir, dataDir)).toMatchObject({ differing: 0 })
      expect((await place.run('verify --deep')).code).toBe(0)
      const { worstMinuteCalls, refusedByRateLimit } = simulator.stats()
      expect({ within: worstMinuteCalls <= LIMIT, refusedByRateLimit }).toEqual({
        within: true,
        refusedByRateLimit: 0,
      })
      expect(await listProcesses(dataDir)).toEqual([])

      const { runs } = JSON.parse((await place.run('runs --json --limit 0')).stdout) as { runs: RunRecord[] }
      const last = runs.reduce((a, b) => (a.exitCode === 0 ? a : b))
      expect(last).toMatchObject({ command: 'backfill-all', state: 'ok', leftSessions: 0 })
      expect(Object.values(last.live['breakers'] as object).filter((state) => state !== 'closed')).toEqual([])
      // A run that began on a full disk has no record; one that ended on a full disk is known to have died.
      expect(runs.length).toBeLessThanOrEqual(codes.length)
      for (const run of runs)
        expect([run.state, run.exitCode]).toSatisfy(
          ([state, code]) => state === 'died' || codes.includes(code as number),
        )
      told.lakes++
      told.opened += readFileSync(logFile, 'utf8').split(/circuit breaker of \S+: open/).length - 1
      told.runs += codes.length
      told.died += countRuns(runs, 'died')
      for (const { calls, retries, crashes, errors } of runs) {
        told.calls += calls
        told.retries += retries
        told.crashes += crashes
        for (const [name, count] of Object.entries(errors))
          told.errors[name] = (told.errors[name] ?? 0) + count
      }
    } while (performance.now() < untilMs)
    if (SECONDS > 0) console.log(JSON.stringify({ told, made }))
    expect(made.kill + made.stop + made.hang).toBeGreaterThan(0)
    expect(told.crashes).toBeGreaterThan(0)
    const { rate_limit: limited = 0, server = 0, network = 0, timeout = 0 } = told.errors
    expect(limited).toBeGreaterThan(0)
    expect(server).toBeGreaterThan(0)
    if (SECONDS > 0) expect(Math.min(network, timeout, told.opened)).toBeGreaterThan(0)
  },
)

/** Short waits, a breaker that opens soon, and a limit that is in force. */
const trouble = (): Record<string, string> => ({
  TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: String(LIMIT),
  TAPELAKE__SOURCES__POLYGON__BUDGET__WINDOW_SECONDS: String(WINDOW_SECONDS),
  TAPELAKE__SOURCES__POLYGON__BREAKER__FAILURES: '3',
  TAPELAKE__SOURCES__POLYGON__BREAKER__OPEN_MS: '200',
  TAPELAKE__SOURCES__POLYGON__TIMEOUTS__FIRST_REQUEST_MS: '2000',
  TAPELAKE__SOURCES__POLYGON__TIMEOUTS__REQUEST_MS: '4000',
  TAPELAKE__RETRY__SERVER__MAX_MS: '400',
  TAPELAKE__RETRY__SERVER__BASE_MS: '50',
  TAPELAKE__WORKERS__RESTART_BASE_MS: '50',
  TAPELAKE__WORKERS__HUNG_SECONDS: String(HUNG_SECONDS),
  TAPELAKE__DISK__MIN_FREE_MB: '0',
})
