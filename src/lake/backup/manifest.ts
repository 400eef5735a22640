import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { IntegrityError, LakeMismatchError, UsageError } from '../../core/errors.ts'

/** Format of a backup folder; raised when an older tapelake could no longer read it. */
const BACKUP_FORMAT = 1

const fileSchema = z.object({
  /** Relative to the data directory, with `/`; never out of it. */
  path: z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
/** One file of a lake as it was. */
export type BackedUpFile = z.infer<typeof fileSchema>

const seriesSchema = z.object({ dataset: z.string(), ticker: z.string(), files: z.array(fileSchema) })

const manifestSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.backup'), version: z.int() }),
  /** The instant it was begun, to the millisecond, as a name. */
  id: z.string().regex(/^[\w-]+$/),
  createdAt: z.string(),
  /** Why it was made, where no person asked for it. */
  automatic: z.string().optional(),
  provenance: z.enum(['real', 'synthetic']).nullable(),
  /** True: the whole lake. False: only the series that it lists. */
  whole: z.boolean(),
  /** Of all files; see {@link digestOf}. */
  digest: z.string(),
  series: z.array(seriesSchema),
  /** Files that belong to no series. */
  files: z.array(fileSchema),
})
/** What a backup holds: one lake at one time. */
export type Manifest = z.infer<typeof manifestSchema>

export const manifestVersion = { name: 'tapelake.backup', version: BACKUP_FORMAT } as const

export const snapshotsFolder = (folder: string): string => join(folder, 'snapshots')

/** Every file of a manifest. */
export const filesOf = ({ series, files }: Pick<Manifest, 'series' | 'files'>): readonly BackedUpFile[] => [
  ...series.flatMap((one) => one.files),
  ...files,
]

/** SHA-256 over paths and checksums: two lakes with the same digest are the same, file by file. */
export function digestOf(manifest: Pick<Manifest, 'series' | 'files'>): string {
  const lines = filesOf(manifest).map(({ path, sha256 }) => `${path} ${sha256}\n`)
  return createHash('sha256').update(lines.sort().join('')).digest('hex')
}

/** Names of the backups in `folder`, oldest first. */
export async function snapshotIds(folder: string): Promise<readonly string[]> {
  const names = await readdir(snapshotsFolder(folder)).catch(() => [])
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
}

/**
 * @param id undefined: the newest
 * @throws {UsageError} when there is none
 * @throws {IntegrityError} when it is damaged
 * @throws {LakeMismatchError} when a newer tapelake made it
 */
export async function readManifest(folder: string, id?: string): Promise<Manifest> {
  const ids = await snapshotIds(folder)
  const wanted = id ?? ids.at(-1)
  if (wanted === undefined || !ids.includes(wanted)) {
    throw new UsageError(`${folder} holds no backup${id === undefined ? '' : ` called ${id}`}`, {
      hint: ids.length > 0 ? `It holds: ${ids.slice(-10).join(', ')}.` : 'Make one with tapelake backup DIR.',
    })
  }
  const path = join(snapshotsFolder(folder), `${wanted}.json`)
  return parseManifest(await readFile(path, 'utf8'), path)
}

function parseManifest(text: string, path: string): Manifest {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw damaged(path, 'it is not whole JSON', cause)
  }
  const parsed = manifestSchema.safeParse(json)
  if (!parsed.success) throw damaged(path, z.prettifyError(parsed.error))
  const { data } = parsed
  if (data.schema.version > BACKUP_FORMAT) {
    throw new LakeMismatchError(
      `${path} has format ${data.schema.version}; this tapelake knows up to ${BACKUP_FORMAT}`,
      {
        hint: 'Upgrade tapelake.',
      },
    )
  }
  if (digestOf(data) !== data.digest) throw damaged(path, 'its list of files is not the one that was written')
  return data
}

const damaged = (path: string, why: string, cause?: unknown): IntegrityError =>
  new IntegrityError(`backup ${path} is damaged: ${why}`, {
    ...(cause !== undefined && { cause }),
    hint: 'Restore an older one with --at; tapelake restore DIR --list shows them.',
  })
