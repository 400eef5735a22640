import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { REFUSALS } from '../support/bar-vendor.ts'
import { freshFolder } from '../support/cli.ts'
import { Place, simulate, vendor } from './world.ts'

const KEY = 'Zx9-secret-key-of-a-test-4711'

/** Everything that a run left below `folder`, locks and logs included. */
const leftBelow = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => path + readFileSync(path, 'latin1'))
    .join('\n')

describe('without a key', () => {
  test('a backfill is refused with exit 4, and both ways out are named', async () => {
    const place = new Place(undefined)
    const { code, stderr, stdout } = await place.run('backfill --ticker SPY --days 5')
    expect(code).toBe(4)
    expect(stderr).toMatch(/no API key/)
    expect(stderr).toMatch(/POLYGON_API_KEY/)
    expect(stderr).toMatch(/--source simulator/)
    expect(stdout).toBe('')
    expect(place.paths()).toEqual([])
  })

  test('the same is said as a document', async () => {
    const { code, document } = await new Place(undefined).backfill('--ticker SPY --days 5')
    expect(code).toBe(4)
    expect(document).toMatchObject({
      schema: { name: 'tapelake.error' },
      error: {
        code: 'AUTHENTICATION',
        exitCode: 4,
        hint: expect.stringMatching(/--source simulator/) as string,
      },
    })
  })

  test('the plan of a backfill is free for everybody', async () => {
    expect(await new Place(undefined).run('plan --ticker SPY --days 5')).toMatchObject({ code: 0 })
  })
})

describe('a key that the vendor refuses', () => {
  test("ends the run with exit 4 and the vendor's words after one call; the key appears nowhere", async () => {
    const simulator = await simulate([], { keys: ['another-key'] })
    const logFile = join(freshFolder(), 'tapelake.log')
    const place = new Place(simulator.url, {
      POLYGON_API_KEY: KEY,
      TAPELAKE__LOGGING__FILE: logFile,
      TAPELAKE__LOGGING__FILE_LEVEL: 'debug',
    })
    const run = await place.run('backfill --ticker SPY --from 2020-01-02 -vv')
    expect(run.code).toBe(4)
    expect(run.stderr).toMatch(/401.*Unknown API Key/)
    expect(run.stderr).toMatch(/POLYGON_API_KEY/)
    expect(simulator.stats().calls).toBeLessThanOrEqual(2) // one for each item in hand
    const log = readFileSync(logFile, 'utf8')
    expect(log).toContain('Unknown API Key')
    for (const text of [run.stdout, run.stderr, log, leftBelow(place.dataDir)])
      expect(text).not.toContain(KEY)
    expect(place.paths()).toEqual([])
  })

  test('is not shown even where the vendor echoes it, in a log, a ledger or a document', async () => {
    const echo = `no such key ${KEY}; you sent Authorization: Bearer ${KEY} and apiKey=${KEY}`
    const server = await vendor({
      instead: ({ to }) => ({
        status: to > '2025-03-01' ? 403 : 500,
        body: { status: 'ERROR', message: echo },
      }),
    })
    const place = new Place(server.url, { POLYGON_API_KEY: KEY })
    const run = await place.backfill('--ticker SPY --from 2024-06-03 --to 2025-06-06 -vv')
    expect(run.code).not.toBe(0)
    expect(run.stdout).toContain('[redacted]')
    for (const text of [run.stdout, run.stderr, leftBelow(place.dataDir)]) expect(text).not.toContain(KEY)
  })

  test('that was good when the run began: what was recorded stays, and the next run goes on', async () => {
    const server = await vendor({ instead: ({ index }) => (index > 0 ? REFUSALS.key : undefined) })
    const place = new Place(server.url, { TAPELAKE__BACKFILL__CONCURRENCY: '1' })
    const flags = '--ticker SPY --from 2025-01-02 --to 2025-06-06'
    const { code, document } = await place.backfill(flags)
    expect(code).toBe(4)
    expect(document.error).toMatchObject({ code: 'AUTHENTICATION' })
    expect(document.sessions.at(-1)).toMatchObject({ state: 'complete' })
    expect(document.sessions[0]).toMatchObject({
      state: 'missing',
      reason: expect.stringMatching(/401.*Unknown API Key/) as string,
    })
    const next = await new Place((await vendor()).url, {}, place.dataDir).backfill(flags)
    expect(next.document.states).toEqual({ complete: next.document.sessions.length })
  })
})
