import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { dataPaths } from '../../src/lake/layout.ts'
import { takeLock } from '../../src/lake/lock.ts'
import { minuteBars, type WireBar } from '../support/bar-vendor.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { Place, simulate, vendor } from './world.ts'

interface NightDocument {
  readonly schema: { readonly name: string }
  readonly exitCode: number
  readonly steps: readonly {
    readonly name: string
    readonly state: string
    readonly detail: string
    readonly restated?: readonly { readonly ticker: string; readonly date: string }[]
    readonly states?: Readonly<Record<string, number>>
  }[]
}

/** Wednesday's night and the one after it. */
const TUESDAY = '2025-06-11T02:00:00Z'
const WEDNESDAY = '2025-06-12T02:00:00Z'

/** A night in `place`, with its report. */
async function night(place: Place, args = '', env: Record<string, string> = {}) {
  const words = ['nightly', '--tickers', 'SPY,QQQ', ...args.split(' ').filter(Boolean)]
  const run = await runHere([...words, '--workers', '1', '--json', '--data-dir', place.dataDir], {
    env: { ...place.env, TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '4', ...env },
  })
  const document = JSON.parse(run.stdout) as NightDocument
  return { ...run, document, step: (name: string) => document.steps.find((one) => one.name === name)! }
}

