import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CLI_BIN, cliEnv } from '../support/cli.ts'
import { Market } from './stream-world.ts'

/** How often the recorder is killed; the session lasts about as long as that takes. */
const KILLS = Number(process.env['TAPELAKE_STREAM_KILLS'] ?? 24)
const SESSION_MS = 16 * 3_600_000
const LIFE_MS = 2200

/** Lives between next to nothing and {@link LIFE_MS}, the same in every run. */
function* lives(): Generator<number, never> {
  for (let seed = 7; ; seed = (seed * 16_807) % 2_147_483_647) yield (seed / 2_147_483_647) * LIFE_MS
}

test(
  `a recorder killed ${KILLS} times at any instant leaves the day whole`,
  { timeout: 60_000 + KILLS * LIFE_MS * 2 },
  async () => {
    const speed = SESSION_MS / ((KILLS * LIFE_MS) / 2)
    const market = await Market.open({ speed, startOnSubscribe: true, publicationDelayMs: 60_000 })
    try {
      const life = lives()
      for (let kill = 0; kill < KILLS; kill++) await recordAndKill(market, life.next().value)
      await market.simulator.marketReached(Date.parse('2025-06-11T00:30:00Z'))
      const { code, document } = await market.run('stream --ticker SPY --ignore-hours')
      expect(document.cells).toMatchObject([{ ticker: 'SPY', state: 'complete' }])
      expect(code).toBe(0)
      expect(await market.place.rows()).toEqual(await market.truth())
      const leftovers = market.place.paths().filter((path) => /\.(tmp|next|journal)$/.test(path))
      expect(leftovers).toEqual([])
    } finally {
      await market.close()
    }
  },
)

async function recordAndKill({ place }: Market, afterMs: number): Promise<void> {
  const words = ['stream', '--ticker', 'SPY', '--ignore-hours', '--quiet', '--data-dir', place.dataDir]
  const child = spawn(process.execPath, [CLI_BIN, ...words], { env: cliEnv(place.env), stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  await Promise.race([sleep(afterMs), ended])
  child.kill('SIGKILL')
  await ended
}
