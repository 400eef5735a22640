import { describe, expect, test } from 'vitest'
import { loadConfig, Secrets } from '../../src/core/config/index.ts'
import { openBudget } from '../../src/pipeline/budget.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

const never = new AbortController().signal
const KEY = `key-of-${Math.random()}`
const env = {
  POLYGON_API_KEY: KEY,
  TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '3',
  TAPELAKE__SOURCES__POLYGON__CALLS_PER_DAY: '1000',
}

describe('tapelake budget', () => {
  test('shows what is left, who used it, and a pause', async () => {
    const fresh = await runHere(['budget'], { env })
    expect(fresh.stdout).toMatch(/^3 of 3 calls left: 0 calls used in 60 s\n1,000 of 1,000 calls left today;/)

    const home = freshFolder()
    const { settings } = loadConfig({ cwd: home, env: { HOME: home, ...env } })
    const caller = { label: 'backfill SPY', priority: 'today' } as const
    const limiter = await openBudget({ settings, secrets: new Secrets(KEY), caller })
    for (let i = 0; i < 3; i++) await limiter.run(async () => undefined, never, { priority: 'today' })
    const full = await runHere(['budget'], { env })
    expect(full.stdout).toMatch(
      /^0 of 3 calls left: 3 calls used in 60 s; the next can start in (1 min|\d+ s)\n/,
    )
    expect(full.stdout).toMatch(new RegExp(`${process.pid} +backfill SPY +3 +0 +0 +today`))

    await limiter.pauseFor(60_000)
    await limiter.close()
    const paused = await runHere(['budget'], { env })
    expect(paused.stdout).toMatch(
      /paused until \d{4}-\d\d-\d\dT.*the vendor asked everybody with this key to wait/,
    )
    const { document, code } = await runCliJson(['budget'], { env, here: true })
    expect(code).toBe(0)
    expect(document).toMatchObject({
      ...{ schema: { name: 'tapelake.budget', version: 1 }, limit: 3, used: 3, remaining: 0, window: 60 },
      ...{ shared: 'machine', day: { limit: 1000, used: 3, remaining: 997 } },
      byProcess: [{ pid: process.pid, label: 'backfill SPY', calls: 3, priority: 'today' }],
    })
    expect(JSON.stringify(document)).not.toContain(KEY)
  })

  test('says so where there is no limit, and asks for a key where there is none', async () => {
    const free = await runHere(['budget'], {
      env: { POLYGON_API_KEY: KEY, TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '0' },
    })
    expect(free.stdout).toMatch(/no call limit/)
    const keyless = await runHere(['budget'])
    expect(keyless.code).toBe(4)
    expect(keyless.stderr).toMatch(/no API key/)
  })
})
