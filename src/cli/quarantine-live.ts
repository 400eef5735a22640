import { join } from 'node:path'
import { EXIT, UsageError, type ExitCode } from '../core/errors.ts'
import { dropLiveEntry, liveEntries, type LiveEntry } from '../lake/kept-events.ts'
import { confirm } from './confirm.ts'
import type { RunContext } from './context.ts'
import { plural } from './format.ts'

/** Flags of the commands that change quarantine. */
export interface ChangeFlags {
  readonly wait?: number
}

/** Events shown to people; --json shows them all. */
const MAX_EVENTS = 20

/** The entry of live events called `id`, if there is one. */
export const liveEntry = async (root: string, id: string): Promise<LiveEntry | undefined> =>
  (await liveEntries(root)).find((entry) => entry.id === id)

/** As entries of rows are described: the dataset is `live`, the ticker the feed. */
export function describedLive({ id, cluster, session, rule, reason, when, events }: LiveEntry) {
  return { id, dataset: 'live', ticker: cluster, session, rule, reason, rows: events.length, when }
}

/** `quarantine show` of live events. */
export function showLive({ out, flags }: RunContext, entry: LiveEntry): void {
  const { id, cluster, session, rule, events } = entry
  if (flags.json) {
    const rows = events.map(({ raw: sent, reason, receivedMs }) => ({
      ...{ rule, reason, source: `live ${cluster}`, at: new Date(receivedMs).toISOString() },
      ...{ raw: parsed(sent), values: null, sent },
    }))
    return out.json('tapelake.quarantine-entry', 1, { ...describedLive(entry), entries: rows })
  }
  out.line(`${id}: ${plural(events.length, 'event')} of the ${cluster} feed, ${session}, ${rule}`)
  for (const { reason, raw } of events.slice(0, MAX_EVENTS)) out.line(`\n  ${reason}\n  ${raw}`)
  if (events.length > MAX_EVENTS) out.line(`\nand ${events.length - MAX_EVENTS} more; --json shows them all`)
}

/** What was sent, where it is JSON, else as it is. */
function parsed(text: string): unknown {
  try {
    return exactJson(text)
  } catch {
    return text
  }
}

/** JSON with integers that a double does not hold as strings of their digits. */
export function exactJson(text: string): unknown {
  const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
  const isInexact = (word: string): boolean => /^-?\d+$/.test(word) && !Number.isSafeInteger(Number(word))
  return JSON.parse(text.replace(token, (word) => (isInexact(word) ? `"${word}"` : word))) as unknown
}

export const releasesNoEvent = (id: string): UsageError =>
  new UsageError(`${id} is not released: no dataset holds these events`, {
    hint: 'Rows that a feed lost come over REST: tapelake gaps --repair.',
  })

/** `quarantine drop` of live events; they are put aside in the data directory. */
export async function dropLive(
  { config, signals, out, flags: { json }, runId }: RunContext,
  { wait = 0, yes }: ChangeFlags & { readonly yes?: boolean },
  entry: LiveEntry,
): Promise<ExitCode | undefined> {
  const { id, dataset, ticker, session, rule, rows: count } = describedLive(entry)
  const what = `${plural(count, 'event')} of the ${ticker} feed, ${session} (${rule})`
  if (!yes && !(await confirm(`Drop ${what} for good?`, signals.immediate))) {
    out.note('Nothing was changed.')
    return EXIT.failed
  }
  const aside = join(config.dataDir, 'backups', 'aside', 'quarantine', 'live', `${ticker}-${runId}.jsonl`)
  const how = { aside, lockWaitMs: wait * 1000, signal: signals.immediate }
  const rows = await dropLiveEntry(config.dataDir, entry, how)
  out.note(`They were put aside: ${aside}`)
  if (json) out.json('tapelake.quarantine-dropped', 1, { id, dataset, ticker, session, rule, rows })
  else out.line(`${id}: ${plural(rows, 'event')} dropped.`)
  return undefined
}
