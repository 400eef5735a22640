import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'

/** One connection, as the vendor sees it. */
export interface VendorClient {
  readonly ws: WebSocket
  readonly tcp: Socket
  /** Path of the upgrade request: `/stocks`. */
  readonly path: string
  /** Messages received, decoded, in order. */
  readonly received: { action: string; params: string }[]
  /** Sends events as one frame, or text and bytes as they are. */
  send(frame: unknown): void
  /** The next message of `action` that was not waited for yet. */
  next(action: string): Promise<string>
  /** Greets, takes any key, and acknowledges every subscription from then on. */
  welcome(): Promise<void>
}

export interface SocketVendor {
  readonly url: string
  readonly clients: readonly VendorClient[]
  readonly upgrades: readonly IncomingMessage[]
}

export interface SocketVendorOptions {
  readonly autoPong?: boolean
  /** Answers the upgrade with this HTTP status instead; undefined lets the client in. */
  readonly refuse?: (request: IncomingMessage) => number | undefined
}

export const status = (name: string, message: string) => [{ ev: 'status', status: name, message }]
export const CONNECTED = status('connected', 'Connected Successfully')
export const AUTH_SUCCESS = status('auth_success', 'authenticated')
/** A minute bar of made-up numbers that starts in minute `minute` of 2025-01-03 15:00 UTC. */
export const minuteBar = (minute: number, sym = 'SPY') => {
  const s = Date.UTC(2025, 0, 3, 15, minute)
  return { ev: 'AM', sym, v: 100 + minute, vw: 580.5, o: 580, c: 581, h: 582, l: 579, s, e: s + 60_000 }
}

/** A real WebSocket server on 127.0.0.1 that plays `script` with each client, until the test is over. */
export async function startSocketVendor(
  script: (client: VendorClient, index: number) => void | Promise<void>,
  options: SocketVendorOptions = {},
): Promise<SocketVendor> {
  const clients: VendorClient[] = []
  const upgrades: IncomingMessage[] = []
  const sockets = new WebSocketServer({ noServer: true, autoPong: options.autoPong ?? true })
  const server = createServer()
  server.on('upgrade', (request, duplex, head: Buffer) => {
    const tcp = duplex as Socket
    tcp.on('error', () => undefined)
    upgrades.push(request)
    const refusal = options.refuse?.(request)
    if (refusal !== undefined) return void tcp.end(`HTTP/1.1 ${refusal} Refused\r\nContent-Length: 0\r\n\r\n`)
    sockets.handleUpgrade(request, tcp, head, (ws) => {
      const client = clientOf(ws, tcp, request.url ?? '')
      void Promise.resolve(script(client, clients.push(client) - 1)).catch(() => undefined)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const { ws } of clients) ws.terminate()
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const { port } = server.address() as AddressInfo
  return { url: `ws://127.0.0.1:${port}`, clients, upgrades }
}

function clientOf(ws: WebSocket, tcp: Socket, path: string): VendorClient {
  const received: { action: string; params: string }[] = []
  const taken = new Map<string, number>()
  const listeners = new Set<() => void>()
  ws.on('error', () => undefined)
  ws.on('message', (data) => {
    received.push(JSON.parse((data as Buffer).toString()) as { action: string; params: string })
    for (const listener of listeners) listener()
  })
  const client: VendorClient = {
    ...{ ws, tcp, path, received },
    send: (frame) =>
      ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? String(frame) : JSON.stringify(frame)),
    next: async (action) => {
      const place = taken.get(action) ?? 0
      taken.set(action, place + 1)
      for (;;) {
        const found = received.filter((message) => message.action === action)[place]
        if (found) return found.params
        await new Promise<void>((resolve) => listeners.add(resolve))
      }
    },
    welcome: async () => {
      client.send(CONNECTED)
      await client.next('auth')
      client.send(AUTH_SUCCESS)
      ws.on('message', (data) => {
        const { action, params } = JSON.parse((data as Buffer).toString()) as {
          action: string
          params: string
        }
        const word = { subscribe: 'subscribed', unsubscribe: 'unsubscribed' }[action]
        if (word) client.send(params.split(',').map((param) => status('success', `${word} to: ${param}`)[0]))
      })
    },
  }
  return client
}
