import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { IntegrityError, LakeMismatchError } from '../core/errors.ts'
import { replaceFile } from './durable.ts'
import { dataPaths } from './layout.ts'
import { takeLock } from './lock.ts'

/** Format of the data directory; raised when an older tapelake could no longer read it. */
export const LAKE_FORMAT = 1

const stampSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.lake'), version: z.int() }),
  /** Whether the rows describe a real market or came from the simulator. */
  provenance: z.enum(['real', 'synthetic']),
  createdAt: z.string(),
})
export type LakeStamp = z.infer<typeof stampSchema>

/**
 * The stamp of the lake below `root`, or undefined where nothing was recorded yet.
 *
 * @throws {LakeMismatchError} when a newer tapelake made it
 * @throws {IntegrityError} when the stamp is damaged
 */
export async function readStamp(root: string): Promise<LakeStamp | undefined> {
  const { stamp: path } = dataPaths(root)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const parsed = stampSchema.safeParse(parseJson(text))
  if (!parsed.success) {
    throw new IntegrityError(`${path} is damaged`, {
      hint: 'Restore it from a backup; it names the format and the provenance of the lake.',
    })
  }
  const { version } = parsed.data.schema
  if (version > LAKE_FORMAT) {
    throw new LakeMismatchError(
      `${root} has lake format ${version}; this tapelake knows up to ${LAKE_FORMAT}`,
      {
        hint: 'Upgrade tapelake, or choose another place with --data-dir.',
      },
    )
  }
  return parsed.data
}

/**
 * Makes sure that rows of `provenance` may enter the lake below `root`; stamps it if it is new. Two processes
 * may race for a new lake: the first stamp stands.
 *
 * @throws {LakeMismatchError} when the lake holds the other kind
 */
export async function claimProvenance(root: string, provenance: LakeStamp['provenance']): Promise<void> {
  if (!(await readStamp(root))) await createStamp(root, provenance)
  await assertProvenance(root, provenance)
}

/**
 * Refuses rows of `provenance` where the lake below `root` holds the other kind; a new lake takes either.
 *
 * @throws {LakeMismatchError} when the lake holds the other kind
 */
export async function assertProvenance(root: string, provenance: LakeStamp['provenance']): Promise<void> {
  const stamp = await readStamp(root)
  if (stamp === undefined || stamp.provenance === provenance) return
  const other = provenance === 'real' ? 'data of a real market' : 'synthetic data from the simulator'
  throw new LakeMismatchError(`${root} holds ${stamp.provenance} data and does not take ${other}`, {
    hint: 'Synthetic and real data never share a lake: choose another place with --data-dir.',
  })
}

/** How long another process, or another request of this one, may take to make the stamp. */
const STAMP_WAIT_MS = 30_000

async function createStamp(root: string, provenance: LakeStamp['provenance']): Promise<void> {
  const { stamp: path, locks } = dataPaths(root)
  const mine: LakeStamp = {
    schema: { name: 'tapelake.lake', version: LAKE_FORMAT },
    provenance,
    createdAt: new Date().toISOString(),
  }
  const options = { folder: locks, name: 'stamp', purpose: 'the first run', waitMs: STAMP_WAIT_MS }
  const lock = await takeLock(options, new AbortController().signal)
  try {
    const theirs = await readStamp(root) // made while this one waited
    if (!theirs) await replaceFile(path, `${JSON.stringify(mine, null, 2)}\n`)
  } finally {
    await lock.release()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
