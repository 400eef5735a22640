import { expect, test } from 'vitest'
import { openMarket, type Market } from './stream-world.ts'

const REPLAY = 'stream --ticker SPY --ignore-hours'

test(
  'a second stream with the same key is refused with exit 6 and the pid of the first; --take-over ends that one',
  { timeout: 60_000 },
  async () => {
    const market = await openMarket({ speed: 60, startOnSubscribe: true })
    let first: ReturnType<Market['run']> | undefined
    await new Promise<void>((resolve) => {
      const started = {
        after: /recording the session/,
        get send() {
          resolve()
          return 'SIGCONT' as const
        },
      }
      first = market.run(REPLAY, { signals: [started], env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' } })
    })
    const refused = await market.here(REPLAY)
    expect(refused.code).toBe(6)
    expect(refused.stderr).toMatch(/process \d+|pid \d+/)
    expect(refused.stderr).toMatch(/--take-over/)
    const second = await market.here(`${REPLAY} --take-over`, {
      env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' },
      signals: [{ after: /connected/, send: 'SIGTERM' }],
    })
    expect(second.stderr).toMatch(/took over the socket: SIGTERM/)
    expect((await first!).code).toBe(143)
    expect(second.code).toBe(143)
  },
)
