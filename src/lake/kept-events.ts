import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { IntegrityError } from '../core/errors.ts'
import { newYorkDate } from '../market/time.ts'
import { makeFolder, replaceFile } from './durable.ts'
import { journalFolder } from './journal/index.ts'
import { dataPaths } from './layout.ts'
import { takeLock } from './lock.ts'

/** A live event that became no row, as a stream keeps it in `quarantine/live/<cluster>.jsonl`. */
const eventSchema = z.object({
  /** Of a row that belongs to no session; what no dataset holds, or could not be read, has none. */
  rule: z.literal('outside_session').optional(),
  ev: z.string().optional(),
  /** The text as it came. */
  raw: z.string(),
  reason: z.string(),
  receivedMs: z.number(),
})
export type KeptLine = z.infer<typeof eventSchema>

/** Events of one feed and one day (New York) that no dataset or no session holds, or that could not be read. */
export interface LiveEntry {
  readonly id: string
  readonly cluster: string
  /** YYYY-MM-DD. */
  readonly session: string
  readonly rule: 'unknown_event' | 'malformed_event' | 'outside_session'
  /** Why the first of them became no row. */
  readonly reason: string
  /** When the first of them was received, UTC. */
  readonly when: string
  readonly events: readonly KeptLine[]
}

const SUFFIX = '.jsonl'
const folderOf = (root: string): string => join(dataPaths(root).quarantine, 'live')
const pathOf = (root: string, cluster: string): string => join(folderOf(root), cluster + SUFFIX)

/** Entries by feed, day and rule, in this order. @throws {IntegrityError} when a line before the last is damaged */
export async function liveEntries(root: string): Promise<readonly LiveEntry[]> {
  const names = await readdir(folderOf(root)).catch(() => [])
  const clusters = names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length))
  const entries: LiveEntry[] = []
  for (const cluster of clusters.sort()) {
    const groups = new Map<string, KeptLine[]>()
    for (const event of await readEvents(root, cluster)) {
      const key = keyOf(event)
      const group = groups.get(key)
      if (group) group.push(event)
      else groups.set(key, [event])
    }
    for (const [key, events] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [session, rule] = key.split(' ') as [string, LiveEntry['rule']]
      const { reason, receivedMs } = events[0]!
      const when = new Date(receivedMs).toISOString()
      entries.push({ id: idOf(cluster, key), cluster, session, rule, reason, when, events })
    }
  }
  return entries
}

const keyOf = ({ rule, ev, receivedMs }: KeptLine): string =>
  `${newYorkDate(receivedMs)} ${rule ?? (ev === undefined ? 'malformed_event' : 'unknown_event')}`

const idOf = (cluster: string, key: string): string =>
  createHash('sha256').update(['live', cluster, key].join('\n')).digest('hex').slice(0, 10)

async function readEvents(root: string, cluster: string): Promise<KeptLine[]> {
  const path = pathOf(root, cluster)
  const lines = (await readFile(path, 'utf8')).split('\n')
  const last = lines.pop() // torn by a crash, or nothing
  const events = lines.map((line, i) => parse(line, `${path}:${i + 1}`))
  return last === '' ? events : [...events, ...tornLine(last!)]
}

function parse(line: string, place: string): KeptLine {
  try {
    return eventSchema.parse(JSON.parse(line))
  } catch (cause) {
    throw new IntegrityError(`${place} is not whole JSON`, {
      cause,
      hint: 'Restore the file from a backup, or move it out of the quarantine folder.',
    })
  }
}

const linesOf = (events: readonly KeptLine[]): string =>
  events.map((event) => `${JSON.stringify(event)}\n`).join('')

function tornLine(line: string): KeptLine[] {
  try {
    return [eventSchema.parse(JSON.parse(line))]
  } catch {
    return []
  }
}

/**
 * Removes the events of `entry` from quarantine; they are put into the file at `aside`.
 *
 * @returns how many
 * @throws {LockedError} while a stream records the feed
 */
export async function dropLiveEntry(
  root: string,
  { cluster, session, rule }: LiveEntry,
  {
    aside,
    lockWaitMs,
    signal,
  }: { readonly aside: string; readonly lockWaitMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const folder = journalFolder(root, cluster)
  const purpose = `quarantine of live ${cluster}`
  const lock = await takeLock({ folder, name: 'journal', purpose, waitMs: lockWaitMs }, signal)
  try {
    const events = await readEvents(root, cluster)
    const isMine = (event: KeptLine): boolean => keyOf(event) === `${session} ${rule}`
    const dropped = events.filter(isMine)
    await makeFolder(dirname(aside))
    await replaceFile(aside, linesOf(dropped))
    await replaceFile(pathOf(root, cluster), linesOf(events.filter((event) => !isMine(event))))
    return dropped.length
  } finally {
    await lock.release()
  }
}
