import { readFileSync } from 'node:fs'
import { ConfigError, messageOf } from '../core/errors.ts'
import { createWebhook, type Alert, type Webhook } from '../monitor/alerts.ts'
import type { RunContext } from './context.ts'

/** The webhook that the settings name, if they do. @throws {ConfigError} when the file of its address cannot be read */
export function openWebhook({ config, runId, logger, signals }: RunContext): Webhook | undefined {
  const { webhookUrlFile, webhookTimeoutMs: timeoutMs } = config.settings.stream
  if (webhookUrlFile === undefined) return undefined
  const options = { url: addressIn(webhookUrlFile), timeoutMs, source: `tapelake ${runId}` }
  const onFailed = (alert: Alert, reason: string) =>
    logger.error({ alert: alert.kind }, `the webhook did not take the alert: ${reason}`)
  return createWebhook({ ...options, onFailed }, signals.immediate)
}

/** The address in `path`. It may hold a secret, so that no message shows it. */
function addressIn(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new ConfigError(`stream.webhookUrlFile: ${messageOf(cause)}`, { cause })
  }
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new ConfigError(`stream.webhookUrlFile: ${path} does not hold an http:// or https:// URL`)
}
