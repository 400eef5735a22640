import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Plan } from '../plans.ts'
import { type Cluster, DELAYED_LAG_MS, type Place } from './clusters.ts'
import type { StatusEvent } from './status.ts'
import { Subscriptions } from './subscriptions.ts'

/** Bytes sent to a reader of an unpaced feed before it must have read what came earlier. */
const WINDOW_BYTES = 256 * 1024
/** A client that does not finish its closing handshake is cut after this time. */
const CLOSE_GRACE_MS = 2000
/** Close codes of a client that ends on purpose: normal, going away, none given. */
const GOODBYES: ReadonlySet<number> = new Set([1000, 1001, 1005])

/** One client's socket: what it is, what it wants, and how much of what was sent it has read. */
export class Connection {
  readonly cluster: Cluster
  /** How far its events are behind the market, ms. */
  readonly lagMs: number
  readonly subscriptions: Subscriptions
  /** The key, once accepted. */
  account: string | undefined
  /** True once its first subscription was acknowledged: only then it counts against the limit. */
  seated = false
  /** Nothing is sent before this market time; the events in between are lost. */
  silentUntilMs = -Infinity
  /** Nothing is sent before this market time; the events in between then come at once. */
  stalledUntilMs = -Infinity
  ignoresPings = false

  private readonly ws: WebSocket
  private readonly tcp: Socket
  private held: (Buffer | string)[] = []
  private gone = false
  private closing = false
  private sentBytes = 0
  private confirmedBytes = 0
  private readonly pings = new Map<string, { readonly bytes: number; readonly resolve: () => void }>()
  private pingCount = 0

  constructor(ws: WebSocket, tcp: Socket, place: Place, plan: Plan) {
    this.ws = ws
    this.tcp = tcp
    this.cluster = place.cluster
    this.lagMs = place.delayed ? DELAYED_LAG_MS : 0
    this.subscriptions = new Subscriptions(place.cluster, plan)
    ws.on('ping', (data) => {
      if (!this.ignoresPings) ws.pong(data)
    })
    ws.on('pong', (data) => this.confirm(data.toString()))
    ws.on('close', () => {
      for (const id of this.pings.keys()) this.confirm(id)
    })
  }

  get open(): boolean {
    return !this.gone && this.ws.readyState === this.ws.OPEN
  }

  /** Bytes that the client's side has not taken yet. */
  get bufferedBytes(): number {
    return this.ws.bufferedAmount
  }

  /** Sends statuses as one frame; none sends nothing. */
  tell(...events: readonly StatusEvent[]): void {
    if (events.length > 0) this.send(JSON.stringify(events))
  }

  /** Sends a frame of JSON text. */
  send(frame: Buffer | string): void {
    if (!this.open) return
    this.sentBytes += frame.length
    this.ws.send(frame, { binary: false })
  }

  /** Sends a frame of events of market time `nowMs`, unless a fault keeps it back. */
  deliver(frame: Buffer | string, nowMs: number): void {
    if (nowMs < this.silentUntilMs) return
    if (nowMs < this.stalledUntilMs) this.held.push(frame)
    else {
      this.release(nowMs)
      this.send(frame)
    }
  }

  /** Ends a silence or a stall that is over; what a stall has held back is sent. */
  release(nowMs: number): void {
    if (nowMs >= this.silentUntilMs) this.ignoresPings = false
    if (this.held.length === 0 || nowMs < this.stalledUntilMs) return
    for (const frame of this.held) this.send(frame)
    this.held = []
  }

  /** Resolves once the client has read enough of what was sent to be sent more, or is gone. */
  async ready(): Promise<void> {
    if (this.sentBytes - this.confirmedBytes > WINDOW_BYTES) await this.caughtUp()
  }

  /** Resolves once the client has read everything sent so far (it answers a ping), or is gone. */
  caughtUp(): Promise<void> {
    if (!this.open || this.sentBytes === this.confirmedBytes) return Promise.resolve()
    const id = String(++this.pingCount)
    return new Promise((resolve) => {
      this.pings.set(id, { bytes: this.sentBytes, resolve })
      this.ws.ping(id)
    })
  }

  /** True when `code` ended it because the client said goodbye, of its own accord. */
  leftBy(code: number): boolean {
    return GOODBYES.has(code) && !this.closing && !this.gone
  }

  /** Closes with a status and a code. */
  close(code: number, reason?: StatusEvent): void {
    if (!this.open) return
    this.closing = true
    if (reason) this.tell(reason)
    this.ws.close(code, reason?.status ?? '')
    setTimeout(() => this.ws.terminate(), CLOSE_GRACE_MS).unref()
  }

  /** Resets the TCP connection, without a word. */
  cut(): void {
    this.gone = true
    this.tcp.resetAndDestroy()
  }

  private confirm(id: string): void {
    const ping = this.pings.get(id)
    if (!ping) return
    this.pings.delete(id)
    this.confirmedBytes = Math.max(this.confirmedBytes, ping.bytes)
    ping.resolve()
  }
}
