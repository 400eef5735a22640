import { describe, expect, test } from 'vitest'
import { DATE, openMarket } from './stream-world.ts'

const STREAM = 'stream --ticker SPY'
const REPLAY = `${STREAM} --ignore-hours`

describe('the session recorded', () => {
  test('of an early close ends at 17:00 in New York and equals REST', async () => {
    const date = '2025-07-03'
    const day = await openMarket({ start: '2025-07-03T08:00:00Z' })
    const { code, document } = await day.here(REPLAY)
    expect(document).toMatchObject({ end: 'session_over', session: date, holes: [] })
    expect(document.cells).toMatchObject([{ date, state: 'complete' }])
    expect(code).toBe(0)
    expect(await day.place.rows()).toEqual(await day.truth(`--ticker SPY --from ${date} --to ${date}`))
  })

  test('is whole from the open on when recording begins in the middle of it', async () => {
    const spy = await openMarket({ start: '2025-06-10T15:00:30Z' })
    const { code, document } = await spy.here(REPLAY)
    expect(document.holes).toMatchObject([{ cause: 'start', from: '2025-06-10T08:00:00.000Z' }])
    expect(document.holes[0]!.closed).not.toBeNull()
    expect(code).toBe(0)
    expect(await spy.place.rows()).toEqual(await spy.truth())
  })

  test('is whole after broken frames, unknown events, repeats and disorder', async () => {
    const spy = await openMarket({
      faults: [
        'duplicate-frames:rate=0.1',
        'reorder-frames:rate=0.1',
        'corrupt-frames:at=12:00,for=600,first=2',
      ].concat(['unknown-events:at=13:00,for=600,first=3', 'refuse-connect:first=1']),
    })
    const { code, document } = await spy.here(REPLAY)
    expect(document).toMatchObject({ unknown: 3, malformed: 2 })
    expect(document.holes.map(({ cause }) => cause)).toContain('malformed')
    expect(code).toBe(0)
    expect(await spy.place.rows()).toEqual(await spy.truth())
    expect(spy.place.paths()).toContain('quarantine/live/stocks.jsonl')
  })

  test('keeps second bars as REST has them, and trades with the exact times that only REST knows', async () => {
    const cost = await openMarket({ start: '2025-06-10T23:30:00Z' })
    const { code, document } = await cost.here('stream --ticker COST --channel A,T --ignore-hours')
    expect(document.cells.map(({ dataset, state }) => `${dataset} ${state}`).sort()).toEqual([
      'equity_bars_1s complete',
      'equity_trades complete',
    ])
    expect(code).toBe(0)
    const args = `--ticker COST --from ${DATE} --to ${DATE}`
    expect(await cost.place.rows('equity_trades')).toEqual(
      await cost.truth(`--dataset trades ${args}`, 'equity_trades'),
    )
    expect(await cost.place.rows('equity_bars_1s')).toEqual(
      await cost.truth(`--timespan second ${args}`, 'equity_bars_1s'),
    )
  })
})

describe('market hours', () => {
  test('a holiday is named and is no failure', async () => {
    const spy = await openMarket({ env: { TAPELAKE_NOW: '2025-07-04T14:00:00Z' } })
    const { code, document } = await spy.here(STREAM)
    expect(code).toBe(0)
    expect(document).toMatchObject({ end: 'closed', cells: [] })
    expect(document.reason).toMatch(/2025-07-04.*Independence Day.*next session is 2025-07-07/)
  })

  test('a session that is over is said to be over', async () => {
    const spy = await openMarket({ env: { TAPELAKE_NOW: '2025-06-11T01:00:00Z' } })
    expect((await spy.here(STREAM)).document.reason).toMatch(/2025-06-10 is over/)
  })

  test('before the open it counts down, then records', async () => {
    const now = '2025-06-10T07:59:57.500Z'
    const spy = await openMarket({ start: now, speed: 40, env: { TAPELAKE_NOW: now } })
    const { code, document, stderr } = await spy.here(STREAM, {
      signals: [{ after: /recording the session[^]*connected/, send: 'SIGTERM' }],
    })
    expect(stderr).toMatch(/waiting [012]\.\d s for the extended open of 2025-06-10/)
    expect(document).toMatchObject({ end: 'interrupted', session: DATE })
    expect(code).toBe(143)
  })

  test('a signal while it waits ends it', async () => {
    const spy = await openMarket({ env: { TAPELAKE_NOW: '2025-06-10T05:00:00Z' } })
    const { code, document } = await spy.here(STREAM, {
      signals: [{ after: /waiting 3 h/, send: 'SIGTERM' }],
    })
    expect(code).toBe(143)
    expect(document.reason).toMatch(/stopped before the open/)
  })
})

