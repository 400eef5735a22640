import { createHash } from 'node:crypto'
import { lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { DiskError, LockedError } from '../core/errors.ts'
import { onDisk } from './durable.ts'
import { takeLock, type Lock } from './lock.ts'
import { processStart } from './process-identity.ts'

/** Whose socket is claimed. */
export interface SocketClaim {
  /** Only a hash of it is ever written. */
  readonly apiKey: string
  readonly cluster: string
  /** Whose account the key belongs to, see `accountScope`: the same key elsewhere is another socket. */
  readonly scope: string
  /** Shown to whoever is refused, e.g. `stream of SPY`. */
  readonly purpose: string
  /** Ends the holder instead of being refused. */
  readonly takeOver?: boolean
  /** How long a holder that was asked to end may take, ms; default 30,000. Then it is killed. */
  readonly endWithinMs?: number
  /** Folder of the claims; default {@link claimsFolder}. */
  readonly folder?: string
  /** A holder was asked to end (SIGTERM) or killed (SIGKILL). */
  readonly onTakeOver?: (event: { readonly pid: number; readonly signal: 'SIGTERM' | 'SIGKILL' }) => void
}

const END_WITHIN_MS = 30_000
const GONE_WITHIN_MS = 5_000

/**
 * Claims the live socket of a key and cluster on this machine, whatever the data directory, until it is released
 * or the process dies. The vendor allows one connection; two owners would evict each other for ever.
 *
 * Limit: users of the operating system do not see each other's claims, nor do containers.
 *
 * @throws {LockedError} naming the holder's pid and the way out, unless `takeOver`; with it, when the holder cannot
 *   be identified or does not go
 * @throws {InterruptedError} as soon as `signal` aborts
 */
export async function claimSocket(claim: SocketClaim, signal: AbortSignal): Promise<Lock> {
  const folder = claim.folder ?? claimsFolder()
  await makePrivateFolder(folder)
  const place = { folder, name: claimName(claim) }
  const owned = await tryClaim(claim, place, 0, signal)
  if (owned) return owned
  const holder = await liveOwner(place)
  if (!claim.takeOver) throw refusal(claim, holder)
  if (!holder) throw unidentified(claim)
  return await takeOver(claim, place, holder, signal)
}

/**
 * The folder of the claims: one per user, the same from a shell, cron and systemd, whatever the environment says
 * (`XDG_RUNTIME_DIR` and `TMPDIR` differ between them). `TAPELAKE_RUNTIME_DIR` overrides it.
 */
export function claimsFolder(): string {
  const { TAPELAKE_RUNTIME_DIR: given } = process.env
  if (given) return given
  if (process.getuid) return `/tmp/tapelake-${process.getuid()}`
  return join(tmpdir(), 'tapelake') // Windows: below the user's own profile
}

interface Place {
  readonly folder: string
  readonly name: string
}

const ownerSchema = z.object({
  pid: z.int(),
  /** See {@link processStart}. */
  started: z.string(),
  since: z.string(),
  purpose: z.string(),
})
type Owner = z.infer<typeof ownerSchema>

function claimName({ scope, cluster, apiKey }: SocketClaim): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([scope, cluster, apiKey]))
    .digest('hex')
  return `socket-${hash.slice(0, 32)}`
}

const ownerPath = ({ folder, name }: Place): string => join(folder, `${name}.owner`)

async function tryClaim(
  claim: SocketClaim,
  place: Place,
  waitMs: number,
  signal: AbortSignal,
): Promise<Lock | undefined> {
  try {
    const lock = await takeLock({ ...place, purpose: claim.purpose, waitMs }, signal)
    return await owning(claim, place, lock)
  } catch (error) {
    if (error instanceof LockedError) return undefined
    throw error
  }
}

/** Leaves a note about this process beside the lock for as long as it is held. */
async function owning({ purpose }: SocketClaim, place: Place, lock: Lock): Promise<Lock> {
  const path = ownerPath(place)
  const owner = { pid: process.pid, started: (await processStart(process.pid)) ?? '', purpose }
  const note: Owner = { ...owner, since: new Date().toISOString() }
  await onDisk(path, () => writeFile(path, JSON.stringify(note), { mode: 0o600 })).catch(async (error) => {
    await lock.release()
    throw error
  })
  return {
    async release() {
      await rm(path, { force: true }).catch(() => undefined) // a note without its lock is never believed
      await lock.release()
    },
  }
}

/** Who holds the claim, if the note about it is there and its process is the one that wrote it. */
async function liveOwner(place: Place): Promise<Owner | undefined> {
  try {
    const note = ownerSchema.parse(JSON.parse(await readFile(ownerPath(place), 'utf8')))
    return (await processStart(note.pid)) === note.started ? note : undefined
  } catch {
    return undefined // the holder is about to write it, or was killed before it could
  }
}

/** Asks `holder` to end, waits, and kills it only if it is still the very process that was asked. */
async function takeOver(claim: SocketClaim, place: Place, holder: Owner, signal: AbortSignal): Promise<Lock> {
  const { endWithinMs = END_WITHIN_MS } = claim
  send(claim, holder.pid, 'SIGTERM')
  const freed = await tryClaim(claim, place, endWithinMs, signal)
  if (freed) return freed
  const now = await liveOwner(place)
  if (now?.pid !== holder.pid || now.started !== holder.started) throw refusal(claim, now)
  send(claim, holder.pid, 'SIGKILL')
  const owned = await tryClaim(claim, place, GONE_WITHIN_MS, signal)
  if (owned) return owned
  throw refusal(claim, await liveOwner(place))
}

function send(claim: SocketClaim, pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  claim.onTakeOver?.({ pid, signal })
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return // it went by itself
    throw new LockedError(`process ${pid} holds the live socket and may not be ended by this user`, {
      cause: error,
    })
  }
}

function refusal({ cluster }: SocketClaim, holder: Owner | undefined): LockedError {
  const who = holder
    ? `process ${holder.pid} (${holder.purpose}, since ${holder.since})`
    : 'another process of this user'
  return new LockedError(`the live ${cluster} socket of this key is held by ${who}`, {
    hint: 'The vendor allows one. Let it finish, or end it and go on here with --take-over.',
  })
}

const unidentified = ({ cluster }: SocketClaim): LockedError =>
  new LockedError(`the live ${cluster} socket of this key is held by a process that cannot be identified`, {
    hint: 'Try again in a moment; if it stays so, end the other tapelake by hand.',
  })

/** A folder of this user only: in a place that everybody can write to, somebody else may have made it first. */
export async function makePrivateFolder(folder: string): Promise<void> {
  await onDisk(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
  const found = await onDisk(folder, () => lstat(folder))
  const isOurs = found.isDirectory() && (!process.getuid || found.uid === process.getuid())
  if (!isOurs) {
    throw new DiskError(`${folder} is not a folder of this user`, {
      hint: 'Remove it, or name another folder in TAPELAKE_RUNTIME_DIR.',
    })
  }
}
