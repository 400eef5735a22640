import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { IntegrityError } from '../core/errors.ts'
import { digestOf } from './digest.ts'
import { makeFolder } from './durable.ts'
import { keepFile } from './history.ts'
import { damagedPath, partitionOf } from './layout.ts'
import type { Cell, Segment } from './ledger.ts'
import { sessionRuns } from './scan.ts'
import type { SinkHost } from './series-contract.ts'

/** What stays of a partition while some of its sessions are recorded anew. */
export interface KeptRows {
  readonly batches: readonly Batch[]
  /** Sessions whose rows are damaged beyond use. They become holes, to be asked for again. */
  readonly lost: readonly string[]
}

/**
 * The rows of `segment`, the live one of its partition, that belong to sessions other than `replaced`, each
 * checked against the ledger, so that damage is never copied into a new file with a good checksum.
 *
 * @throws {IntegrityError} when rows are damaged and none of the damaged segment's sessions is being recorded
 *   anew: only whoever records anew (`--force`) has asked for the damage to be mended
 */
export async function keepOtherSessions(
  { options, ledger }: SinkHost,
  segment: Segment,
  replaced: ReadonlySet<string>,
): Promise<KeptRows> {
  const { dataset } = options.series
  const held = Object.entries(ledger.cells).filter(
    ([date, { rows }]) => rows > 0 && partitionOf(dataset, date) === segment.partition,
  )
  const others = new Map(held.filter(([date]) => !replaced.has(date)))
  if (others.size === 0) return { batches: [], lost: [] }
  const { found, damage } = await readSessions(options, segment, others)
  const lost = [...others].filter(([date, cell]) => !isIntact(cell, found.get(date))).map(([date]) => date)
  if (lost.length > 0 && others.size === held.length) throw damagedError(segment, lost.sort(), damage)
  const intact = [...found].filter(([date]) => !lost.includes(date))
  return { batches: intact.map(([, batch]) => batch), lost }
}

/** The rows of each of `wanted`, as far as the file can be read. */
async function readSessions(
  { root, series, engine }: SinkHost['options'],
  { path }: Segment,
  wanted: ReadonlyMap<string, unknown>,
): Promise<{ found: Map<string, Batch>; damage: unknown }> {
  const parts = new Map<string, Batch[]>([...wanted.keys()].map((date) => [date, []]))
  let damage: unknown
  try {
    for await (const batch of engine.read(series.dataset, [join(root, path)])) {
      for (const { date, rows } of sessionRuns(series.dataset, batch)) parts.get(date ?? '')?.push(rows)
    }
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error
    damage = error
  }
  const loud = [...parts].filter(([, batches]) => batches.length > 0)
  return { found: new Map(loud.map(([date, batches]) => [date, concatBatches(batches)])), damage }
}

/** Gives the damaged file of `segment` another name, for whoever wants to save more of it. @returns it, or undefined */
export async function putDamagedAside(
  { root }: SinkHost['options'],
  { path }: Segment,
): Promise<string | undefined> {
  const live = join(root, path)
  const aside = damagedPath(path, new Date().toISOString())
  const held = await stat(live).catch(() => undefined)
  if (!held) return undefined // the file is gone: that is the damage
  await makeFolder(dirname(join(root, aside)))
  await keepFile(live, join(root, aside), held.size)
  return aside
}

const isIntact = ({ rows, digest }: Cell, batch: Batch | undefined): boolean =>
  batch?.length === rows && (digest === undefined || digest === digestOf(batch))

function damagedError({ path }: Segment, lost: readonly string[], cause: unknown): IntegrityError {
  const [first, last] = [lost[0]!, lost.at(-1)!]
  return new IntegrityError(
    `${path} is damaged: it no longer holds what was recorded of ${first} to ${last}`,
    {
      cause,
      hint: `Record it again: the same command with --force --from ${first} --to ${last}.`,
    },
  )
}
