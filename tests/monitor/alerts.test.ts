import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createWebhook, type Alert } from '../../src/monitor/alerts.ts'

const STALL: Alert = {
  kind: 'stall',
  severity: 'warning',
  text: 'no data',
  fields: { session: '2025-06-10' },
}
const NEVER = new AbortController().signal

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** A server that answers with `status`, or (0) not at all; and what it was sent. */
async function listen(status: number): Promise<{ url: string; bodies: Record<string, unknown>[] }> {
  const bodies: Record<string, unknown>[] = []
  server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => (text += part))
    request.on('end', () => {
      bodies.push(JSON.parse(text) as Record<string, unknown>)
      if (status > 0) response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook/a-secret-path`, bodies }
}

async function send(
  url: string,
  alerts: readonly Alert[],
  timeoutMs = 5000,
  signal = NEVER,
): Promise<string[]> {
  const failed: string[] = []
  const onFailed = (_alert: Alert, reason: string) => void failed.push(reason)
  const webhook = createWebhook({ url, timeoutMs, source: 'test', onFailed }, signal)
  for (const alert of alerts) webhook.send(alert)
  await webhook.settled()
  return failed
}

test('alerts arrive as JSON, in order, with a text that chat programs show', async () => {
  const { url, bodies } = await listen(200)
  expect(await send(url, [STALL, { ...STALL, kind: 'back', severity: 'info' }])).toEqual([])
  expect(bodies).toMatchObject([
    {
      text: 'no data',
      kind: 'stall',
      severity: 'warning',
      source: 'test',
      fields: { session: '2025-06-10' },
    },
    { kind: 'back', severity: 'info' },
  ])
})

test('a webhook that refuses is reported without its address', async () => {
  const { url } = await listen(404)
  expect(await send(url, [STALL])).toEqual(['answered with status 404'])
})

test('a webhook that does not answer is given up after the deadline', async () => {
  const { url } = await listen(0)
  expect(await send(url, [STALL], 30)).toEqual(['no answer within 30 ms'])
})

test('a webhook that is not there does not keep the next alert from being tried, and shows no secret', async () => {
  const { url } = await listen(200)
  server!.close()
  server!.closeAllConnections()
  const failed = await send(url, [STALL, STALL])
  expect(failed).toHaveLength(2)
  expect(failed.join(' ')).not.toContain('a-secret-path')
})
