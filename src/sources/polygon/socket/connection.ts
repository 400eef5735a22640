import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { Clock } from '../../../core/clock.ts'
import { messageOf, type PipelineError } from '../../../core/errors.ts'
import { Answers } from './answers.ts'
import type {
  ConnectionEnd,
  DisconnectCause,
  LiveFeedEvents,
  LiveFeedTimeouts,
  LiveFrame,
  SubscriptionAction,
} from './feed-contract.ts'
import { authRefusal, causeOfClose, upgradeRefusal } from './failures.ts'
import { keepAlive } from './keepalive.ts'
import { ENDING_STATUS, statusesOf, type StatusEvent } from './status.ts'
import { requestsFor } from './subscriptions.ts'

/** What one connection needs to know, and where its frames go. */
export interface ConnectionOptions {
  readonly url: string
  readonly delayed: boolean
  /** 1, 2, … */
  readonly number: number
  readonly apiKey: string
  readonly timeouts: LiveFeedTimeouts
  readonly maxFrameBytes: number
  readonly paramsPerMessage: number
  readonly events: LiveFeedEvents
  readonly clock: Clock
  /** Takes the key out of whatever the vendor says. */
  readonly clean: (text: string) => string
  readonly onFrame: (frame: LiveFrame) => void
  /** Called once the key is accepted: the moment to subscribe. */
  readonly onLive: () => void
}

/** A vendor that announced the end, or was told goodbye, has this long to close before the line is cut. */
const CLOSE_GRACE_MS = 2000

type Phase = 'connecting' | 'greeting' | 'authenticating' | 'live'

/** One WebSocket connection, from the attempt to its end. It never reconnects. */
export class Connection {
  /** Resolves when the connection is over, in whatever way; never rejects. */
  readonly ended: Promise<ConnectionEnd>
  readonly #options: ConnectionOptions
  readonly #socket: WebSocket
  readonly #answers: Answers
  #phase: Phase = 'connecting'
  #deadline: NodeJS.Timeout | undefined
  #stopPings = (): void => undefined
  #heardTickMs = performance.now()
  #lastFrameMs: number | undefined
  #cause: DisconnectCause | undefined
  #reason = ''
  #fatal: PipelineError | undefined
  #stopping = false

