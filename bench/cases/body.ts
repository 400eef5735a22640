import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type * as SimulatorModule from '../../src/simulator/index.ts'
import { built } from '../harness/built.ts'
import type { Figures } from '../harness/child.ts'

/** Path and query that a page of minute bars is asked for with. */
export const REQUEST = {
  ticker: 'SPY',
  from: '2024-01-02',
  to: '2024-12-31',
}

/**
 * Writes one answer of the simulator with `rows` minute bars to `path`, byte for byte but for its `next_url`: a
 * client that follows it would measure two pages.
 */
export async function prepareBody({ path, rows }: { path: string; rows: number }): Promise<Figures> {
  const { startSimulator } = await built<typeof SimulatorModule>('simulator/index')
  const simulator = await startSimulator()
  const { ticker, from, to } = REQUEST
  const query = `adjusted=false&sort=asc&limit=${rows}`
  const url = `${simulator.url}/v2/aggs/ticker/${ticker}/range/1/minute/${from}/${to}?${query}`
  const answer = await fetch(url, { headers: { Authorization: 'Bearer bench' } })
  const body = (await answer.text()).replace(/,"next_url":"[^"]*"/, '')
  await simulator.close()
  const { results } = JSON.parse(body) as { results: unknown[] }
  if (results.length !== rows) throw new Error(`the simulator sent ${results.length} bars instead of ${rows}`)
  writeFileSync(path, body)
  return { bytes: Buffer.byteLength(body), gzipBytes: gzipSync(body, { level: 1 }).length }
}

/**
 * Serves the body at `path` from memory to whatever is asked, until SIGTERM: below `/gzip` compressed (as the
 * vendor does), below `/identity` as it is. Prints its URL.
 */
export async function serveBodyFile({ path }: { path: string }): Promise<Figures> {
  const identity = readFileSync(path)
  const gzip = gzipSync(identity, { level: 1 })
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const zipped = request.url?.startsWith('/gzip/') === true
    const body = zipped ? gzip : identity
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      'X-Tapelake-Simulator': 'seed=1',
      ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
    })
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }))
  await new Promise<void>((resolve) => process.once('SIGTERM', resolve))
  server.closeAllConnections()
  server.close()
  return {}
}
