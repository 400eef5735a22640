import { expect, test } from 'vitest'
import { runHere } from '../support/cli.ts'
import { eventually } from '../support/eventually.ts'
import { startRecorder } from './stream-recorder.ts'
import { openMarket } from './stream-world.ts'

/** Sessions that are recorded as they happen: the clock on the wall is the time of the market. */

test(
  'a session joined late is recorded to its end by the clock, through a kick, and is whole though its clock is ahead',
  { timeout: 60_000 },
  async () => {
    const market = await openMarket({
      ...{ start: '2025-07-03T20:36:00Z', speed: 120, publicationDelayMs: 0 },
      faults: ['kick:at=16:54,for=60'],
    })
    const recorder = startRecorder(market.place, 'stream --ticker SPY,QQQ', {
      TAPELAKE_NOW: '2025-07-03T20:48:00Z', // many minutes ahead, also after a slow start
      TAPELAKE_NOW_SPEED: '120',
      TAPELAKE__STREAM__RECONNECT__MAX_CONNECTIONS_MS: '200',
      TAPELAKE__STREAM__HEARTBEAT_MINUTES: '0.02',
      TAPELAKE__STREAM__RECONCILE_SECONDS: '10',
    })
    const { code, document } = await recorder.document()
    // An early close: extended hours end at 21:00Z.
    expect(recorder.said()).toContain('recording the session of 2025-07-03 until 21:00Z (early close)')
    expect(recorder.said()).toMatch(/the clock of this machine is \d+ s ahead of the vendor's/)
    expect(recorder.said()).toMatch(/heartbeat: \d+ rows .*lag p50 \d+ ms p99 \d+ ms, queue 0, reconnects \d/)
    expect(document).toMatchObject({ end: 'session_over', session: '2025-07-03', reconnects: 1 })
    expect(document.cells.map(({ ticker, state }) => `${ticker} ${state}`)).toEqual([
      'SPY complete',
      'QQQ complete',
    ])
    expect(document.holes.map(({ cause }) => cause)).toEqual(
      expect.arrayContaining(['start', 'max_connections']),
    )
    expect(document.holes.filter(({ closed }) => closed === null)).toEqual([])
    expect(code).toBe(0)
    const range = '--ticker SPY,QQQ --from 2025-07-03 --to 2025-07-03'
    expect(await market.place.rows()).toEqual(await market.truth(range))
  },
)

test(
  'a feed that is 15 minutes late is recorded by its own time: no hole is made up, and its last bars are waited for',
  { timeout: 60_000 },
  async () => {
    const now = '2025-07-03T20:40:00Z'
    const market = await openMarket({ start: now, speed: 120, plan: 'starter' })
    const { code, document, stderr } = await market.here('stream --ticker SPY', {
      env: {
        TAPELAKE_NOW: now,
        TAPELAKE_NOW_SPEED: '120',
        TAPELAKE__STREAM__HEARTBEAT_MINUTES: '0.02',
        TAPELAKE__STREAM__RECONCILE_SECONDS: '10',
      },
    })
    expect(stderr).toMatch(/^connected; its events are 15 minutes late/m)
    expect(stderr).toMatch(/lag p50 (8|9|10)\d{5} ms/)
    expect(document.holes.map(({ cause }) => cause)).toEqual(['start'])
    expect(document).toMatchObject({ end: 'session_over', session: '2025-07-03' })
    // The last quarter of an hour comes after the close, however late the recorder joined.
    expect(document.rows).toBeGreaterThanOrEqual(15)
    expect(code).toBe(0)
  },
)

test(
  'a recorder that stops reading is thrown off as a slow consumer; it says so and loses nothing it had accepted',
  { timeout: 60_000 },
  async () => {
    const market = await openMarket({
      ...{ start: '2025-06-10T14:00:00Z', speed: 600, startOnSubscribe: true, slowConsumerBytes: 64 * 1024 },
      env: { TAPELAKE__STREAM__HEARTBEAT_MINUTES: '0.005' },
    })
    const recorder = startRecorder(market.place, 'stream --ticker SPY --channel Q --ignore-hours', {
      TAPELAKE__STREAM__DRAIN_SECONDS: '0',
    })
    await eventually(recorder.said).toMatch(/heartbeat: [1-9]/)
    recorder.child.kill('SIGSTOP')
    await eventually(() => market.simulator.socketStats().slowConsumers).toBeGreaterThan(0)
    recorder.child.kill('SIGCONT')
    await eventually(recorder.said).toMatch(/disconnected: slow_consumer[^]*connected again/)
    recorder.child.kill('SIGTERM')
    const { code, document } = await recorder.document()
    expect(code).toBe(143)
    expect(document.holes.map(({ cause }) => cause)).toContain('slow_consumer')
    const [promised] = [...recorder.said().matchAll(/heartbeat: (\d+) rows/g)].reverse()
    expect(document.rows).toBeGreaterThanOrEqual(Number(promised![1]))
    const count = ['query', 'SELECT count(*) FROM equity_quotes', '--format', 'csv']
    const { stdout } = await runHere([...count, '--data-dir', market.place.dataDir])
    expect(Number(stdout.split('\n')[1])).toBe(document.cells[0]!.rows)
    expect(document.cells[0]).toMatchObject({ state: 'pending', received: document.rows })
  },
)
