import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadConfig, Secrets, type Settings } from '../../src/core/config/index.ts'
import { openBudget, readBudget, type BudgetCaller } from '../../src/pipeline/budget.ts'
import { urgencyOf } from '../../src/pipeline/urgency.ts'
import { equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { killHard, startOther } from '../support/holder.ts'
import { hasRedis, startRedis } from '../support/redis-server.ts'

const never = new AbortController().signal
const apiKey = 'Secret0Key1Of2Tests3'
const secrets = new Secrets(apiKey)
const caller: BudgetCaller = { label: 'backfill SPY', priority: 'history' }
const nothing = async () => undefined
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapelake-'))
  vi.stubEnv('TAPELAKE_RUNTIME_DIR', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
})

function settingsWith(given: Readonly<Record<string, number | string>> = {}): Settings {
  const names = {
    calls: 'CALLS_PER_MINUTE',
    day: 'CALLS_PER_DAY',
    window: 'BUDGET__WINDOW_SECONDS',
    url: 'REST_URL',
  }
  const env = Object.entries(names).flatMap(([name, variable]) =>
    given[name] === undefined ? [] : [[`TAPELAKE__SOURCES__POLYGON__${variable}`, String(given[name])]],
  )
  const home = mkdtempSync(join(tmpdir(), 'tapelake-'))
  return loadConfig({
    cwd: home,
    env: { HOME: home, ...(Object.fromEntries(env) as Record<string, string>) },
  }).settings
}

