import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { sleep } from '../core/abort.ts'
import { makeFolder } from './durable.ts'
import { dataPaths, TEMPORARY_SUFFIX } from './layout.ts'
import { processStart } from './process-identity.ts'

/** What a process does in a data directory. A worker belongs to the process that started it. */
export const PROCESS_KINDS = ['run', 'worker', 'stream', 'nightly', 'schedule'] as const
export type ProcessKind = (typeof PROCESS_KINDS)[number]

const entrySchema = z.object({
  schema: z.object({ name: z.literal('tapelake.process'), version: z.literal(1) }),
  pid: z.int().positive(),
  /** See {@link processStart}; empty where the system does not tell. */
  started: z.string(),
  host: z.string(),
  kind: z.enum(PROCESS_KINDS),
  /** Name of the command, e.g. `backfill-all`. */
  command: z.string(),
  /** Run in logs and ledgers. */
  run: z.string(),
  /** One word: what it is at, e.g. `starting`, `recording`, `idle`, `stopping`. */
  state: z.string(),
  /** Since when it is in this state, and since when it runs at all; UTC. */
  since: z.string(),
  startedAt: z.string(),
  /** What it has in hand, where that is one ticker; several are joined by commas. */
  ticker: z.string().optional(),
  dataset: z.string().optional(),
  /** Of a worker: the process that started it. */
  parent: z.int().optional(),
})

/** A process that runs now, as it described itself. */
export type ProcessEntry = Readonly<z.infer<typeof entrySchema>>

/** What a process says about itself when it begins. */
export type ProcessNote = Pick<ProcessEntry, 'kind' | 'command' | 'run' | 'state'> &
  Partial<Pick<ProcessEntry, 'ticker' | 'dataset' | 'parent'>>

/** The entry of this process. */
export interface RegisteredProcess {
  /** Changes what the entry says; undefined takes a field away. Returns at once; a full disk is no reason to stop. */
  update(change: { [Key in 'state' | 'ticker' | 'dataset']?: string | undefined }): void
  /** Takes the entry away. An entry left behind by a killed process is never believed. */
  remove(): Promise<void>
}

const folderOf = (root: string): string => join(dataPaths(root).state, 'processes')

/** Enters this process into the registry of the data directory `root`, in place of an earlier entry of it. */
export async function registerProcess(root: string, note: ProcessNote): Promise<RegisteredProcess> {
  const now = new Date().toISOString()
  const started = (await processStart(process.pid)) ?? ''
  const schema = { name: 'tapelake.process', version: 1 } as const
  let entry: ProcessEntry = {
    ...{ schema, pid: process.pid, started, host: hostname(), since: now, startedAt: now },
    ...note,
  }
  const path = join(folderOf(root), `${process.pid}.json`)
  await sweep(root)
  let last = makeFolder(folderOf(root)).then(() => write(path, entry), ignore)
  await last
  return {
    update(change) {
      entry = { ...entry, ...change, since: new Date().toISOString() } as ProcessEntry
      const next = entry
      last = last.then(() => write(path, next))
    },
    async remove() {
      await last
      await rm(path, { force: true }).catch(ignore)
    },
  }
}

const TEMPORARY = new RegExp(`^(\\d+)\\.json\\${TEMPORARY_SUFFIX}$`)

/** Takes away what killed processes left, whole or half-written; an earlier one with the pid of this one is dead as well. */
async function sweep(root: string): Promise<void> {
  await listProcesses(root)
  const folder = folderOf(root)
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(TEMPORARY.exec(name)?.[1])
    if (Number.isNaN(pid)) continue
    const isAtWork = pid !== process.pid && (await isRunning({ pid, started: '' }))
    if (!isAtWork) await rm(join(folder, name), { force: true }).catch(ignore)
  }
}

/** A reader sees the old entry or the new one. Nothing is synced: after a power cut no process runs anyway. */
async function write(path: string, entry: ProcessEntry): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX
  try {
    await writeFile(temporary, JSON.stringify(entry))
    await rename(temporary, path)
  } catch {
    await rm(temporary, { force: true }).catch(ignore)
  }
}

const ignore = (): void => undefined

/**
 * The processes of this machine that work in `root` now, oldest first. What killed processes left behind is removed,
 * also where another process has the same pid by now. Processes of other machines and containers are not seen.
 */
export async function listProcesses(root: string): Promise<ProcessEntry[]> {
  const folder = folderOf(root)
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'))
  const found = await Promise.all(names.map((name) => readLive(join(folder, name))))
  return found
    .filter((entry) => entry !== undefined)
    .sort((a, b) => (a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : a.pid - b.pid))
}

async function readLive(path: string): Promise<ProcessEntry | undefined> {
  let entry: ProcessEntry
  try {
    entry = entrySchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined // removed meanwhile, or not ours
  }
  if (entry.host !== hostname()) return undefined
  if (await isRunning(entry)) return entry
  await rm(path, { force: true }).catch(ignore)
  return undefined
}

/** Whether the very process that made `entry` still runs; another one with its pid does not count. */
export async function isRunning({ pid, started }: Pick<ProcessEntry, 'pid' | 'started'>): Promise<boolean> {
  if (started !== '') return (await processStart(pid)) === started
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** How a process ended that was told to: `killed` when it did not within the deadline. */
export type StopOutcome = 'ended' | 'killed' | 'stuck'

const POLL_MS = 50
const GONE_WITHIN_MS = 5_000
/** Time for a process to end once those that it waited for were killed. */
const UNBLOCKED_WITHIN_MS = 15_000

/**
 * Ends the process of `entry`: asks first (SIGTERM: it finishes what it has in hand), and kills it when it still works
 * after `withinMs`. Never touches another process that has its pid by now. A process that has taken its entry away has
 * ended its work: at most its output waits for whoever reads it.
 *
 * @param unblock kills what the process may be waiting for, such as a worker that hangs; tells whether there was any.
 *   Called at the deadline: the process then has some time to end by itself
 * @throws {InterruptedError} as soon as `signal` aborts
 */
export async function stopProcess(
  root: string,
  entry: ProcessEntry,
  withinMs: number,
  signal: AbortSignal,
  unblock: () => Promise<boolean> = async () => false,
): Promise<StopOutcome> {
  const isGone = async (): Promise<boolean> => !(await isRunning(entry))
  const path = join(folderOf(root), `${entry.pid}.json`)
  const isDone = async (): Promise<boolean> => (await isGone()) || !existsSync(path)
  if (await endsAfter('SIGTERM', entry.pid, isDone, withinMs, signal)) return 'ended'
  if ((await unblock()) && (await endsAfter(undefined, entry.pid, isDone, UNBLOCKED_WITHIN_MS, signal)))
    return 'ended'
  return (await endsAfter('SIGKILL', entry.pid, isGone, GONE_WITHIN_MS, signal)) ? 'killed' : 'stuck'
}

async function endsAfter(
  name: 'SIGTERM' | 'SIGKILL' | undefined,
  pid: number,
  isOver: () => Promise<boolean>,
  withinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs
  if (await isOver()) return true
  try {
    if (name) process.kill(pid, name)
  } catch {
    // gone by itself, or not ours to end: the wait tells
  }
  while (!(await isOver())) {
    if (performance.now() >= deadlineMs) return false
    await sleep(POLL_MS, signal)
  }
  return true
}
