import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CLI_BIN, cliEnv } from '../support/cli.ts'
import { Market, OPEN } from './stream-world.ts'

/** Kills in all, shared by recorders that run side by side, each with its own market and lake. */
const KILLS = Number(process.env['TAPELAKE_STREAM_KILLS'] ?? 100)
const LANES = Math.min(4, KILLS)
const SESSION_MS = 16 * 3_600_000
/** Starting takes about half of it: kills fall on the start, the recovery, the holes and the recording alike. */
const LIFE_MS = 1200
/** One life in so many ends only after the recorder is connected, however long its start takes. */
const LONGER_EVERY = 3

/** Numbers in [0, 1), the same in every run. */
function* chances(seed: number): Generator<number, never> {
  for (let state = seed; ; state = (state * 16_807) % 2_147_483_647) yield state / 2_147_483_647
}

test(
  `recorders killed ${KILLS} times at any instant leave the day whole`,
  { timeout: 60_000 + KILLS * LIFE_MS * 2 },
  async () => {
    const lanes = Array.from({ length: LANES }, (_, lane) => killInLane(lane, Math.ceil(KILLS / LANES)))
    const connected = (await Promise.all(lanes)).reduce((sum, count) => sum + count, 0)
    expect(connected).toBeGreaterThanOrEqual(Math.floor(KILLS / LONGER_EVERY / 2))
  },
)

/** Market time that goes on by one step for each recorder, within its life, however busy this machine is. */
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
    const steppedMs = this.#fromMs + Math.floor(Math.min(1, liveMs / LIFE_MS) * this.#stepMs)
    return Math.min(steppedMs, Date.parse('2025-06-11T00:30:00Z')) // not on into the next session
  }

  goOn(): void {
    if (Number.isFinite(this.#sinceTickMs)) this.#fromMs += this.#stepMs
    this.#sinceTickMs = performance.now()
  }
}

/** Kills recorders of one lake again and again, then lets one finish. Returns how many were connected by then. */
async function killInLane(lane: number, kills: number): Promise<number> {
  const clock = new SteppedClock(SESSION_MS / kills)
  const market = await Market.open({ now: () => clock.now(), publicationDelayMs: 60_000 })
  try {
    const chance = chances(7 + 1000 * lane)
    let connected = 0
    for (let kill = 0; kill < kills; kill++) {
      // The first one lives long enough to record something: a replay of which nothing is known waits for events.
      const afterMs = kill === 0 ? 2 * LIFE_MS : chance.next().value * LIFE_MS
      const isLonger = kill % LONGER_EVERY === 0
      if (!isLonger) clock.goOn()
      const life = isLonger ? { afterMs: afterMs / 2, onConnected: () => clock.goOn() } : { afterMs }
      if (await recordAndKill(market, life)) connected++
    }
    clock.goOn()
    const { code, document } = await market.run('stream --ticker SPY --ignore-hours')
    expect(document.cells).toMatchObject([{ ticker: 'SPY', state: 'complete' }])
    expect(code).toBe(0)
    expect(await market.place.rows()).toEqual(await market.truth())
    expect(market.place.paths().filter((path) => /\.(tmp|next|journal)$/.test(path))).toEqual([])
    return connected
  } finally {
    await market.close()
  }
}

interface Life {
  /** It ends so long after its start; with `onConnected` after that. */
  readonly afterMs: number
  readonly onConnected?: () => void
}

/** Starts a recorder and kills it. Returns whether it was connected by then. */
async function recordAndKill({ place }: Market, { afterMs, onConnected }: Life): Promise<boolean> {
  const words = ['stream', '--ticker', 'SPY', '--ignore-hours', '--data-dir', place.dataDir]
  const env = cliEnv({ ...place.env })
  const child = spawn(process.execPath, [CLI_BIN, ...words], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let isConnected = false
  let said = ''
  const connected = new Promise<void>((resolve) =>
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (isConnected || !text.includes('connected')) return
      isConnected = true
      onConnected?.()
      resolve()
    }),
  )
  if (onConnected) {
    await Promise.race([connected, ended])
    if (!isConnected) throw new Error(`the recorder ended by itself: ${said}`)
  }
  await Promise.race([sleep(afterMs), ended])
  child.kill('SIGKILL')
  await ended
  return isConnected
}