  constructor(options: ConnectionOptions) {
    const { url, timeouts, maxFrameBytes, events } = options
    this.#options = options
    this.#answers = new Answers(events, timeouts.ackMs)
    // Text that is not UTF-8 is a broken frame for the parser to report, not a reason to lose the connection.
    const text = { skipUTF8Validation: true, perMessageDeflate: false }
    this.#socket = new WebSocket(url, { maxPayload: maxFrameBytes, followRedirects: false, ...text })
    this.ended = new Promise((resolve) => this.#listen(resolve))
    this.#expect(timeouts.connectMs, 'unreachable', 'no connection')
  }

  get isLive(): boolean {
    return this.#phase === 'live' && !this.#stopping && this.#socket.readyState === WebSocket.OPEN
  }

  /** Sends requests for `params`; the answers are told by events. */
  request(action: SubscriptionAction, params: readonly string[]): void {
    if (!this.isLive || params.length === 0) return
    this.#answers.expect(action, params)
    for (const message of requestsFor(action, params, this.#options.paramsPerMessage)) this.#send(message)
  }

  /** Stops reading from the TCP socket. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#heardTickMs = performance.now()
    this.#socket.resume()
  }

  /** Takes no more frames and closes; cuts the line if the vendor does not answer, or at once when `hard`. */
  stop(hard: boolean): void {
    this.#stopping = true
    if (hard || this.#socket.readyState !== WebSocket.OPEN) return this.#socket.terminate()
    this.#socket.close(1000)
    this.#socket.resume() // a paused socket would not see the vendor's goodbye
    this.#cutLater()
  }

  #listen(resolve: (end: ConnectionEnd) => void): void {
    const socket = this.#socket
    const heard = () => (this.#heardTickMs = performance.now())
    socket.on('open', () => this.#opened())
    socket.on('message', (data) => this.#take(data as Buffer))
    socket.on('ping', heard)
    socket.on('pong', heard)
    socket.on('unexpected-response', (_request, response) => this.#refusedUpgrade(response))
    socket.on('error', (error) => {
      if ('code' in error && String(error.code).startsWith('WS_ERR')) this.#cause ??= 'protocol'
      this.#reason ||= this.#options.clean(messageOf(error))
    })
    socket.on('close', (code, reason) => resolve(this.#end(code, reason.toString('utf8'))))
  }

  #opened(): void {
    this.#phase = 'greeting'
    this.#options.events.onConnected?.({ connection: this.#options.number, url: this.#options.url })
    const { timeouts } = this.#options
    this.#expect(timeouts.authMs, 'handshake', 'no greeting from the vendor')
    this.#stopPings = keepAlive(this.#socket, {
      ...timeouts,
      heardTickMs: () => this.#heardTickMs,
      isPaused: () => this.#socket.isPaused,
      onSilence: () => this.#giveUp('silence', `no answer to a ping within ${timeouts.pongDeadlineMs} ms`),
    })
  }

  #take(payload: Buffer): void {
    if (this.#stopping) return
    const tickMs = performance.now()
    this.#heardTickMs = tickMs
    const { statuses, onlyStatuses } = statusesOf(payload)
    if (!onlyStatuses) {
      const receivedMs = this.#options.clock.now()
      this.#lastFrameMs = receivedMs
      this.#options.onFrame({ payload, receivedMs, receivedTickMs: tickMs, connection: this.#options.number })
    }
    for (const { status, message } of statuses)
      this.#status({ status, message: this.#options.clean(message) })
  }

  #status(event: StatusEvent): void {
    const { status, message } = event
    const ending = ENDING_STATUS[status]
    if (ending) return this.#announcedEnd(ending, event)
    if (this.#phase === 'greeting' && (status === 'connected' || status === 'success')) return this.#greeted()
    if (this.#phase === 'authenticating' && status === 'auth_success') return this.#authenticated()
    if (this.#answers.take(event)) return
    this.#options.events.onUnknown?.({ status, message })
  }

  #greeted(): void {
    this.#phase = 'authenticating'
    this.#expect(this.#options.timeouts.authMs, 'handshake', 'no answer to the key from the vendor')
    this.#send(JSON.stringify({ action: 'auth', params: this.#options.apiKey }))
  }

  #authenticated(): void {
    this.#phase = 'live'
    clearTimeout(this.#deadline)
    const { events, number, delayed, onLive } = this.#options
    events.onAuthenticated?.({ connection: number, delayed })
    onLive()
  }

  #announcedEnd(cause: DisconnectCause, event: StatusEvent): void {
    this.#cause ??= cause
    this.#reason ||= event.message || event.status
    if (event.status === 'auth_failed') {
      this.#fatal ??= authRefusal(event.message, this.#options.delayed)
      this.#socket.close(1000) // nothing more can come, and not every vendor closes by itself
    }
    this.#cutLater()
  }

  #refusedUpgrade(response: IncomingMessage): void {
    const status = response.statusCode ?? 0
    this.#fatal ??= upgradeRefusal(status, this.#options.url)
    this.#giveUp(this.#fatal ? 'auth' : 'unreachable', `HTTP ${status} instead of a WebSocket`)
  }

  /** Ends the connection with `cause` unless the next step is taken within `ms`. */
  #expect(ms: number, cause: DisconnectCause, what: string): void {
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#giveUp(cause, `${what} within ${ms} ms`), ms)
  }

  #giveUp(cause: DisconnectCause, reason: string): void {
    this.#cause ??= cause
    this.#reason ||= reason
    this.#socket.terminate()
  }

  #cutLater(): void {
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#socket.terminate(), CLOSE_GRACE_MS)
  }

  #send(message: string): void {
    this.#socket.send(message, () => undefined) // a broken line is told by `close`
  }

  #end(code: number, reason: string): ConnectionEnd {
    clearTimeout(this.#deadline)
    this.#stopPings()
    this.#answers.stop()
    const { number, clock, clean } = this.#options
    const stood = this.#phase !== 'connecting'
    const disconnected = {
      cause: this.#cause ?? causeOfClose(stood, this.#phase === 'live', code),
      code: stood ? code : undefined,
      reason: this.#reason || clean(reason) || 'no reason given',
      connection: number,
      atMs: clock.now(),
      lastFrameMs: this.#lastFrameMs,
      authenticated: this.#phase === 'live',
    }
    return this.#fatal ? { disconnected, fatal: this.#fatal } : { disconnected }
  }
}
