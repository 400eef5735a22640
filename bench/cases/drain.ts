import { readFileSync } from 'node:fs'
import type { Ledger } from '../../src/lake/ledger.ts'
import type { Figures } from '../harness/child.ts'

/**
 * The requests that recorded the series of `ledger`, sent again with plain fetch, two at a time, and thrown away: what
 * the server and the wire cost by themselves.
 */
export async function drainRequests({ url, ledger }: { url: string; ledger: string }): Promise<Figures> {
  const { segments } = JSON.parse(readFileSync(ledger, 'utf8')) as Ledger
  const requests = new Set(segments.flatMap(({ origins }) => origins.map(({ request }) => request)))
  const waiting = [...requests]
  let bytes = 0
  const startMs = performance.now()
  const worker = async (): Promise<void> => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const answer = await fetch(url + path, { headers: { Authorization: 'Bearer bench' } })
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
      bytes += (await answer.arrayBuffer()).byteLength
    }
  }
  await Promise.all([worker(), worker()])
  return { wallMs: performance.now() - startMs, requests: requests.size, bytes }
}
