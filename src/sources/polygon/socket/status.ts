import type { DisconnectCause, SubscriptionAction } from './feed-contract.ts'

/** A status event in the vendor's words. */
export interface StatusEvent {
  readonly status: string
  readonly message: string
}

/** What a frame is to the feed: the status events in it, and whether there is anything else. */
export interface FrameStatuses {
  readonly statuses: readonly StatusEvent[]
  readonly onlyStatuses: boolean
}

const MARK = Buffer.from('"status"')
const NOTHING: FrameStatuses = { statuses: [], onlyStatuses: false }

/**
 * The status events of a frame. Frames without the word are not parsed; nor is one that is broken: it goes on
 * as data, and the parser says what is wrong with it.
 */
export function statusesOf(payload: Buffer): FrameStatuses {
  if (payload.indexOf(MARK) < 0) return NOTHING
  const events = parseEvents(payload)
  const statuses = events.filter((event) => event.ev === 'status')
  return {
    statuses: statuses.map(statusEvent),
    onlyStatuses: statuses.length > 0 && statuses.length === events.length,
  }
}

type Event = Readonly<Record<string, unknown>>

function parseEvents(payload: Buffer): Event[] {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    return (Array.isArray(value) ? value : [value]).map((item: unknown) =>
      typeof item === 'object' && item !== null ? (item as Event) : {},
    )
  } catch {
    return []
  }
}

const statusEvent = ({ status, message }: Event): StatusEvent => ({
  status: typeof status === 'string' ? status : '',
  message: typeof message === 'string' ? message : '',
})

/** Status events that announce the end of a connection. */
export const ENDING_STATUS: Readonly<Record<string, DisconnectCause>> = {
  max_connections: 'max_connections',
  slow_consumer: 'slow_consumer',
  force_disconnect: 'kicked',
  auth_timeout: 'auth',
  auth_failed: 'auth',
}

const ACK = /^(un)?subscribed to:\s*(.+)$/i

/** The parameters that `message` confirms; undefined when it confirms none. */
export function ackedParams(
  message: string,
): { readonly action: SubscriptionAction; readonly params: readonly string[] } | undefined {
  const match = ACK.exec(message)
  if (!match) return undefined
  const params = match[2]!.split(',').map((param) => param.trim())
  return { action: match[1] ? 'unsubscribe' : 'subscribe', params }
}
