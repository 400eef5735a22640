import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { NOW, simulate, vendorEnv } from '../end-to-end/world.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

interface HealthDocument {
  readonly state: string
  readonly reasons: readonly string[]
  readonly findings: readonly { part: string; ticker?: string; run?: string }[]
  readonly freshness: readonly { ticker: string; behind: number; last: string; followed: boolean }[]
  readonly [part: string]: unknown
}

/** Later than NOW by so many days. */
const later = (days: number): string => new Date(Date.parse(NOW) + days * 86_400_000).toISOString()

/** A data directory with a vendor at `url`. */
function place(url: string, dataDir = freshFolder()) {
  const at = ['--data-dir', dataDir]
  return {
    dataDir,
    run: (line: string, more: Record<string, string> = {}) =>
      runHere([...line.split(' '), ...at], { env: { ...vendorEnv(url), ...more } }),
    health: async (more: Record<string, string> = {}) => {
      const env = { ...vendorEnv(url), ...more }
      const { code, document } = await runCliJson(['health', ...at], { env, here: true })
      return { code, ...(document as unknown as HealthDocument) }
    },
    /** Changes the record of the newest run. */
    rewrite(change: (record: Record<string, unknown>) => object) {
      const folder = join(dataDir, 'state/runs')
      const records = readdirSync(folder).map(
        (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, string>,
      )
      const newest = records.sort((a, b) => (a['startedAt']! < b['startedAt']! ? 1 : -1))[0]!
      writeFileSync(join(folder, `${newest['id']}.json`), JSON.stringify({ ...newest, ...change(newest) }))
    },
  }
}

describe('health', () => {
  test('is ok when everything is held up to the last finished session, and says what it looked at', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill --ticker SPY --days 3')
    const { code, ...found } = await here.health()
    expect(code).toBe(0)
    expect(found).toMatchObject({
      schema: { name: 'tapelake.health', version: 1 },
      ...{ state: 'ok', reasons: [], quarantine: { rows: 0 }, breakers: {}, workers: [], streams: [] },
      freshness: [{ dataset: 'equity_bars_1m', ticker: 'SPY', last: '2025-06-10', behind: 0 }],
      lastRuns: [{ command: 'backfill', state: 'ok', tickers: ['SPY'] }],
    })
    // Wednesday's session has not ended, or only just.
    expect(await here.health({ TAPELAKE_NOW: '2025-06-11T23:59:00Z' })).toMatchObject({ code: 0 })
    expect(await here.health({ TAPELAKE_NOW: '2025-06-12T01:00:00Z' })).toMatchObject({ code: 0 })
  })

  test('is degraded when a series that is kept up falls behind, in sessions, and names it', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill --ticker SPY --days 3')
    await here.run('backfill --ticker QQQ --from 2025-05-05 --to 2025-05-09')
    expect(await here.health()).toMatchObject({ state: 'ok' }) // nobody asked for QQQ of today
    const found = await here.health({ TAPELAKE_NOW: later(5) })
    expect(found).toMatchObject({ code: 3, state: 'degraded' })
    expect(found.reasons).toEqual(['SPY equity_bars_1m: 3 sessions behind 2025-06-13, held up to 2025-06-10'])
    expect(found.findings).toMatchObject([{ part: 'freshness', ticker: 'SPY' }])
    const universe = { TAPELAKE__SOURCES__POLYGON__EQUITIES: 'QQQ,IWM' }
    const { reasons } = await here.health(universe)
    expect(reasons).toHaveLength(2)
    expect(reasons[0]).toMatch(/^QQQ equity_bars_1m: 2\d sessions? behind 2025-06-10, held up to 2025-05-09$/)
    expect(reasons[1]).toBe('IWM: nothing is held of it')
  })

  test('is degraded when a series ends within the last month, whoever recorded it', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill --ticker SPY --from 2025-05-27 --to 2025-06-06')
    const { reasons } = await here.health()
    expect(reasons).toEqual(['SPY equity_bars_1m: 2 sessions behind 2025-06-10, held up to 2025-06-06'])
  })

  test('names the ticker and the run that failed, until a good run of it', async () => {
    const good = (await simulate()).url
    const here = place(good)
    await here.run('backfill --ticker SPY,QQQ --days 2')
    const broken = place((await simulate(['500'])).url, here.dataDir)
    expect(await broken.run('backfill --ticker QQQ --days 2 --force')).toMatchObject({ code: 3 })
    const found = await here.health()
    expect(found).toMatchObject({ code: 3, state: 'degraded', findings: [{ part: 'runs', ticker: 'QQQ' }] })
    expect(found.reasons[0]).toMatch(/^backfill of QQQ ended in part with exit code 3 \(run 2025\S+\)/)
    await here.run('backfill --ticker SPY --days 2')
    expect(await here.health()).toMatchObject({ state: 'degraded' })
    await here.run('backfill --ticker SPY,QQQ --days 2')
    expect(await here.health()).toMatchObject({ code: 0, state: 'ok', reasons: [] })
  })

  test('is down when nothing works: the key is refused, the disk is full, the directory is gone', async () => {
    const here = place((await simulate(['401'])).url)
    await here.run('backfill --ticker SPY --days 2')
    const refused = await here.health()
    expect(refused).toMatchObject({ code: 1, state: 'down' })
    expect(refused.reasons[0]).toMatch(/^backfill of SPY failed with exit code 4 .*authentication/)
    const full = await here.health({ TAPELAKE__DISK__MIN_FREE_MB: '999999999' })
    expect(full.reasons[0]).toMatch(/^only \d+ MiB are free/)
    rmSync(here.dataDir, { recursive: true })
    expect(await here.health()).toMatchObject({
      ...{ code: 1, state: 'down', reasons: [`there is no data directory ${here.dataDir}`] },
    })
  })

  test('tells of runs that died, that hang, that wait behind an open breaker; not of slips of the keyboard', async () => {
    const here = place((await simulate()).url)
    expect(await here.health()).toMatchObject({ state: 'degraded' }) // nothing was ever recorded
    await here.run('backfill --ticker SPY --days 2')
    await here.run('backfill --ticker NOSUCHTICKER --days 2')
    expect(await here.health()).toMatchObject({ state: 'ok' })
    await here.run('backfill --ticker SPY --days 2')
    here.rewrite(() => ({ state: 'running', endedAt: null, exitCode: null, processStart: 'gone' }))
    expect((await here.health()).reasons[0]).toMatch(/^backfill of SPY died: run \S+ did not end/)
    const silent = new Date(Date.now() - 90_000).toISOString()
    const live = { breakers: { aggregates: 'open' }, performance: ['is slow'], stream: { stalled: true } }
    await here.run('backfill --ticker SPY --days 2')
    here.rewrite(() => ({ state: 'running', endedAt: null, exitCode: null, updatedAt: silent, live }))
    const [died, ...reasons] = (await here.health()).reasons
    expect(died).toMatch(/^backfill of SPY died/) // no good run has followed yet
    expect(reasons).toHaveLength(4)
    expect(reasons[0]).toMatch(/^backfill of SPY \(run \S+\) has said nothing for \d+ s/)
    expect(reasons[1]).toMatch(/circuit breaker of aggregates is open$/)
    expect(reasons[2]).toMatch(/receives no data$/)
    expect(reasons[3]).toMatch(/is slow$/)
  })

  test('reads the universe from a file, and shows the budget where there is a limit', async () => {
    const here = place((await simulate()).url)
    await here.run('backfill --ticker SPY --days 2')
    const file = join(here.dataDir, 'tickers.txt')
    writeFileSync(file, 'SPY\nDIA # later\n')
    const found = await here.health({
      TAPELAKE__SOURCES__POLYGON__EQUITIES: `@${file}`,
      TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '9',
    })
    expect(found).toMatchObject({ state: 'degraded', reasons: ['DIA: nothing is held of it'] })
    expect(found).toMatchObject({ budget: { limit: 9 } })
  })

  test('shows people the same, once or again and again', async () => {
    const here = place((await simulate(['invalid-rows'])).url)
    await here.run('backfill --ticker SPY --days 2')
    const { stdout, code } = await here.run('health')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ok {2}\S+ {2}2025-06-11T02:00:00Z\n/)
    expect(stdout).toMatch(/equity_bars_1m +SPY +2025-06-10 +2025-06-10 +0\n/)
    expect(stdout).toMatch(/quarantine: \d+ rows of 2 sessions \(SPY equity_bars_1m\)/)
    const watched = await runHere(['health', '--watch', '1', '--data-dir', here.dataDir], {
      env: { TAPELAKE_NOW: NOW },
      signals: [{ after: /ok {2}[^]*ok {2}[^]*quarantine[^]*quarantine/, send: 'SIGHUP' }],
    })
    expect(watched.code).toBe(0)
    expect(await here.run('health --watch --json')).toMatchObject({ code: 2 })
  })
})