/** A place where something answers POST, and what it was sent. */
async function webhook() {
  const bodies: string[] = []
  const server = createServer((request, answer) => {
    request.on('data', (chunk) => bodies.push(String(chunk)))
    request.on('end', () => answer.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const file = join(freshFolder(), 'url')
  writeFileSync(file, `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path\n`)
  return { file, bodies }
}

describe('nightly', () => {
  test('with a key that the vendor refuses ends with exit 4', async () => {
    const place = new Place((await simulate(['401'])).url)
    const words = ['nightly', '--tickers', 'SPY', '--workers', '1', '--data-dir', place.dataDir]
    expect((await runHere(words, { env: place.env })).code).toBe(4)
  })

  test('goes on where the night before was ended by the budget', async () => {
    const place = new Place((await simulate()).url, {
      TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '150',
      TAPELAKE__NIGHTLY__RECHECK_SESSIONS: '2',
    })
    const words = ['nightly', '--tickers', 'SPY', '--workers', '1', '--data-dir', place.dataDir]
    const env = { ...place.env, TAPELAKE_RUNTIME_DIR: freshFolder() }
    const first = await runCliJson(words, {
      env: { ...env, TAPELAKE__SOURCES__POLYGON__CALLS_PER_DAY: '1' },
      here: true,
    })
    expect(first.code).toBe(7)
    expect(await place.run('gaps')).toMatchObject({ code: 3 })
    const second = await runCliJson(words, { env: place.env, here: true })
    expect(second.code).toBe(0)
    const { document } = await runCliJson(['status', '--data-dir', place.dataDir], { here: true })
    expect(document).toMatchObject({ series: [{ cells: { complete: 150, missing: 0 } }] })
  })

  test('merges what its re-check finds late, and puts what is too late into quarantine', async () => {
    let isLater = false
    const late = ['2025-06-02', '2025-06-09'] // eight days ago, and yesterday
    const server = await vendor({
      bars: (date) => minuteBars(date, undefined, isLater && late.includes(date) ? 4 : 3),
    })
    const place = new Place(server.url, {
      TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '9',
      TAPELAKE__NIGHTLY__RECHECK_SESSIONS: '9',
    })
    const words = ['nightly', '--tickers', 'SPY', '--workers', '1', '--data-dir', place.dataDir]
    const nights = async () => {
      const run = await runCliJson(words, { env: place.env, here: true })
      const { steps } = run.document as unknown as NightDocument
      return { code: run.code, step: steps.find(({ name }) => name === 'recheck')! }
    }
    expect((await nights()).code).toBe(0)
    isLater = true
    const second = await nights()
    expect(second.step).toMatchObject({
      state: 'ok',
      late: { merged: 1, quarantined: 1 },
      restated: [{ date: '2025-06-09', added: 1 }],
      detail: expect.stringContaining('1 late row merged; 1 row too late (quarantine)') as string,
    })
    expect((await nights()).step).toMatchObject({ late: { merged: 0, quarantined: 0 }, restated: [] })
  })

  test('closes a known hole, however long ago its session was', async () => {
    let isLater = false
    const [old, hole] = ['2025-06-05', 30] // of the five newest sessions, five days ago; its re-checks are over
    const server = await vendor({
      bars: (date) =>
        minuteBars(date, undefined, 120).filter((_, i) => isLater || date !== old || i !== hole),
    })
    const place = new Place(server.url, { TAPELAKE__VERSIONS__LATE_DAYS: '2' })
    await place.run('backfill --ticker SPY --days 4')
    isLater = true
    await night(place)
    const day = `timezone('America/New_York', timestamp)::DATE = DATE '${old}'`
    const count = `SELECT count(*)::INT AS bars FROM equity_bars_1m WHERE ticker = 'SPY' AND ${day}`
    const { document } = await runCliJson(['query', count, '--data-dir', place.dataDir], { here: true })
    expect(document).toMatchObject({ rows: [{ bars: 120 }] })
    const { document: kept } = await runCliJson(['quarantine', 'list', '--data-dir', place.dataDir], {
      here: true,
    })
    expect(kept['entries']).toEqual([])
  })

  test('leaves it to a person to repair what came too late', async () => {
    let isLater = false
    const [late, hole] = ['2025-06-06', 30] // of the five newest sessions, four days ago; a minute much is traded around
    const server = await vendor({
      bars: (date) =>
        minuteBars(date, undefined, 120).filter((_, i) => isLater || date !== late || i !== hole),
    })
    const place = new Place(server.url, {
      TAPELAKE__VERSIONS__LATE_DAYS: '2',
      TAPELAKE__NIGHTLY__RECHECK_SESSIONS: '4',
    })
    const quarantined = async () => {
      const { document } = await runCliJson(['quarantine', 'list', '--data-dir', place.dataDir], {
        here: true,
      })
      return document['entries']
    }
    await night(place)
    isLater = true
    const second = await night(place)
    expect(second.step('recheck')).toMatchObject({ late: { merged: 0, quarantined: 2 } })
    expect(second.step('repair').detail).not.toContain(' 0 sessions asked for again')
    expect(await quarantined()).toMatchObject([{ rule: 'late' }, { rule: 'late' }])
    expect((await night(place)).step('recheck')).toMatchObject({ late: { merged: 0, quarantined: 0 } })

    await place.run('gaps --repair')
    expect(await quarantined()).toEqual([])
  })

  test('records what is missing, finds what the vendor changed, tries refused tickers again', async () => {
    let refused = ''
    let raised = 0
    const server = await vendor({
      instead: ({ ticker }) =>
        ticker === refused
          ? { status: 403, body: JSON.stringify({ status: 'NOT_AUTHORIZED', message: 'not in your plan' }) }
          : undefined,
      bars: (date, { ticker }) =>
        minuteBars(date).map((bar): WireBar => {
          const more = ticker === 'SPY' && date === '2025-06-09' ? raised : 0
          return { ...bar, v: Number(bar['v']) + more }
        }),
    })
    const place = new Place(server.url)
    const first = await night(place)
    expect([first.code, first.document.schema.name]).toEqual([0, 'tapelake.nightly'])
    expect(first.document.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      ...['discover skipped', 'backfill ok', 'recheck ok', 'repair ok', 'snapshot skipped'],
      ...['compact ok', 'verify ok'],
    ])
    expect(first.step('backfill').states).toEqual({ complete: 8 })

    raised = 1000
    const second = await night(place)
    expect(second.code).toBe(0)
    expect(second.step('recheck').restated).toMatchObject([{ ticker: 'SPY', date: '2025-06-09' }])

    refused = 'QQQ'
    const held = await place.rows()
    const hook = await webhook()
    const third = await night(place, '', {
      TAPELAKE_NOW: WEDNESDAY,
      TAPELAKE__NIGHTLY__WEBHOOK_URL_FILE: hook.file,
    })
    expect([third.code, third.document.exitCode]).toEqual([3, 3])
    expect(third.step('backfill')).toMatchObject({
      state: 'partial',
      states: { complete: 9, not_entitled: 1 },
    })
    expect(third.step('verify').state).toBe('ok')
    expect(await place.rows()).toEqual(expect.arrayContaining(held))
    expect(JSON.parse(hook.bodies.join(''))).toMatchObject({
      kind: 'nightly',
      severity: 'warning',
      fields: { exitCode: 3, backfill: 'partial', verify: 'ok' },
    })
    expect(third.stdout + third.stderr).not.toContain('secret-path')

    refused = ''
    const fourth = await night(place, '', { TAPELAKE_NOW: WEDNESDAY })
    expect([fourth.code, fourth.step('backfill').states]).toEqual([0, { complete: 10 }])
    const runs = await runHere(['runs', '--json', '--data-dir', place.dataDir])
    const list = (JSON.parse(runs.stdout) as { runs: { command: string; state: string }[] }).runs
    expect(list.map(({ command, state }) => `${command} ${state}`)).toEqual([
      ...['nightly ok', 'nightly partial', 'nightly ok', 'nightly ok'],
    ])
  })

  test('is refused while another night is under way, and says when a held ticker is refused', async () => {
    let refusing = false
    const server = await vendor({
      instead: () => (refusing ? { status: 403, body: '{"status":"NOT_AUTHORIZED"}' } : undefined),
    })
    const place = new Place(server.url, { TAPELAKE_NOW: TUESDAY })
    expect((await night(place)).code).toBe(0)
    refusing = true
    const refused = await night(place) // nothing is missing: only the re-check can tell
    expect([refused.code, refused.step('recheck').state]).toEqual([3, 'partial'])
    const folder = dataPaths(place.dataDir).locks
    const lock = await takeLock(
      { folder, name: 'nightly', purpose: 'nightly', waitMs: 0 },
      new AbortController().signal,
    )
    onTestFinished(() => lock.release())
    const second = await runHere(['nightly', '--tickers', 'SPY', '--data-dir', place.dataDir], {
      env: place.env,
    })
    expect([second.code, second.stderr]).toEqual([6, expect.stringContaining('another night is under way')])
  })

  test('tells for people how each step went, options included', async () => {
    const place = new Place(undefined)
    const run = await runHere(
      ['nightly', '--tickers', 'SPY', '--source', 'simulator', '--workers', '1', '--data-dir', place.dataDir],
      {
        env: {
          ...place.env,
          TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '2',
          TAPELAKE__NIGHTLY__DISCOVER: 'SPY',
          TAPELAKE__NIGHTLY__VERIFY_SAMPLE: '0',
          TAPELAKE__NIGHTLY__WEBHOOK_URL_FILE: '/nowhere/url',
        },
      },
    )
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(/ok +discover .*for 2025-06-11: SPY \d+ contracts\n/)
    expect(run.stdout).toMatch(/skipped +verify +switched off/)
    expect(run.stdout).toMatch(/The night went well\.\n$/)
    expect(run.stderr).toMatch(/nightly\.webhookUrlFile/)
  })

  test('records the bars of the option contracts that it discovered, from the night after on', async () => {
    const place = new Place(undefined)
    const nights: [number | null, string][] = []
    for (const now of [TUESDAY, WEDNESDAY]) {
      const words = 'nightly --tickers QQQ --source simulator --workers 1 --data-dir'.split(' ')
      const run = await runHere([...words, place.dataDir], {
        env: {
          ...{ ...place.env, TAPELAKE_NOW: now, TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '1' },
          TAPELAKE__NIGHTLY__DISCOVER: 'SPY',
          TAPELAKE__NIGHTLY__DATASETS: 'equity_bars_1m,option_bars_1m',
        },
      })
      nights.push([run.code, /ok +backfill +.*rows, (\d+ calls?)/.exec(run.stdout)?.[1] ?? run.stdout])
    }
    expect(nights).toEqual([
      [0, '1 call'],
      [0, '31 calls'],
    ])
    const status = await runHere(['status', '--json', '--data-dir', place.dataDir])
    expect((JSON.parse(status.stdout) as { series: object[] }).series).toMatchObject([
      { dataset: 'equity_bars_1m', ticker: 'QQQ' },
      { dataset: 'option_contracts', ticker: 'SPY' },
      { dataset: 'option_bars_1m', ticker: 'SPY', first: '2025-06-11', last: '2025-06-11' },
    ])
  })
})
