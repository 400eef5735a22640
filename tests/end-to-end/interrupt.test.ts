import { describe, expect, test } from 'vitest'
import { Place, simulate } from './world.ts'

/** Three requests of minute bars. */
const MONTHS = '--ticker SPY --from 2025-01-02 --to 2025-06-06'
const ONE_AT_A_TIME = { TAPELAKE__BACKFILL__CONCURRENCY: '1' }

/** What `-vv` prints for the n-th request, answer or wait. */
const nth = (n: number, what: 'request' | 'answer') => new RegExp(`("msg":"${what}"[^]*){${n}}`)
const WAITING = /"msg":"waiting /
const ASKED_AND_WAITING = /"msg":"request"[^]*"msg":"waiting |"msg":"waiting [^]*"msg":"request"/

async function expectWhole(place: Place): Promise<void> {
  expect(place.paths().filter((path) => path.endsWith('.tmp'))).toEqual([])
  expect(await place.run('verify')).toMatchObject({ code: 0 })
}

/** Runs the same backfill again, undisturbed; then the lake must be that of a run that nobody disturbed. */
async function expectResumed(place: Place, flags: string): Promise<void> {
  const { url } = await simulate()
  expect(await new Place(url, {}, place.dataDir).backfill(flags)).toMatchObject({
    code: 0,
    document: { holes: [] },
  })
  const whole = new Place(url)
  await whole.backfill(flags)
  expect(await place.rows()).toEqual(await whole.rows())
}

describe('Ctrl-C once', () => {
  test('finishes the item in hand, saves it, begins no other, and says how to go on', async () => {
    const simulator = await simulate(['slow:delay-ms=300'])
    const place = new Place(simulator.url, ONE_AT_A_TIME)
    const { code, stderr, document } = await place.backfill(`${MONTHS} -vv`, {
      signals: [{ after: nth(1, 'request'), send: 'SIGINT' }],
    })
    expect(code).toBe(130)
    expect(stderr).toMatch(/Finishing the item in hand; once more to stop at once/)
    expect(stderr).toMatch(/What was committed is kept; run the same command again/)
    expect(simulator.stats().calls).toBe(1)
    expect(document.sessions.at(-1)).toMatchObject({ state: 'complete' })
    expect(document.sessions[0]).toMatchObject({ state: 'missing', reason: 'interrupted' })
    await expectWhole(place)
    await expectResumed(place, MONTHS)
  })

  test('finishes the item in hand page by page', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url, ONE_AT_A_TIME)
    const { code, document } = await place.backfill(
      '--ticker SPY --timespan second --from 2025-06-02 --to 2025-06-10 -vv',
      { signals: [{ after: nth(1, 'answer'), send: 'SIGINT' }] },
    )
    expect(code).toBe(130)
    expect(simulator.stats().calls).toBeGreaterThan(1)
    expect(document.states).toEqual({ complete: 5, missing: 2 })
  })

  test('while it waits for the call limit ends without waiting', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url, { TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '1' })
    const { code, document } = await place.backfill(`${MONTHS} -vv`, {
      signals: [
        {
          after: new RegExp(`${nth(1, 'answer').source}.*rows"[^]*|${WAITING.source}[^]*rows"`),
          send: 'SIGINT',
        },
      ],
    })
    expect(code).toBe(130)
    expect(simulator.stats().calls).toBe(1)
    expect(document.sessions.at(-1)).toMatchObject({ state: 'complete' })
    expect(document.sessions[0]).toMatchObject({ state: 'missing', reason: 'interrupted' })
  })

  test('while one item waits for the call limit still finishes the one that does not', async () => {
    const simulator = await simulate(['slow:delay-ms=800'])
    const place = new Place(simulator.url, { TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '1' })
    const { code, document } = await place.backfill(`${MONTHS} -vv`, {
      signals: [{ after: ASKED_AND_WAITING, send: 'SIGINT' }],
    })
    expect(code).toBe(130)
    expect(simulator.stats().calls).toBe(1)
    expect(document.sessions.at(-1)).toMatchObject({ state: 'complete' })
  })

  test('while it waits because the vendor said so ends without waiting', async () => {
    const simulator = await simulate(['429:retry-after=600'])
    const place = new Place(simulator.url, ONE_AT_A_TIME)
    const { code, document } = await place.backfill(MONTHS, {
      signals: [{ after: /next try in 10 min/, send: 'SIGINT' }],
    })
    expect(code).toBe(130)
    expect(document).toMatchObject({ calls: 1, rows: 0 })
    await expectWhole(place)
  })
})

describe('Ctrl-C twice', () => {
  test('stops at once; what was committed is whole, and the next run goes on from it', async () => {
    const simulator = await simulate(['hang:after=1'])
    const place = new Place(simulator.url, ONE_AT_A_TIME)
    const { code, document } = await place.backfill(`${MONTHS} -vv`, {
      signals: [
        { after: nth(2, 'request'), send: 'SIGINT' },
        { after: /Finishing the item in hand/, send: 'SIGINT' },
      ],
    })
    expect(code).toBe(130)
    expect(document.sessions.at(-1)).toMatchObject({ state: 'complete' })
    expect(document.sessions[0]).toMatchObject({ state: 'missing', reason: 'interrupted' })
    await expectWhole(place)
    await expectResumed(place, MONTHS)
  })
})

test('SIGTERM is obeyed like Ctrl-C, with exit 143', async () => {
  const simulator = await simulate(['slow:delay-ms=300'])
  const place = new Place(simulator.url, ONE_AT_A_TIME)
  const { code, document } = await place.backfill(`${MONTHS} -vv`, {
    signals: [{ after: nth(1, 'request'), send: 'SIGTERM' }],
  })
  expect(code).toBe(143)
  expect(document.sessions.at(-1)).toMatchObject({ state: 'complete' })
  await expectWhole(place)
})
