import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that the server received. */
export interface ReceivedRequest {
  /** Path and query, as sent. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** One scripted answer: JSON by default, or anything else by hand. */
export interface ScriptedAnswer {
  /** Default 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | number>>
  /** Sent as it is when a string or bytes, else as JSON. */
  readonly body?: unknown
  /** Writes the answer itself; the other fields are then not used. */
  readonly write?: (response: ServerResponse, request: IncomingMessage) => void
}

export type Script = (request: ReceivedRequest, index: number) => ScriptedAnswer

export interface VendorServer {
  readonly url: string
  /** All requests received, in order. */
  readonly requests: readonly ReceivedRequest[]
  close(): Promise<void>
}

/**
 * A real HTTP server on a free port of 127.0.0.1 that answers by script: a list, whose last entry
 * answers everything after it, or a function.
 */
export async function startVendorServer(script: Script | readonly ScriptedAnswer[]): Promise<VendorServer> {
  const answerTo = typeof script === 'function' ? script : listed(script)
  const requests: ReceivedRequest[] = []
  const server = createServer((request, response) => {
    const received = { url: request.url ?? '', headers: request.headers }
    requests.push(received)
    send(answerTo(received, requests.length - 1), request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const listed =
  (answers: readonly ScriptedAnswer[]): Script =>
  (_, index) =>
    answers[Math.min(index, answers.length - 1)] ?? {}

function send(answer: ScriptedAnswer, request: IncomingMessage, response: ServerResponse): void {
  if (answer.write) return answer.write(response, request)
  const { status = 200, headers = {}, body = {} } = answer
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(isRaw ? body : JSON.stringify(body))
}