describe('a stream that is interrupted', () => {
  test('commits what it has as pending; the next run completes the day', async () => {
    const spy = await openMarket({ speed: 20_000, startOnSubscribe: true, publicationDelayMs: 60_000 })
    const env = { TAPELAKE__STREAM__DRAIN_SECONDS: '1' }
    const first = await spy.here(REPLAY, {
      env,
      signals: [{ after: /recording the session/, send: 'SIGTERM' }],
    })
    expect(first).toMatchObject({ code: 143, document: { end: 'interrupted' } })
    expect(first.document.cells).toMatchObject([{ state: 'pending' }])
    const held = await spy.place.rows()
    expect(held.length).toBe(first.document.cells[0]!.rows)
    const second = await spy.here(REPLAY)
    expect(second).toMatchObject({ code: 0, document: { cells: [{ state: 'complete' }] } })
    expect(await spy.place.rows()).toEqual(await spy.truth())
  })

  test('goes on in its session, and one that ended while nobody was there is settled', async () => {
    const clock = { fromMs: Date.parse('2025-06-10T13:58:00Z'), sinceTickMs: performance.now(), speed: 1800 }
    const now = () => clock.fromMs + Math.floor((performance.now() - clock.sinceTickMs) * clock.speed)
    const spy = await openMarket({
      now,
      publicationDelayMs: 0,
      env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' },
    })
    const part = () => spy.here(REPLAY, { signals: [{ after: /recording the session/, send: 'SIGTERM' }] })
    const first = await part()
    expect(first.document.cells).toMatchObject([{ state: 'pending' }])
    const second = await part()
    expect(second.document.holes[0]).toMatchObject({ cause: 'restart', from: '2025-06-10T08:00:00.000Z' })
    Object.assign(clock, { fromMs: Date.parse('2025-06-11T00:30:00Z'), speed: 0 })
    const last = await spy.here(REPLAY)
    expect(last).toMatchObject({ code: 0, document: { end: 'session_over', session: DATE, frames: 0 } })
    expect(last.document.cells).toMatchObject([{ date: DATE, state: 'complete' }])
    expect(await spy.place.rows()).toEqual(await spy.truth())
  })

  test('twice stops at once; the journal keeps what was received, and the next run has it', async () => {
    const spy = await openMarket({
      ...{ speed: 1200, startOnSubscribe: true, start: '2025-06-10T13:00:00Z' },
      faults: ['entitlement:path=/v2/aggs'],
      env: { TAPELAKE__STREAM__FLUSH_SECONDS: '3600', TAPELAKE__STREAM__HEARTBEAT_MINUTES: '0.01' },
    })
    const stopped = await spy.place.run(REPLAY, {
      signals: [
        { after: /heartbeat: \d\d+ rows/, send: 'SIGINT' },
        { after: /once more to stop at once/, send: 'SIGTERM' },
      ],
    })
    expect(stopped.code).toBe(130)
    const promised = Number(/heartbeat: (\d\d+) rows/.exec(stopped.stderr)![1])
    const { document } = await spy.here(REPLAY, {
      env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' },
      signals: [{ after: /connected/, send: 'SIGTERM' }],
    })
    expect(document.recovered).toBeGreaterThanOrEqual(promised)
    expect(document.cells[0]!.rows).toBeGreaterThanOrEqual(promised)
  })

  test('leaves a day that the plan does not serve yet pending, and backfill completes it', async () => {
    const spy = await openMarket({ faults: ['entitlement:path=/v2/aggs,first=1'] })
    const { code, document } = await spy.here(REPLAY)
    expect(document.cells).toMatchObject([{ state: 'pending' }])
    expect(document.cells[0]!.reason).toMatch(/the plan does not serve the session yet/)
    expect(code).toBe(0)
    expect((await spy.place.rows()).length).toBe(document.cells[0]!.rows)
    const range = `--from ${DATE} --to ${DATE}`
    expect((await spy.place.backfill(`--ticker SPY ${range}`)).document.states).toEqual({ complete: 1 })
  })
})

describe('what cannot work is refused', () => {
  test('an unknown ticker', async () => {
    const spy = await openMarket()
    const { code, stderr } = await spy.here('stream --ticker NOSUCH --ignore-hours')
    expect(code).toBe(2)
    expect(stderr).toMatch(/unknown ticker 'NOSUCH'/)
  })

  test('a key that the vendor refuses: exit 4, and the key is nowhere', async () => {
    const spy = await openMarket({ keys: ['another-key'] })
    const { code, stdout, stderr } = await spy.here(REPLAY)
    expect(code).toBe(4)
    expect(stdout + stderr).not.toContain('a-key-for-tests')
  })

  test.each([
    ['stream --ticker O:SPY250610C00600000', /stream-options/],
    ['stream --ticker SPY --channel B', /not a channel/],
    ['stream --ticker SPY --speed 5', /--source simulator/],
    ['stream --ticker SPY --source simulator --date 2025-07-04', /not a session/],
    ['stream-options --date 2025-06-10', /tapelake discover/],
  ])('%s', async (args, message) => {
    const spy = await openMarket()
    const { code, stderr } = await spy.here(args)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})
