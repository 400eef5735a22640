import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CAN_MOUNT, smallDisk } from '../support/small-disk.ts'
import { runCli } from '../support/cli.ts'
import { Market } from './stream-world.ts'

test.skipIf(!CAN_MOUNT)(
  'a disk that fills up under the journal ends the stream with exit 1 and the way out; the next start makes the day whole',
  { timeout: 60_000 },
  async () => {
    const disk = smallDisk(8)
    const dataDir = join(disk.path, 'data')
    const market = await Market.open({ speed: 20_000, startOnSubscribe: true })
    try {
      const words = ['stream', '--ticker', 'SPY', '--ignore-hours', '--data-dir', dataDir]
      const env = { ...market.place.env, TAPELAKE__DISK__MIN_FREE_MB: '0' }
      let filling: Promise<void> | undefined
      const fillOnce = {
        after: /recording the session/,
        get send() {
          filling ??= disk.fill(0)
          return 'SIGCONT' as const
        },
      }
      const full = await runCli(words, { env, signals: [fillOnce] })
      await filling
      expect(full.code).toBe(1)
      expect(full.stderr).toContain(`cannot write ${join(dataDir, 'journal')}`)
      expect(full.stderr).toMatch(/The disk is full\. Free some space and run the same command again/)
      disk.free()
      const again = await runCli([...words, '--json'], { env })
      const { cells, holes } = JSON.parse(again.stdout) as { cells: object[]; holes: { closed: unknown }[] }
      expect(cells).toMatchObject([{ ticker: 'SPY', state: 'complete' }])
      expect(holes.every(({ closed }) => closed !== null)).toBe(true)
      expect(again.code).toBe(0)
      expect(await market.place.at(dataDir).rows()).toEqual(await market.truth())
    } finally {
      await market.close()
    }
  },
)