describe('the budget of an account', () => {
  test('is one for all who use its key, and shows what is left and who used it', async () => {
    const settings = settingsWith({ calls: 5, day: 100 })
    const one = await openBudget({ settings, secrets, caller })
    const two = await openBudget({
      ...{ settings, secrets, caller: { label: 'stream QQQ', priority: 'repair' } },
    })
    await one.run(nothing, never)
    await one.run(nothing, never)
    await two.run(nothing, never, { priority: 'repair' })
    await Promise.all([one.close(), two.close()])
    const view = await readBudget({ settings, secrets })
    expect(view).toMatchObject({ limit: 5, used: 3, remaining: 2, window: 60, nextInSeconds: 0, pause: null })
    expect(view.day).toMatchObject({ limit: 100, used: 3, remaining: 97 })
    expect(view.day!.renewsAt).toMatch(/T00:00:00\.000Z$/)
    const { pid } = process
    expect(view.byProcess).toMatchObject([
      { pid, label: 'backfill SPY', calls: 2, inFlight: 0, waiting: 0, priority: 'history' },
      { pid, label: 'stream QQQ', calls: 1, inFlight: 0, waiting: 0, priority: 'repair' },
    ])
  })

  test('is another for another key, and for another vendor', async () => {
    const settings = settingsWith({ calls: 5 })
    const limiter = await openBudget({ settings, secrets, caller })
    await limiter.run(nothing, never)
    await limiter.close()
    expect(await readBudget({ settings, secrets })).toMatchObject({ used: 1 })
    const sameVendor = settingsWith({ calls: 5, url: 'https://api.massive.com' })
    expect(await readBudget({ settings: sameVendor, secrets })).toMatchObject({ used: 1 })
    expect(await readBudget({ settings, secrets: new Secrets(`${apiKey}x`) })).toMatchObject({ used: 0 })
    const other = settingsWith({ calls: 5, url: 'http://127.0.0.1:9' })
    expect(await readBudget({ settings: other, secrets })).toMatchObject({ used: 0 })
  })

  test('never writes the key', async () => {
    const limiter = await openBudget({ settings: settingsWith({ calls: 5 }), secrets, caller })
    await limiter.run(nothing, never)
    await limiter.close()
    const names = readdirSync(folder)
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect(name + readFileSync(join(folder, name), 'latin1')).not.toContain(apiKey)
  })

  test('without a limit is counted all the same, and a pause holds there too', async () => {
    const settings = settingsWith({ calls: 0 })
    const free = await openBudget({ settings, secrets, caller })
    await free.run(nothing, never)
    await vi.waitFor(async () => {
      const view = await readBudget({ settings, secrets })
      expect(view).toMatchObject({
        limit: 0,
        used: 1,
        remaining: null,
        byProcess: [{ calls: 1, inFlight: 0 }],
      })
    })
    const told = await openBudget({ settings: settingsWith({ calls: 5 }), secrets, caller })
    await told.pauseFor(400)
    const view = await readBudget({ settings: settingsWith({ calls: 5 }), secrets })
    expect(view).toMatchObject({ used: 1, remaining: 0 })
    expect(view.pause!.seconds).toBeGreaterThan(0)
    const waits: string[] = []
    await free.run(nothing, never, { onWait: ({ reason }) => void waits.push(reason) })
    expect(waits).toEqual(['pause'])
    await Promise.all([free.close(), told.close()])
  })

  test('follows limits that change under way, also for calls that wait, from a limit to none and back', async () => {
    const settings = settingsWith({ calls: 1, window: 30 })
    const { polygon } = settings.sources
    const limiter = await openBudget({ settings, secrets, caller })
    const done: string[] = []
    const run = async (name: string) => {
      await limiter.run(nothing, never)
      done.push(name)
    }
    await run('first')
    const second = run('second')
    await vi.waitFor(async () =>
      expect((await readBudget({ settings, secrets })).byProcess).toMatchObject([{ waiting: 1 }]),
    )
    expect(done).toEqual(['first'])
    polygon.callsPerMinute = 2
    await second
    expect(limiter.estimateMs(1)).toBeGreaterThan(20_000)
    const third = run('third')
    polygon.callsPerMinute = 0
    await third
    for (const name of ['fourth', 'fifth']) await run(name)
    await vi.waitFor(async () => expect(await readBudget({ settings, secrets })).toMatchObject({ used: 5 }))
    polygon.callsPerMinute = 5 // what was sent without a limit counts
    expect(await readBudget({ settings, secrets })).toMatchObject({ limit: 5, remaining: 0 })
    const refused = new AbortController()
    const sixth = limiter.run(nothing, refused.signal, { onWait: () => refused.abort() })
    await expect(sixth).rejects.toThrow()
    polygon.callsPerDay = 5
    await expect(limiter.run(nothing, never)).rejects.toMatchObject({ exitCode: 7 })
    await limiter.close()
  })

  test('can be given a limit where there was none, and nothing to share it with', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    vi.stubEnv('TAPELAKE_RUNTIME_DIR', join(file, 'below'))
    const problems: string[] = []
    const settings = settingsWith({ calls: 0, window: 0.3 })
    const limiter = await openBudget({
      ...{ settings, secrets, caller },
      onProblem: (text) => problems.push(text),
    })
    await limiter.run(nothing, never)
    await vi.waitFor(() => expect(problems).toHaveLength(1))
    settings.sources.polygon.callsPerMinute = 1
    const startsMs: number[] = []
    const startMs = performance.now()
    for (let i = 0; i < 2; i++) await limiter.run(async () => void startsMs.push(performance.now()), never)
    expect(startsMs[0]! - startMs).toBeGreaterThan(295) // what was sent before is not known
    expect(startsMs[1]! - startsMs[0]!).toBeGreaterThan(295)
    expect(limiter.callsPerMinute).toBe(1)
    await limiter.close()
  })

  test('is kept by each process alone, with a warning, where there is no place to share it', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    vi.stubEnv('TAPELAKE_RUNTIME_DIR', join(file, 'below'))
    const problems: string[] = []
    const onProblem = (text: string) => void problems.push(text)
    const settings = settingsWith({ calls: 2, window: 0.3 })
    const limiter = await openBudget({ settings, secrets, caller, onProblem })
    expect(problems).toEqual([expect.stringContaining('keeps the call limit by itself')])
    const startsMs: number[] = []
    const start = async () => void startsMs.push(performance.now())
    await Promise.all([1, 2, 3].map(() => limiter.run(start, never)))
    expect(startsMs[2]! - startsMs[0]!).toBeGreaterThan(295)
    const free = await openBudget({ settings: settingsWith({ calls: 0 }), secrets, caller, onProblem })
    await free.pauseFor(50)
    expect(problems).toHaveLength(2)
    expect(free.estimateMs(1)).toBe(0)
    await Promise.all([limiter.close(), free.close()])
  })

  test.skipIf(!hasRedis)(
    'spans machines where there is a Redis server, and leaves nothing on this one',
    async () => {
      const server = await startRedis()
      const far = {
        settings: settingsWith({ calls: 5, window: 0.3 }),
        secrets: new Secrets(apiKey, server.url),
      }
      const limiter = await openBudget({ ...far, caller })
      await limiter.run(nothing, never)
      await limiter.close()
      expect(readdirSync(folder)).toEqual([])
      const view = await readBudget(far)
      await server.close()
      expect(view).toMatchObject({
        shared: 'redis',
        limit: 5,
        used: 1,
        byProcess: [{ pid: process.pid, calls: 1 }],
      })
    },
  )

  test('gets the calls of a killed process back after the window, not after the lease', async () => {
    const settings = settingsWith({ calls: 1, window: 0.5 })
    const victim = await startOther(`
      const { openBudget } = await import('./src/pipeline/budget.ts')
      const { Secrets } = await import('./src/core/config/index.ts')
      const limiter = await openBudget({
        settings: ${JSON.stringify(settings)}, secrets: new Secrets('${apiKey}'), caller: { label: 'victim', priority: 'history' },
      })
      await limiter.run(() => { console.log('ready'); return new Promise(() => setInterval(() => 0, 1000)) },
        new AbortController().signal)
    `)
    const limiter = await openBudget({ settings, secrets, caller })
    const { byProcess } = await readBudget({ settings, secrets })
    expect(byProcess).toMatchObject([{ pid: victim.pid, label: 'victim', inFlight: 1 }])
    await killHard(victim)
    expect(await limiter.run(async () => 'mine', never)).toBe('mine')
    await limiter.close()
  })

  test('goes on without a process that was stopped while it stood in line', async () => {
    const settings = settingsWith({ calls: 1, window: 1 })
    const limiter = await openBudget({ settings, secrets, caller })
    await limiter.run(nothing, never)
    const sleeper = await startOther(`
      const { openBudget } = await import('./src/pipeline/budget.ts')
      const { Secrets } = await import('./src/core/config/index.ts')
      const limiter = await openBudget({
        settings: ${JSON.stringify(settings)}, secrets: new Secrets('${apiKey}'),
        caller: { label: 'sleeper', priority: 'repair' },
      })
      const never = new AbortController().signal
      let told = false
      const onWait = () => { if (!told) console.log('ready'); told = true }
      for (;;) await limiter.run(async () => undefined, never, { priority: 'repair', onWait })
    `)
    sleeper.kill('SIGSTOP')
    try {
      expect(await limiter.run(async () => 'mine', never)).toBe('mine')
      expect(await limiter.run(async () => 'mine again', never)).toBe('mine again')
    } finally {
      await killHard(sleeper)
      await limiter.close()
    }
  })
})

test('what reaches up to the newest session is more urgent than the past', () => {
  const urgency = (to: string, today: string) => urgencyOf(equityBars1m, to, today)
  expect(urgency('2025-06-10', '2025-06-10')).toBe('today')
  expect(urgency('2025-06-09', '2025-06-10')).toBe('today')
  expect(urgency('2025-06-06', '2025-06-08')).toBe('today') // a Sunday
  expect(urgency('2025-06-06', '2025-06-10')).toBe('history')
})
