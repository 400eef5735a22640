import {
  AuthenticationError,
  EntitlementError,
  NotFoundError,
  type PipelineError,
} from '../../../core/errors.ts'
import type { DisconnectCause } from './feed-contract.ts'

/** The cause of an end that nobody announced, by its close code (RFC 6455, 7.4.1). */
export function causeOfClose(stood: boolean, live: boolean, code: number): DisconnectCause {
  if (!stood) return 'unreachable'
  if (code === 1006) return 'cut'
  if (code === 1008) return live ? 'max_connections' : 'auth' // the vendor breaks off with it in both cases
  return code === 1002 || code === 1007 || code === 1009 ? 'protocol' : 'clean_close'
}

/** `auth_failed` in the vendor's words: the key is wrong, or the plan lacks the socket. */
export function authRefusal(message: string, delayed: boolean): PipelineError {
  const details = { vendorMessage: message }
  if (/plan|upgrade|entitle/i.test(message))
    return new EntitlementError(`the vendor refused the live socket: ${message}`, {
      ...details,
      hint: 'This key can still record history: tapelake backfill.',
    })
  return new AuthenticationError(`the vendor refused the key on the live socket: ${message}`, {
    ...details,
    hint: delayed
      ? 'The host of delayed data refuses it: check POLYGON_API_KEY and your plan.'
      : 'Check POLYGON_API_KEY. A key without real-time data is accepted on the delayed host only: set sources.polygon.wsUrl to wss://delayed.polygon.io.',
  })
}

/** What an HTTP answer instead of a WebSocket means; undefined where another attempt may help. */
export function upgradeRefusal(status: number, url: string): PipelineError | undefined {
  const message = `${url} answered with HTTP ${status} instead of opening a WebSocket`
  if (status === 401 || status === 403) {
    return new AuthenticationError(message, { status, hint: 'Check POLYGON_API_KEY and your plan.' })
  }
  const mayPass = status < 400 || status >= 500 || status === 408 || status === 425 || status === 429
  if (mayPass) return undefined
  return new NotFoundError(message, {
    status,
    hint: 'Check sources.polygon.wsUrl: the address of the sockets without the cluster, e.g. wss://socket.polygon.io.',
  })
}

/** Why the next attempt waits, as a sentence for people. */
export function reasonToWait(cause: DisconnectCause, reason: string): string {
  if (cause === 'max_connections')
    return `another process holds the live socket of this key (one connection per account and cluster): ${reason}`
  return `${SENTENCES[cause]}: ${reason}`
}

const SENTENCES: Readonly<Record<Exclude<DisconnectCause, 'max_connections'>, string>> = {
  unreachable: 'the live socket cannot be reached',
  handshake: 'the vendor did not finish the handshake',
  auth: 'the vendor did not accept the key',
  cut: 'the connection broke',
  clean_close: 'the vendor closed the connection',
  silence: 'the connection fell silent',
  kicked: 'the vendor ended the connection',
  slow_consumer: 'events were not read fast enough and the vendor ended the connection',
  protocol: 'the connection broke the WebSocket protocol',
}
