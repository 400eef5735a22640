import { withDeadline } from '../core/abort.ts'
import { messageOf, TimeoutError } from '../core/errors.ts'

/** Something that a person should know now. */
export interface Alert {
  /** Stable name, e.g. `stall`. */
  readonly kind: string
  readonly severity: 'info' | 'warning' | 'error'
  /** One sentence. */
  readonly text: string
  readonly fields?: Readonly<Record<string, string | number | boolean>>
}

export interface WebhookOptions {
  /** Where alerts are posted, as JSON. It may hold a secret: it is never shown. */
  readonly url: string
  /** Longest time for one post, milliseconds. */
  readonly timeoutMs: number
  /** Names the sender, e.g. the run. */
  readonly source: string
  /** Called when an alert could not be delivered; the reason does not hold the URL. */
  readonly onFailed: (alert: Alert, reason: string) => void
}

/** Posts alerts to a webhook, one after the other. */
export interface Webhook {
  /** Returns at once; delivery fails silently but for `onFailed`. */
  send(alert: Alert): void
  /** Resolves when everything sent so far was delivered or has failed. */
  settled(): Promise<void>
}

/**
 * A webhook that takes `{ text, kind, severity, source, at, fields }`; `text` alone is what Slack and Mattermost
 * show.
 */
export function createWebhook(options: WebhookOptions, signal: AbortSignal): Webhook {
  let last: Promise<void> = Promise.resolve()
  const deliver = async (alert: Alert): Promise<void> => {
    try {
      await post(options, alert, signal)
    } catch (error) {
      options.onFailed(alert, messageOf(error).replaceAll(options.url, '[webhook]'))
    }
  }
  return {
    send: (alert) => {
      last = last.then(() => deliver(alert))
    },
    settled: () => last,
  }
}

async function post(options: WebhookOptions, alert: Alert, signal: AbortSignal): Promise<void> {
  const { url, timeoutMs, source } = options
  const { text, kind, severity, fields = {} } = alert
  const body = JSON.stringify({ text, kind, severity, source, at: new Date().toISOString(), fields })
  const late = () => new TimeoutError(`no answer within ${timeoutMs} ms`)
  const send = async (within: AbortSignal): Promise<void> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(url, { method: 'POST', headers, body, signal: within, redirect: 'error' })
    await answer.body?.cancel()
    if (!answer.ok) throw new Error(`answered with status ${answer.status}`)
  }
  await withDeadline(timeoutMs, late, send, signal)
}
