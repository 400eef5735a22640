import { ConfigError } from '../../../core/errors.ts'
import type { Cluster } from './feed-contract.ts'

/**
 * The address of a cluster's socket below `base`; a path in front of the cluster is kept.
 *
 * @throws {ConfigError} when `base` is no ws(s) address, or carries a user or a query (where a key would leak)
 */
export function socketUrl(base: string, cluster: Cluster): string {
  const url = URL.canParse(base) ? new URL(base) : undefined
  const plain =
    url && /^wss?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (!plain) {
    throw new ConfigError('the address of the live socket is not a plain ws:// or wss:// address', {
      hint: 'Set sources.polygon.wsUrl, e.g. wss://socket.polygon.io; the cluster is added to it.',
    })
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${cluster}`
  return url.href
}

/** How late the events of the delayed host are, ms. */
export const DELAYED_LAG_MS = 15 * 60_000

/**
 * Where the events 15 minutes late are: the vendor has a host of its own for them, `delayed.` instead of
 * `socket.`; elsewhere (the simulator) it is the path `/delayed`. Undefined where `base` is that already.
 */
export function delayedUrlOf(base: string): string | undefined {
  const url = new URL(base)
  if (url.hostname.startsWith('delayed.') || /\/delayed\/?$/.test(url.pathname)) return undefined
  if (url.hostname.startsWith('socket.')) url.hostname = url.hostname.replace(/^socket\./, 'delayed.')
  else url.pathname = `${url.pathname.replace(/\/+$/, '')}/delayed`
  return url.href
}

/**
 * Whose account a key at `base` belongs to. All hosts of the vendor share one quota of connections, whatever their
 * name; any other address is a world of its own.
 */
export function accountScope(base: string): string {
  const { hostname, host } = new URL(base)
  return /(^|\.)(polygon\.io|massive\.com)$/.test(hostname) ? 'polygon' : host
}
