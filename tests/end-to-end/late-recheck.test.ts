import { describe, expect, test } from 'vitest'
import { Place, simulate, type BackfillDocument } from './world.ts'

const SESSIONS = '--ticker SPY --from 2025-06-05 --to 2025-06-06'
const RECORDED = '2025-06-07T14:00:00Z'
/** Within, and beyond the five days after the sessions in which late rows are merged. */
const SOON = '2025-06-10T14:00:00Z'
const LATER = '2025-06-20T14:00:00Z'
const YET_LATER = '2025-06-24T14:00:00Z'

type Document = BackfillDocument & {
  readonly late: { readonly merged: number; readonly quarantined: number }
  readonly restated: readonly Readonly<Record<string, unknown>>[]
}
interface Entry {
  readonly id: string
  readonly session: string
  readonly rule: string
  readonly rows: number
}

/** A lake whose vendor broke some rows, or left out a day, when it was recorded, and does so no more. */
async function desk(fault: string, sessions = SESSIONS) {
  const recheckLong = { TAPELAKE__VERSIONS__RECHECK_SESSIONS: '60' }
  const first = new Place((await simulate([fault])).url, { ...recheckLong, TAPELAKE_NOW: RECORDED })
  const { document } = await first.backfill(sessions)
  const mended = new Place((await simulate()).url, recheckLong, first.dataDir)
  const backfill = async (now: string, flags: string, place = mended) => {
    const run = await place.backfill(`${sessions} ${flags}`, { env: { TAPELAKE_NOW: now } })
    return { code: run.code, stderr: run.stderr, ...(run.document as Document) }
  }
  const ask = async <T>(args: string) => {
    const run = await mended.run(`${args} --json`, { env: { TAPELAKE_NOW: YET_LATER } })
    return { code: run.code, document: JSON.parse(run.stdout) as T }
  }
  const entries = async () => (await ask<{ entries: Entry[] }>('quarantine list')).document.entries
  /** The same vendor with a fault, at the same lake. */
  const vendorWith = async (now: string) => new Place((await simulate([now])).url, recheckLong, first.dataDir)
  return { first, recorded: document, place: mended, backfill, ask, entries, vendorWith }
}

const BROKEN = 'invalid-rows:rows=0.02,kind=high-below-low'

describe('rows that a re-check brings, and that the lake lacks', () => {
  test('beyond the window are in quarantine until somebody takes them in', async () => {
    const { recorded, place, backfill, ask, entries, vendorWith } = await desk(BROKEN)
    const lacking = recorded.quarantined
    expect(lacking).toBeGreaterThan(10)
    expect(recorded.states).toEqual({ complete: 2 })

    const restating = await vendorWith('restate')
    const recheck = await backfill(LATER, '--recheck', restating)
    expect([recheck.code, recheck.calls, recheck.states]).toEqual([0, 1, { complete: 2 }])
    expect(recheck.late).toEqual({ merged: 0, quarantined: lacking })
    expect(recheck.rows).toBe(recorded.rows)
    expect(recheck.restated).toMatchObject([
      { date: '2025-06-05', added: 0, removed: 0, changed: expect.any(Number) as number },
      { date: '2025-06-06', added: 0, removed: 0, changed: expect.any(Number) as number },
    ])
    const found = await entries()
    expect(found.map(({ rule }) => rule)).toEqual(['late', 'late'])
    expect(found.reduce((sum, { rows }) => sum + rows, 0)).toBe(lacking)

    const before = place.files()
    const second = await backfill(YET_LATER, '--recheck', restating)
    expect([second.calls, second.restated]).toEqual([1, []])
    expect(second.late).toEqual({ merged: 0, quarantined: 0 })
    expect(place.files()).toEqual(before)
    expect((await backfill(YET_LATER, '')).calls).toBe(0)

    const gaps = await ask<{ gaps: { reason: string }[] }>('gaps')
    expect(gaps.code).toBe(3)
    expect(gaps.document.gaps.map(({ reason }) => reason)).toContain('quarantined')
    expect((await ask('verify --deep')).code).toBe(0)
    expect((await ask('quality')).code).toBe(0)
    expect((await ask('status')).document).toMatchObject({ series: [{ quarantined: lacking }] })

    const [one, other] = found as [Entry, Entry]
    expect((await ask(`quarantine release ${one.id}`)).code).toBe(0)
    expect(await entries()).toMatchObject([other])
    expect(await place.rows()).toHaveLength(recorded.rows + one.rows)
    const repaired = await ask('gaps --repair')
    expect(repaired.code).toBe(0)
    expect(await entries()).toEqual([])
    expect(await place.rows()).toHaveLength(recorded.rows + lacking)
    expect((await ask('verify --deep')).code).toBe(0)
    expect((await ask('gaps')).code).toBe(0)
  })

  test('within it are merged, and the session is restated', async () => {
    const { recorded, place, backfill, entries } = await desk(BROKEN)
    const recheck = await backfill(SOON, '--recheck')
    expect(recheck.code).toBe(0)
    expect(recheck.late).toEqual({ merged: recorded.quarantined, quarantined: 0 })
    expect(recheck.restated).toMatchObject([{ removed: 0 }, { removed: 0 }])
    expect(await entries()).toEqual([])
    expect(await place.rows()).toHaveLength(recorded.rows + recorded.quarantined)
  })

  test('are taken by --force, however late', async () => {
    const { recorded, place, backfill, entries } = await desk(BROKEN)
    expect((await backfill(LATER, '--recheck')).late.quarantined).toBe(recorded.quarantined)
    const forced = await backfill(YET_LATER, '--force')
    expect(forced.code).toBe(0)
    expect(forced.late).toEqual({ merged: recorded.quarantined, quarantined: 0 })
    expect(await entries()).toEqual([])
    expect(await place.rows()).toHaveLength(recorded.rows + recorded.quarantined)
  })

  test('of a session that was empty leave it empty; its gap is in quarantine, and can be repaired', async () => {
    const session = '--ticker SPY --date 2025-06-05'
    const { recorded, backfill, ask, entries } = await desk('missing-day:day=2025-06-05', session)
    expect(recorded.states).toEqual({ empty: 1 })
    const recheck = await backfill(LATER, '--recheck')
    expect([recheck.code, recheck.states]).toEqual([0, { empty: 1 }])
    expect(recheck.late.quarantined).toBeGreaterThan(300)
    expect(await entries()).toMatchObject([{ rule: 'late', rows: recheck.late.quarantined }])
    expect((await backfill(YET_LATER, '--recheck')).late).toEqual({ merged: 0, quarantined: 0 })
    const gaps = await ask<{ gaps: object[] }>('gaps')
    expect([gaps.code, gaps.document.gaps]).toMatchObject([3, [{ reason: 'quarantined' }]])
    expect((await ask('quality')).code).toBe(0)
    expect((await ask('gaps --repair')).code).toBe(0)
    expect(await entries()).toEqual([])
  })

  test('of a session that was empty make it complete once they are released', async () => {
    const session = '--ticker SPY --date 2025-06-05'
    const { place, backfill, ask, entries } = await desk('missing-day:day=2025-06-05', session)
    const { late } = await backfill(LATER, '--recheck')
    expect((await ask(`quarantine release ${(await entries())[0]!.id}`)).code).toBe(0)
    expect(await place.rows()).toHaveLength(late.quarantined)
    const again = await backfill(YET_LATER, '--recheck')
    expect([again.states, again.restated]).toEqual([{ complete: 1 }, []])
    expect(again.late).toEqual({ merged: 0, quarantined: 0 })
  })
})
