import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { envelope, invalid, minuteBars, startBarVendor, type BarRequest } from '../support/bar-vendor.ts'
import { keepEvents } from '../../src/pipeline/stream/kept-events.ts'
import { createFrameParser } from '../../src/sources/polygon/socket/frame-parser.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { interceptOperations } from '../support/crash/operations.js'
import { expectVerified } from '../support/crash/witness.ts'
import { askDuckDb, unfinishedBelow } from '../support/lake.ts'
import type { VendorServer } from '../support/vendor-server.ts'

const DAYS = ['2025-06-02', '2025-06-03'] as const
/** More than a double holds: it would be rounded to …992. */
const HUGE = '9007199254740993'

/**
 * Two sessions of three bars and of five: of the second day the bars that follow break a rule each, but for the last,
 * which is a good bar of a day that nobody asked for.
 */
function answer(request: BarRequest): object {
  const [first, ...rest] = minuteBars(DAYS[1], undefined, 5)
  const stray = minuteBars('2025-06-04', undefined, 1)[0]!
  const bars = [...minuteBars(DAYS[0]), first!, invalid(rest[0]!), invalid(rest[1]!), rest[2]!, stray]
  const body = envelope(request.ticker, bars)
  return { body: JSON.stringify(body).replace(/("n":)7(},[^{}]*{[^{}]*}\])/, `$1${HUGE}$2`) }
}

let vendor: VendorServer
let recorded: string
let env: Record<string, string>
beforeAll(async () => {
  vendor = await startBarVendor({
    instead: (request) => (request.timespan === 'minute' ? answer(request) : undefined),
  })
  env = { POLYGON_REST_URL: vendor.url, POLYGON_API_KEY: 'k', TAPELAKE_NOW: '2025-06-11T02:00:00Z' }
  recorded = freshFolder()
  const run = await runHere(
    ['backfill', '--ticker', 'SPY', '--from', DAYS[0], '--to', DAYS[1], '--data-dir', recorded],
    { env },
  )
  expect(run.code).toBe(0)
})
afterAll(async () => {
  await vendor.close()
  rmSync(recorded, { recursive: true })
})

interface Entry {
  readonly id: string
  readonly rule: string
  readonly rows: number
}

/** A copy of the lake, for tests that change it. */
function copyOfLake(): string {
  const copy = freshFolder()
  cpSync(recorded, copy, { recursive: true })
  return copy
}
const ask = (root: string, ...args: string[]) =>
  runCliJson(['quarantine', ...args, '--data-dir', root], { here: true, env })
async function entriesOf(root: string): Promise<readonly Entry[]> {
  return (await ask(root, 'list')).document['entries'] as Entry[]
}
const entryOf = async (root: string, rule: string) =>
  (await entriesOf(root)).find((one) => one.rule === rule)!
const rowsIn = async (root: string) =>
  Number(
    (
      await askDuckDb(
        `SELECT count(*) AS rows FROM read_parquet('${root}/lake/**/*.parquet', hive_partitioning = false)`,
      )
    )[0]!['rows'],
  )

describe('quarantine list', () => {
  test('has one entry per session and rule, with its reason and number of rows', async () => {
    const { document } = await ask(recorded, 'list')
    expect(document).toMatchObject({ schema: { name: 'tapelake.quarantine', version: 1 }, count: 3 })
    const entries = document['entries'] as Record<string, unknown>[]
    expect(entries.map(({ rule, rows }) => [rule, rows])).toEqual([
      ['outside_request', 1],
      ['count_not_exact', 1],
      ['high_below_low', 2],
    ])
    expect(entries[2]).toMatchObject({
      ...{ id: expect.stringMatching(/^[0-9a-f]{10}$/) as string, dataset: 'equity_bars_1m', ticker: 'SPY' },
      ...{ session: DAYS[1], reason: 'high 1 is below low 2' },
      when: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    })
    expect(await entriesOf(recorded)).toEqual(entries)
  })

  test('is a table for people, and says so where there is nothing', async () => {
    const { stdout } = await runHere(['quarantine', 'list', '--data-dir', recorded], { env })
    expect(stdout).toMatch(/equity_bars_1m +SPY +2025-06-03 +2 +high_below_low +high 1 is below low 2/)
    const none = await runHere(['quarantine', 'list', '--data-dir', freshFolder()], { env })
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'Nothing is in quarantine.\n' })
  })
})

