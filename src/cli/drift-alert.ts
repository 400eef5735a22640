import { driftText } from '../pipeline/drift/watch.ts'
import type { DriftEntry } from '../pipeline/drift/store.ts'
import type { RunContext } from './context.ts'
import { openWebhook } from './webhook.ts'

/** Where a command notes changes of the vendor's fields, and how it tells of them: at most once a day for each. */
export function driftOf(context: RunContext): {
  readonly root: string
  readonly runId: string
  readonly onAlert: (entries: readonly DriftEntry[]) => Promise<void>
} {
  const onAlert = async (entries: readonly DriftEntry[]): Promise<void> => {
    const text = `the vendor's fields have changed: ${entries.map(driftText).join('; ')}`
    context.logger.warn({ alert: 'drift', fields: entries.length }, `${text} (see tapelake drift)`)
    const webhook = openWebhook(context)
    webhook?.send({ kind: 'drift', severity: 'warning', text, fields: { fields: entries.length } })
    await webhook?.settled()
  }
  return { root: context.config.dataDir, runId: context.runId, onAlert }
}
