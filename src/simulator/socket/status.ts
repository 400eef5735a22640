/** One status event, in the vendor's words. */
export interface StatusEvent {
  readonly ev: 'status'
  readonly status:
    | 'connected'
    | 'auth_success'
    | 'auth_failed'
    | 'auth_timeout'
    | 'auth_required'
    | 'success'
    | 'error'
    | 'max_connections'
    | 'slow_consumer'
  readonly message: string
}

const status = (name: StatusEvent['status'], message: string): StatusEvent => ({
  ev: 'status',
  status: name,
  message,
})

export const CONNECTED = status('connected', 'Connected Successfully')
export const AUTH_SUCCESS = status('auth_success', 'authenticated')
export const AUTH_FAILED = status('auth_failed', 'authentication failed')
export const NO_WEBSOCKET = status(
  'auth_failed',
  "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade.",
)
export const AUTH_TIMEOUT = status('auth_timeout', 'No authentication request received.')
export const AUTH_REQUIRED = status('auth_required', 'Please authenticate before subscribing.')
export const MAX_CONNECTIONS = status(
  'max_connections',
  'Maximum number of websocket connections exceeded. You have reached the connection limit for your ' +
    'account. Please contact support at https://massive.com/contact',
)
export const SLOW_CONSUMER = status(
  'slow_consumer',
  'The connection does not read fast enough; its buffer is full.',
)
export const subscribed = (param: string): StatusEvent => status('success', `subscribed to: ${param}`)
export const unsubscribed = (param: string): StatusEvent => status('success', `unsubscribed to: ${param}`)
export const refused = (message: string): StatusEvent => status('error', message)

/** Close codes: a clean end, and the one for breaking a rule. */
export const CLOSE_NORMAL = 1000
export const CLOSE_POLICY = 1008
