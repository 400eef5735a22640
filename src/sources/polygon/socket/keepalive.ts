import type { WebSocket } from 'ws'

export interface KeepaliveOptions {
  readonly pingMs: number
  readonly pongDeadlineMs: number
  /** When anything last came, by `performance.now()`. */
  readonly heardTickMs: () => number
  /** True while the socket is not read on purpose: then silence proves nothing. */
  readonly isPaused: () => boolean
  /** Called once when a ping was not followed by any sign of life. */
  readonly onSilence: () => void
}

/** Pings the vendor, because a quiet market and a dead line look the same; returns what ends it. */
export function keepAlive(socket: WebSocket, options: KeepaliveOptions): () => void {
  const { pingMs, pongDeadlineMs, heardTickMs, isPaused, onSilence } = options
  let deadline: NodeJS.Timeout | undefined
  let pingedTickMs = -Infinity
  const isUnanswered = (): boolean =>
    !isPaused() && heardTickMs() < pingedTickMs && socket.readyState === socket.OPEN
  const judge = (): void => {
    deadline = undefined
    // If this process itself was busy, the answer may lie unread: let the socket be read once more.
    if (isUnanswered()) setImmediate(() => setImmediate(() => isUnanswered() && onSilence()))
  }
  const ping = (): void => {
    if (socket.readyState !== socket.OPEN || isPaused() || (deadline && isUnanswered())) return
    clearTimeout(deadline)
    pingedTickMs = performance.now()
    socket.ping()
    deadline = setTimeout(judge, pongDeadlineMs)
  }
  const timer = setInterval(ping, pingMs)
  return () => {
    clearInterval(timer)
    clearTimeout(deadline)
  }
}
