import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freshFolder } from '../support/cli.ts'
import { openMarket } from './stream-world.ts'

test(
  'a stall in regular hours is told on stderr and at the webhook, whose address is shown nowhere',
  { timeout: 30_000 },
  async () => {
    const bodies: string[] = []
    const hook = createServer((request, response) => {
      request.setEncoding('utf8').on('data', (text: string) => bodies.push(text))
      request.on('end', () => response.end())
    })
    await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve))
    const { port } = hook.address() as AddressInfo
    const file = join(freshFolder(), 'webhook')
    writeFileSync(file, `http://127.0.0.1:${port}/a-secret-path\n`)
    const now = '2025-06-10T14:00:05Z'
    const market = await openMarket({ start: now, speed: 1 })
    try {
      const { code, stdout, stderr, document } = await market.here('stream --ticker SPY', {
        env: {
          TAPELAKE_NOW: now,
          TAPELAKE__STREAM__STALL_MINUTES: '0.01',
          TAPELAKE__STREAM__DRAIN_SECONDS: '0',
          TAPELAKE__STREAM__WEBHOOK_URL_FILE: file,
        },
        signals: [{ after: /no data for/, send: 'SIGTERM' }],
      })
      expect(code).toBe(143)
      expect(document).toMatchObject({ end: 'interrupted', session: '2025-06-10' })
      expect(document.holes).toMatchObject([{ cause: 'start', from: '2025-06-10T08:00:00.000Z' }])
      expect(bodies.map((text) => JSON.parse(text) as object)).toMatchObject([
        { kind: 'stall', severity: 'warning', fields: { session: '2025-06-10' } },
      ])
      expect(stdout + stderr).not.toContain('a-secret-path')
    } finally {
      hook.close()
    }
  },
)

test('a webhook file that holds no address is refused before anything is recorded', async () => {
  const file = join(freshFolder(), 'webhook')
  writeFileSync(file, 'not an address')
  const market = await openMarket()
  const env = { TAPELAKE__STREAM__WEBHOOK_URL_FILE: file }
  const { code, stderr } = await market.here('stream --ticker SPY', { env })
  expect(code).toBe(2)
  expect(stderr).toMatch(/webhookUrlFile: .* does not hold an http/)
})
