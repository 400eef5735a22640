import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Plan } from '../plans.ts'
import type { MarketClock } from './clock.ts'
import { type Cluster, type Place, placeAt } from './clusters.ts'
import { Connection } from './connection.ts'
import { answerMessage } from './dialogue.ts'
import { AUTH_TIMEOUT, CLOSE_POLICY, CONNECTED, MAX_CONNECTIONS } from './status.ts'

/** What the socket side of a simulator needs to let clients in. */
export interface HubOptions {
  readonly plan: Plan
  /** Accepted keys; undefined = any that is not empty. */
  readonly keys: ReadonlySet<string> | undefined
  readonly clock: MarketClock
  /** Connections of one key on one cluster that may stream at a time. */
  readonly maxConnections: number
  /** Who goes when there is one too many. */
  readonly evict: 'older' | 'newcomer'
  /** Real time in which a client must authenticate, ms. */
  readonly authTimeoutMs: number
  /** Faults: true resets the connection before the handshake; true fails an authentication. */
  readonly refuses: (cluster: Cluster) => boolean
  readonly failsAuth: (cluster: Cluster) => boolean
  /** Called whenever a connection comes, goes or changes what it wants. */
  readonly onChange: () => void
}

/** The open connections. */
export interface Hub {
  readonly connections: ReadonlySet<Connection>
  counts(): HubCounts
  close(): void
}

export interface HubCounts {
  /** WebSocket handshakes completed. */
  readonly connections: number
  /** Connections closed with `max_connections`. */
  readonly evicted: number
  /** Subscribers that said goodbye of their own accord. */
  readonly left: number
}

const MOST_CLIENT_BYTES = 8 * 1024 * 1024

/** Takes over the WebSocket upgrades of `server`. */
export function openHub(server: Server, options: HubOptions): Hub {
  const sockets = new WebSocketServer({
    noServer: true,
    autoPong: false,
    perMessageDeflate: false,
    maxPayload: MOST_CLIENT_BYTES,
  })
  const connections = new Set<Connection>()
  let accepted = 0
  let evicted = 0
  let left = 0

  const seat = (newcomer: Connection): void => {
    newcomer.seated = true
    const rivals = [...connections].filter(
      (other) =>
        other.open &&
        other.seated &&
        other.cluster === newcomer.cluster &&
        other.account === newcomer.account,
    )
    if (rivals.length <= options.maxConnections) return
    evicted++
    const leaving = options.evict === 'newcomer' ? newcomer : rivals[0]!
    leaving.close(CLOSE_POLICY, MAX_CONNECTIONS)
  }
  const accept = (ws: WebSocket, tcp: Socket, place: Place): void => {
    const connection = new Connection(ws, tcp, place, options.plan)
    connections.add(connection)
    accepted++
    ws.on('message', (data: RawData) => {
      answerMessage(connection, textOf(data), { ...options, place, onFirstSubscription: seat })
      options.onChange()
    })
    ws.on('close', (code) => {
      connections.delete(connection)
      if (connection.leftBy(code) && !connection.subscriptions.empty) left++
      options.onChange()
    })
    // A client that breaks the protocol or goes away is its own affair; `close` follows.
    ws.on('error', () => undefined)
    connection.tell(CONNECTED)
    closeUnlessAuthenticated(connection, options.authTimeoutMs)
  }

  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const tcp = duplex as Socket
    const place = placeAt(new URL(request.url ?? '/', 'http://simulator').pathname)
    if (!place) tcp.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else if (options.refuses(place.cluster)) tcp.resetAndDestroy()
    else sockets.handleUpgrade(request, tcp, head, (ws) => accept(ws, tcp, place))
  })
  return {
    connections,
    counts: () => ({ connections: accepted, evicted, left }),
    close: () => {
      for (const connection of connections) connection.cut()
    },
  }
}

function closeUnlessAuthenticated(connection: Connection, afterMs: number): void {
  setTimeout(() => {
    if (connection.account === undefined) connection.close(CLOSE_POLICY, AUTH_TIMEOUT)
  }, afterMs).unref()
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString()
  return Buffer.isBuffer(data) ? data.toString() : Buffer.from(data).toString()
}