describe('quarantine show', () => {
  test('gives the values exactly as sent, beyond 2^53 too, and the request that brought them', async () => {
    const { id } = await entryOf(recorded, 'count_not_exact')
    const { document } = await ask(recorded, 'show', id)
    const [row] = document['entries'] as Record<string, unknown>[]
    expect(row).toMatchObject({
      raw: { n: HUGE, vw: expect.any(Number) as number },
      source: 'polygon',
      requestId: 'vendor-request-1',
    })
    expect(row!['sent']).toContain(`"n":${HUGE}}`)
    expect(row!['request']).toMatch(/^\/v2\/aggs\/ticker\/SPY\/range\/1\/minute\//)
    const { stdout } = await runHere(['quarantine', 'show', id, '--data-dir', recorded], { env })
    expect(stdout).toContain(HUGE)
  })

  test('refuses an id that does not exist', async () => {
    const { code, stderr } = await runHere(['quarantine', 'show', 'nothing', '--data-dir', recorded], { env })
    expect([code, stderr]).toEqual([2, expect.stringContaining("nothing in quarantine is called 'nothing'")])
  })
})

describe('quarantine release', () => {
  test('refuses a row that still breaks a rule, names the rule and changes nothing', async () => {
    const root = copyOfLake()
    const path = join(root, 'ledger/equity_bars_1m/SPY.json')
    const before = readFileSync(path, 'utf8')
    const { id } = await entryOf(root, 'high_below_low')
    const { code, document } = await ask(root, 'release', id)
    expect([code, document['error']]).toEqual([
      1,
      expect.objectContaining({
        code: 'RELEASE_REFUSED',
        message: expect.stringContaining('high_below_low') as string,
      }),
    ])
    expect(readFileSync(path, 'utf8')).toBe(before)
    expect(await entriesOf(root)).toEqual(await entriesOf(recorded))
  })

  test('takes the rows as sent with --force, into a lake that is in order', async () => {
    const root = copyOfLake()
    const { id } = await entryOf(root, 'high_below_low')
    const { code, document } = await ask(root, 'release', id, '--force')
    expect([code, document['rows']]).toEqual([0, 2])
    expect(await rowsIn(root)).toBe((await rowsIn(recorded)) + 2)
    expect((await entriesOf(root)).map(({ rule }) => rule)).toEqual(['outside_request', 'count_not_exact'])
    await expectVerified(root)
    expect((await ask(root, 'release', id)).code).toBe(2)
  })

  test('never rounds a count, forced or not', async () => {
    const root = copyOfLake()
    const { id } = await entryOf(root, 'count_not_exact')
    const { code, document } = await ask(root, 'release', id, '--force')
    expect(code).toBe(1)
    expect(JSON.stringify(document)).toContain('cannot hold trade_count exactly')
  })

  test('merges a good row into the session that it belongs to', async () => {
    const root = copyOfLake()
    const { id } = await entryOf(root, 'outside_request')
    const { code, document } = await ask(root, 'release', id)
    expect([code, document['rows']]).toEqual([0, 1])
    expect(await entryOf(root, 'outside_request')).toBeUndefined()
    const { document: status } = await runCliJson(['status', '--data-dir', root], { here: true, env })
    expect(status['series']).toMatchObject([
      { rows: (await rowsIn(recorded)) + 1, quarantined: 3, last: '2025-06-04' },
    ])
    await expectVerified(root)
  })

  test('never takes the place of another row, but with --force', async () => {
    const root = copyOfLake()
    const path = join(freshFolder(), 'day.csv')
    const { t } = minuteBars('2025-06-04', undefined, 1)[0]!
    const header = 'ticker,volume,open,close,high,low,window_start,transactions'
    writeFileSync(path, `${header}\nSPY,5,7,7,7,7,${String(t)}000000,1\n`)
    await runHere(['import', path, '--data-dir', root], { env })
    const { id } = await entryOf(root, 'outside_request')
    const { code, document } = await ask(root, 'release', id)
    expect([code, JSON.stringify(document)]).toEqual([1, expect.stringContaining('held_already')])
    expect(await entryOf(root, 'outside_request')).toBeDefined()
    expect((await ask(root, 'release', id, '--force')).code).toBe(0)
    expect(await rowsIn(root)).toBe((await rowsIn(recorded)) + 1)
    await expectVerified(root)
  })

  test('cut off anywhere leaves each row in the lake or in quarantine, and the next one finishes it', async () => {
    let finished = false
    for (let at = 1; !finished; at += 9) {
      const root = copyOfLake()
      const { id } = await entryOf(root, 'high_below_low')
      let count = 0
      const restore = await interceptOperations({
        before: () => {
          if (++count < at) return undefined
          throw Object.assign(new Error('EIO: dead'), { code: 'EIO' })
        },
        torn: () => {
          throw new Error('never torn')
        },
      })
      const { code } = await ask(root, 'release', id, '--force')
      restore()
      finished = count < at
      if (finished) expect(code).toBe(0)
      const again = await entryOf(root, 'high_below_low')
      if (again) expect((await ask(root, 'release', id, '--force')).code).toBe(0)
      else await ask(root, 'release', (await entryOf(root, 'outside_request')).id)
      expect(await entryOf(root, 'high_below_low')).toBeUndefined()
      expect(await rowsIn(root)).toBeGreaterThanOrEqual((await rowsIn(recorded)) + 2)
      expect(await unfinishedBelow(root)).toEqual([])
      await expectVerified(root)
      rmSync(root, { recursive: true })
    }
  })
})

describe('quarantine drop', () => {
  test('asks first, and where nobody can be asked changes nothing', async () => {
    const { id } = await entryOf(recorded, 'high_below_low')
    const { code, stderr } = await runHere(['quarantine', 'drop', id, '--data-dir', recorded], { env })
    expect([code, stderr]).toEqual([2, expect.stringContaining('--yes')])
    expect(await entriesOf(recorded)).toHaveLength(3)
  })

  test('removes the rows for good with --yes and leaves the others', async () => {
    const root = copyOfLake()
    const { id } = await entryOf(root, 'high_below_low')
    const { code, document } = await ask(root, 'drop', id, '--yes')
    expect([code, document['rows']]).toEqual([0, 2])
    expect((await entriesOf(root)).map(({ rule }) => rule)).toEqual(['outside_request', 'count_not_exact'])
    expect(await rowsIn(root)).toBe(await rowsIn(recorded))
    const { document: status } = await runCliJson(['status', '--data-dir', root], { here: true, env })
    expect(status['series']).toMatchObject([{ quarantined: 2 }])
    await expectVerified(root)
  })
})

describe('live events that became no row', () => {
  test('are listed and shown as they came, never released, and dropped', async () => {
    const root = freshFolder()
    const at = { source: 'simulator', request: 'live stocks' }
    const parser = createFrameParser(at)
    const when = Date.parse('2025-06-02T14:00:00Z')
    const events = [`{"ev":"LULD","sym":"SPY","n":${HUGE}}`, '{"ev":"LULD","sym":"QQQ"}', '[1']
    for (const text of events) parser.add(Buffer.from(text), when)
    const { unknown, malformed } = parser.take()
    const night = {
      rule: 'outside_session',
      raw: '{"ev":"AM"}',
      reason: 'at night',
      receivedMs: when,
    } as const
    await keepEvents(root, 'stocks', [...unknown, ...malformed, night])

    const { document } = await ask(root, 'list')
    const [broken, stray, strange] = document['entries'] as Entry[]
    expect(document['entries']).toMatchObject([
      { dataset: 'live', ticker: 'stocks', session: '2025-06-02', rule: 'malformed_event', rows: 1 },
      { rule: 'outside_session', rows: 1, reason: 'at night' },
      { rule: 'unknown_event', rows: 2, reason: 'no dataset holds LULD events of this kind' },
    ])
    expect((await ask(root, 'show', strange!.id)).document['entries']).toMatchObject([
      { raw: { ev: 'LULD', sym: 'SPY', n: HUGE }, sent: events[0] },
      { raw: { sym: 'QQQ' } },
    ])
    expect((await ask(root, 'show', broken!.id)).document['entries']).toMatchObject([
      { raw: '[1', sent: '[1' },
    ])
    const people = await runHere(['quarantine', 'show', broken!.id, '--data-dir', root], { env })
    expect(people.stdout).toContain('broken frame')
    const refused = await runHere(['quarantine', 'release', broken!.id, '--force', '--data-dir', root], {
      env,
    })
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect((await ask(root, 'drop', broken!.id, '--yes')).document).toMatchObject({
      rows: 1,
      dataset: 'live',
    })
    expect(await entriesOf(root)).toMatchObject([{ id: stray!.id }, { id: strange!.id }])
    const asked = await runHere(['quarantine', 'drop', strange!.id, '--data-dir', root], { env })
    expect(asked.code).not.toBe(0)
    expect(await entriesOf(root)).toHaveLength(2)
  })
})
