import { readdir, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { makeFolder, replaceFile } from './durable.ts'
import { dataPaths, TEMPORARY_SUFFIX } from './layout.ts'
import { isRunning } from './process-registry.ts'
import { runRecordSchema, type RunRecord } from './run-record.ts'

/** Runs that are kept; the oldest go first. */
export const RUNS_KEPT = 1000
/** Nobody prunes for less than this many too many: it reads the folder. */
const PRUNE_SLACK = 50
const ID = /^[\w.-]{1,100}$/
const TEMPORARY = /\.(\d+)\.tmp$/
/** A run of another machine that has not written for so long is taken to be dead: its process cannot be seen. */
const FOREIGN_SILENCE_MS = 10 * 60_000

const folderOf = (root: string): string => join(dataPaths(root).state, 'runs')

/** Writes the record of a run. A crash leaves the old one or the new one. @throws {DiskError} */
export async function writeRun(root: string, record: RunRecord): Promise<void> {
  const folder = folderOf(root)
  await makeFolder(folder)
  const path = join(folder, `${record.id}.json`)
  const temporary = `${path}.${process.pid}${TEMPORARY_SUFFIX}`
  await replaceFile(path, `${JSON.stringify(record, null, 2)}\n`, temporary)
}

/** The run called `id`, as it stands now; undefined: there is none, or its record is damaged. */
export async function readRun(root: string, id: string): Promise<RunRecord | undefined> {
  if (!ID.test(id)) return undefined
  const record = await readRecord(join(folderOf(root), `${id}.json`))
  return record && (await asItStands(record))
}

/** All runs that are kept, newest first, as they stand now. Damaged records are left out. */
export async function listRuns(root: string): Promise<RunRecord[]> {
  const folder = folderOf(root)
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'))
  const records = await Promise.all(names.map((name) => readRecord(join(folder, name))))
  const known = records.filter((record) => record !== undefined)
  return await Promise.all(known.sort(newestFirst).map(asItStands))
}

/**
 * Removes what killed runs left half-written, and the oldest records beyond `keep` once there are a good few of them.
 * Not while this process writes a record.
 */
export async function pruneRuns(root: string, keep: number = RUNS_KEPT): Promise<void> {
  const folder = folderOf(root)
  const names = await readdir(folder).catch(() => [])
  await Promise.all(names.map((name) => sweep(folder, name)))
  if (names.length <= keep + PRUNE_SLACK) return
  const runs = await listRuns(root)
  const ended = runs.slice(keep).filter(({ state }) => state !== 'running')
  await Promise.all(ended.map(({ id }) => rm(join(folder, `${id}.json`), { force: true })))
}

/** A temporary file is swept when the process that its name tells runs no more, or is this one, which writes none now. */
async function sweep(folder: string, name: string): Promise<void> {
  const pid = Number(TEMPORARY.exec(name)?.[1])
  if (Number.isNaN(pid)) return
  if (pid !== process.pid && (await isRunning({ pid, started: '' }))) return
  await rm(join(folder, name), { force: true })
}

const newestFirst = (a: RunRecord, b: RunRecord): number =>
  Date.parse(b.startedAt) - Date.parse(a.startedAt) || (a.id < b.id ? 1 : -1)

async function readRecord(path: string): Promise<RunRecord | undefined> {
  try {
    return runRecordSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined
  }
}

async function asItStands(record: RunRecord): Promise<RunRecord> {
  if (record.state !== 'running') return record
  if (await isAlive(record)) {
    return { ...record, durationMs: Math.max(0, Date.now() - Date.parse(record.startedAt)) }
  }
  return { ...record, state: 'died' }
}

async function isAlive({ pid, processStart: started, host, updatedAt }: RunRecord): Promise<boolean> {
  if (host !== hostname()) return Date.now() - Date.parse(updatedAt) < FOREIGN_SILENCE_MS
  return await isRunning({ pid, started: started ?? '' })
}
