import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Figures } from '../harness/child.ts'

interface Kept {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/**
 * Stands before the server at `upstream` and answers what was asked before from memory, byte for byte, until SIGTERM:
 * so that a run is measured and not the simulator that makes its market up. Prints its URL.
 */
export async function serveReplay({ upstream }: { upstream: string }): Promise<Figures> {
  const kept = new Map<string, Promise<Kept>>()
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = incoming.url ?? '/'
    const known = kept.get(path) ?? fetchWhole(new URL(path, upstream), incoming)
    kept.set(path, known)
    const { status, headers, body } = await known
    response.writeHead(status, { ...headers, 'content-length': body.length }).end(body)
  }
  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy())
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }))
  await new Promise<void>((resolve) => process.once('SIGTERM', resolve))
  server.closeAllConnections()
  server.close()
  return {}
}

function fetchWhole(target: URL, { headers }: IncomingMessage): Promise<Kept> {
  return new Promise((resolve, reject) => {
    const asked = ask(target, { headers, agent: false }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const { 'transfer-encoding': _, connection: __, 'keep-alive': ___, ...kept } = answer.headers
        resolve({ status: answer.statusCode ?? 500, headers: kept, body: Buffer.concat(chunks) })
      })
    })
    asked.on('error', reject)
    asked.end()
  })
}
