import { spawn } from 'node:child_process'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listProcesses, type ProcessEntry } from '../../src/lake/process-registry.ts'
import { CLI_BIN, cliEnv, runCliJson, runHere } from '../support/cli.ts'
import { Place, simulate, type BackfillDocument } from './world.ts'

interface AllDocument extends BackfillDocument {
  readonly planned: number
  readonly crashes: number
  readonly setAside: readonly { readonly ticker: string; readonly tries: number; readonly reason: string }[]
  readonly tickers: readonly { readonly ticker: string; readonly calls: number; readonly planned: number }[]
}

const quick = { TAPELAKE__WORKERS__RESTART_BASE_MS: '1', TAPELAKE__WORKERS__RESTART_MAX_MS: '2' }
const workersIn = async (dataDir: string): Promise<ProcessEntry[]> =>
  (await listProcesses(dataDir)).filter(({ kind }) => kind === 'worker')

/** Looks at the workers of `dataDir` again and again, until it is told to stop. */
function watch(dataDir: string, look: (workers: readonly ProcessEntry[]) => void): () => void {
  let on = true
  const stop = (): void => void (on = false)
  onTestFinished(stop)
  const loop = async (): Promise<void> => {
    while (on) {
      look(await workersIn(dataDir))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  void loop()
  return stop
}

/** Starts `tapelake …` and tells how it ends. */
function start(place: Place, args: string) {
  const child = spawn(process.execPath, [CLI_BIN, ...args.split(' '), '--data-dir', place.dataDir], {
    env: cliEnv(place.env),
    stdio: 'ignore',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  return { pid: child.pid!, ended, kill: () => child.kill('SIGKILL') }
}

describe('backfill-all', () => {
  test('records many tickers though workers are killed, and names the one that always ends its worker', async () => {
    const simulator = await simulate([], { latencyMs: 150 })
    const place = new Place(simulator.url, { ...quick, TAPELAKE__POLYGON__EQUITIES: 'AAPL,IWM,SPY,QQQ' })
    const killed: (string | undefined)[] = []
    const dead = new Set<number>()
    const stopWatching = watch(place.dataDir, (workers) => {
      const victim = workers.find(
        ({ ticker, pid }) =>
          !dead.has(pid) && (ticker === 'IWM' || (ticker === 'SPY' && !killed.includes('SPY'))),
      )
      if (!victim) return
      dead.add(victim.pid)
      killed.push(victim.ticker)
      process.kill(victim.pid, 'SIGKILL')
    })
    const args = ['backfill-all', '--from', '2025-06-02', '--workers', '2', '--data-dir', place.dataDir]
    const run = await runCliJson(args, { env: place.env, here: true })
    stopWatching()
    const document = run.document as unknown as AllDocument
    expect([run.code, document.schema.name]).toEqual([3, 'tapelake.backfill-all'])
    expect(killed.sort()).toEqual(['IWM', 'IWM', 'IWM', 'SPY'])
    expect(document.crashes).toBe(4)
    expect(document.setAside).toMatchObject([{ ticker: 'IWM', tries: 3, reason: /SIGKILL/ }])
    expect(document.states).toEqual({ complete: 21, missing: 7 })
    expect(document.holes).toMatchObject([{ ticker: 'IWM', from: '2025-06-02', to: '2025-06-10' }])
    expect(document.tickers.map(({ ticker, planned }) => [ticker, planned])).toEqual(
      ['AAPL', 'IWM', 'SPY', 'QQQ'].map((ticker) => [ticker, 1]),
    )
    expect(run.stderr).toMatch(/worker \d+ ended by signal SIGKILL with IWM/)
    const again = await place.run('backfill-all --json --from 2025-06-02')
    const rest = JSON.parse(again.stdout) as AllDocument
    expect([again.code, rest.calls, rest.states]).toEqual([0, 1, { complete: 28 }])
    expect((await place.run('verify')).code).toBe(0)
    const record = (await runCliJson(['runs', 'show', 'last', '--data-dir', place.dataDir], { here: true }))
      .document
    expect(record).toMatchObject({ command: 'backfill-all', calls: 1, state: 'ok', rows: 6714 })
  })

  test('shows its workers to `workers list`, and ends with them at `workers stop --all`', async () => {
    const simulator = await simulate([], { latencyMs: 200 })
    const place = new Place(simulator.url, quick)
    const run = start(place, 'backfill-all --tickers SPY,QQQ,DIA --from 2024-06-03 --workers 2 --quiet')
    const both = (workers: readonly ProcessEntry[]) =>
      workers.length === 2 && workers.every(({ ticker }) => ticker !== undefined)
    await expect.poll(async () => both(await workersIn(place.dataDir)), { timeout: 20_000 }).toBe(true)
    const list = await runCliJson(['workers', 'list', '--data-dir', place.dataDir], { here: true })
    const { workers } = list.document as { workers: (ProcessEntry & { parent: number })[] }
    expect(workers).toHaveLength(2)
    for (const one of workers) {
      expect(one).toMatchObject({ kind: 'worker', parent: run.pid, state: 'recording' })
      expect(['SPY', 'QQQ', 'DIA']).toContain(one.ticker)
      expect(Date.parse(one.since)).toBeGreaterThan(0)
    }
    const table = await runHere(['workers', 'list', '--data-dir', place.dataDir])
    expect(table.stdout).toMatch(new RegExp(`${run.pid}\\s+run\\s+backfill-all`))
    const stop = await runHere(['workers', 'stop', '--all', '--data-dir', place.dataDir])
    expect([stop.code, stop.stdout]).toEqual([0, expect.stringMatching(/backfill-all run \d+: ended/)])
    expect([0, 3, 130, 143]).toContain(await run.ended)
    expect(await listProcesses(place.dataDir)).toEqual([])
    const none = await runHere(['workers', 'stop', '--all', '--data-dir', place.dataDir])
    expect([none.code, none.stdout]).toEqual([0, 'No workers are running.\n'])
  })

  test('with a worker that hangs is ended by `workers stop --all`, not killed: it tells what it did', async () => {
    const simulator = await simulate([], { latencyMs: 200 })
    const place = new Place(simulator.url, quick)
    const run = start(place, 'backfill-all --tickers SPY,QQQ,DIA --from 2024-06-03 --workers 2 --quiet')
    const workers = async () => await workersIn(place.dataDir)
    await expect.poll(async () => (await workers()).length, { timeout: 20_000 }).toBe(2)
    const hung = (await workers())[0]!.pid
    process.kill(hung, 'SIGSTOP')
    const stop = await runHere(['workers', 'stop', '--all', '--within', '1', '--data-dir', place.dataDir])
    expect([stop.code, stop.stdout]).toEqual([
      0,
      expect.stringMatching(new RegExp(`backfill-all run \\d+: ended\n.*worker ${hung}: killed`)),
    ])
    expect([3, 130, 143]).toContain(await run.ended)
    const { document } = await runCliJson(['runs', 'show', 'last', '--data-dir', place.dataDir], {
      here: true,
    })
    expect(document).toMatchObject({ state: 'interrupted' })
  })

  test('leaves no worker behind when it is killed, and goes on where it was', async () => {
    const simulator = await simulate([], { latencyMs: 100 })
    const place = new Place(simulator.url, quick)
    const command = 'backfill-all --tickers SPY,QQQ --from 2025-03-24 --workers 2 --quiet'
    const run = start(place, command)
    await expect.poll(async () => (await workersIn(place.dataDir)).length, { timeout: 20_000 }).toBe(2)
    run.kill()
    await run.ended
    await expect.poll(async () => listProcesses(place.dataDir), { timeout: 20_000 }).toEqual([])
    const after = await place.run(`${command} --no-progress --json`)
    expect(after.code).toBe(0)
    expect((JSON.parse(after.stdout) as AllDocument).states).toEqual({ complete: 2 * 55 })
  })

  test('says what is missing before anything is started', async () => {
    const place = new Place(undefined)
    const none = await runHere(['backfill-all', '--data-dir', place.dataDir], { env: place.env })
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('the universe is empty')])
    const noKey = await runHere(['backfill-all', '--tickers', 'SPY', '--data-dir', place.dataDir], {
      env: place.env,
    })
    expect([noKey.code, noKey.stderr]).toEqual([4, expect.stringContaining('POLYGON_API_KEY')])
    const bad = await runHere(['backfill-all', '--tickers', 'SPY', '--priority', '..'], { env: place.env })
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('newest, oldest, ticker')])
    const other = await runHere(['backfill-all', '--tickers', 'SPY', '--priority', 'QQQ'], { env: place.env })
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('--priority names QQQ')])
    const plan = await runHere(['backfill-all', '--tickers', 'SPY,QQQ', '--days', '5', '--plan'], {
      env: place.env,
    })
    expect([plan.code, plan.stdout]).toEqual([0, expect.stringContaining('2 calls')])
    const stop = await runHere(['workers', 'stop', '1', '--data-dir', place.dataDir])
    expect([stop.code, stop.stderr]).toEqual([2, expect.stringContaining('no worker 1 is running')])
    expect((await runHere(['workers', 'stop'])).code).toBe(2)
    expect((await runHere(['workers', 'list', '--data-dir', place.dataDir])).stdout).toMatch(/Nobody/)
  })
})
