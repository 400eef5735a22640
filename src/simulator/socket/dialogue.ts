import type { Plan } from '../plans.ts'
import type { MarketClock } from './clock.ts'
import type { Cluster, Place } from './clusters.ts'
import type { Connection } from './connection.ts'
import {
  AUTH_FAILED,
  AUTH_REQUIRED,
  AUTH_SUCCESS,
  NO_WEBSOCKET,
  refused,
  type StatusEvent,
} from './status.ts'

interface DialogueContext {
  readonly plan: Plan
  readonly keys: ReadonlySet<string> | undefined
  readonly clock: MarketClock
  readonly place: Place
  readonly failsAuth: (cluster: Cluster) => boolean
  /** Called after the acknowledgement of a connection's first subscription. */
  readonly onFirstSubscription: (connection: Connection) => void
}

/** Answers one frame of a client: `{"action": "auth" | "subscribe" | "unsubscribe", "params": "…"}`. */
export function answerMessage(connection: Connection, text: string, context: DialogueContext): void {
  const message = parse(text)
  if (!message) return connection.tell(refused('the message is not a JSON object with action and params'))
  const { action, params } = message
  if (action === 'auth') return connection.tell(authenticate(connection, params, context))
  if (action !== 'subscribe' && action !== 'unsubscribe') {
    return connection.tell(refused(`unknown action: ${action}`))
  }
  if (connection.account === undefined) return connection.tell(AUTH_REQUIRED)
  const { subscriptions } = connection
  const nowMs = context.clock.nowMs()
  connection.tell(
    ...(action === 'subscribe' ? subscriptions.subscribe(params, nowMs) : subscriptions.unsubscribe(params)),
  )
  if (!connection.seated && !subscriptions.empty) context.onFirstSubscription(connection)
}

/** A key without real-time data fails on the real-time host just like a wrong one. */
function authenticate(connection: Connection, key: string, context: DialogueContext): StatusEvent {
  const { plan, keys, place } = context
  if (context.failsAuth(place.cluster)) return AUTH_FAILED
  if (key === '' || (keys && !keys.has(key))) return AUTH_FAILED
  if (plan.socket === 'none') return NO_WEBSOCKET
  if (plan.socket === 'delayed' && !place.delayed) return AUTH_FAILED
  connection.account = key
  return AUTH_SUCCESS
}

function parse(text: string): { readonly action: string; readonly params: string } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('action' in value)) return undefined
    const params = 'params' in value ? value.params : ''
    return { action: String(value.action), params: typeof params === 'string' ? params : '' }
  } catch {
    return undefined
  }
}
