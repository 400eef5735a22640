import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startRecorder, type Recorder } from './stream-recorder.ts'
import { DATE, discoverContracts, lakeBars, Market, OPEN, restBars } from './stream-world.ts'

/** Kills in all, shared by lanes that run side by side, each with its own market and lake. */
const KILLS = Number(process.env['TAPELAKE_STREAM_KILLS'] ?? 100)
const LANES = Math.min(2, KILLS)
/** From the open to a minute before the options' session ends. */
const SESSION_MS = 13 * 3_600_000 - 60_000
/** Starting takes about half of it: kills fall on the start, the recovery, the holes and the recording alike. */
const LIFE_MS = 1200
/** One life in so many ends only after the recorder is connected, however long its start takes. */
const LONGER_EVERY = 3

const COMMANDS = ['stream --ticker SPY --ignore-hours', `stream-options --date ${DATE} --ignore-hours`]
const FAULTS = [
  ...['cut:times=2,for=1-600', 'close:times=2,for=1-600', 'silence:times=2,for=1-600'],
  'kick:times=2,for=1-600',
]

/** Numbers in [0, 1), the same in every run. */
function* chances(seed: number): Generator<number, never> {
  for (let state = seed; ; state = (state * 16_807) % 2_147_483_647) yield state / 2_147_483_647
}

test(
  `SPY and 200 contracts are whole although their recorders, at work at once, were killed ${KILLS} times`,
  { timeout: 60_000 + KILLS * LIFE_MS * 2 },
  async () => {
    const lanes = Array.from({ length: LANES }, (_, lane) => killInLane(lane, Math.ceil(KILLS / LANES)))
    const counts = (await Promise.all(lanes)).flat()
    expect(counts.reduce((sum, { kills }) => sum + kills, 0)).toBeGreaterThanOrEqual(KILLS)
    for (const command of COMMANDS) {
      const own = counts.filter((count) => count.command === command)
      const [kills, connected] = [sum(own.map((one) => one.kills)), sum(own.map((one) => one.connected))]
      if (KILLS >= 20) expect(connected).toBeGreaterThanOrEqual(Math.floor(kills / LONGER_EVERY / 2))
    }
  },
)

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

/** Market time that goes on by one step for each kill, however busy this machine is. */
class SteppedClock {
  readonly #stepMs: number
  #fromMs = Date.parse(OPEN)
  #sinceTickMs = Infinity

  /** It stands at the open. */
  constructor(stepMs: number) {
    this.#stepMs = stepMs
  }

  now(): number {
    const liveMs = Math.max(0, performance.now() - this.#sinceTickMs)
    return this.#fromMs + Math.floor(Math.min(1, liveMs / LIFE_MS) * this.#stepMs)
  }

  goOn(): void {
    if (Number.isFinite(this.#sinceTickMs)) this.#fromMs += this.#stepMs
    this.#sinceTickMs = performance.now()
  }

  /** The sessions are over. */
  end(): void {
    this.#fromMs = Date.parse('2025-06-11T00:30:00Z')
    this.#sinceTickMs = Infinity
  }
}

/** One recorder that is killed and started again, and again. */
class Victim {
  readonly command: string
  readonly #market: Market
  #life: Recorder
  kills = 0
  /** Kills that struck it when it was connected. */
  connected = 0

  constructor(command: string, market: Market) {
    this.command = command
    this.#market = market
    this.#life = startRecorder(market.place, command)
  }

  get life(): Recorder {
    return this.#life
  }

  async killAndRestart(): Promise<void> {
    const { child, ended, isConnected, said } = this.#life
    if (isConnected()) this.connected++
    child.kill('SIGKILL')
    if ((await ended).code !== null) throw new Error(`${this.command} ended by itself: ${said()}`)
    this.kills++
    this.#life = startRecorder(this.#market.place, this.command)
  }
}

/** Two recorders write into one lake; one of them is killed, again and again, and started at once; then both finish. */
async function killInLane(lane: number, kills: number): Promise<readonly Victim[]> {
  const clock = new SteppedClock(SESSION_MS / kills)
  const market = await Market.open({
    ...{ now: () => clock.now(), publicationDelayMs: 60_000, faults: FAULTS },
    env: { TAPELAKE__STREAM__RECONNECT__MAX_CONNECTIONS_MS: '80' },
  })
  try {
    const contracts = await discoverContracts(market.place)
    expect(contracts.length).toBeGreaterThanOrEqual(200)
    const victims = COMMANDS.map((command) => new Victim(command, market))
    await Promise.all(victims.map(({ life }) => life.connected))
    const chance = chances(7 + 1000 * lane)
    for (let kill = 0; kill < kills; kill++) {
      const victim = victims[Math.floor(chance.next().value * victims.length)]!
      const isLonger = kill % LONGER_EVERY === 0
      if (isLonger) await victim.life.connected
      clock.goOn()
      await sleep(chance.next().value * (isLonger ? LIFE_MS / 2 : LIFE_MS))
      await victim.killAndRestart()
    }
    clock.end()
    for (const { life } of victims) {
      const { code, document } = await life.document()
      expect(document.cells).toMatchObject([{ ticker: 'SPY', state: 'complete' }])
      expect(code).toBe(0)
    }
    expect(await lakeBars(market.place)).toEqual(await restBars(market, ['SPY']))
    const options = await lakeBars(market.place, 'option_bars_1m')
    expect(options).toEqual(await restBars(market, contracts))
    expect(market.place.paths().filter((path) => /\.(tmp|next|journal)$/.test(path))).toEqual([])
    return victims
  } finally {
    await market.close()
  }
}
