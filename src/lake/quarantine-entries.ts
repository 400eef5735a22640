import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '../core/errors.ts'
import { DATASETS } from '../market/datasets/index.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import type { SeriesFilter } from './index.ts'
import { dataPaths, decodeTicker, type SeriesId } from './layout.ts'
import { quarantinedAt, quarantinedSessions, readQuarantine, type QuarantinedRow } from './quarantine.ts'

/** All rows of one session of a series that were refused for one rule: what people list, release and drop. */
export interface QuarantineEntry {
  /** Short and stable: it follows from series, session and rule. */
  readonly id: string
  readonly series: SeriesId
  /** The session that keeps them, YYYY-MM-DD. */
  readonly session: string
  readonly rule: string
  /** Why the first of them was refused, one sentence. */
  readonly reason: string
  /** When the first of them was refused, UTC. */
  readonly when: string
  readonly rows: readonly QuarantinedRow[]
}

/** Entries by dataset, ticker, session and rule, in this order. @throws {IntegrityError} when a file is damaged */
export async function* quarantineEntries(
  root: string,
  { datasets, tickers }: SeriesFilter = {},
): AsyncGenerator<QuarantineEntry> {
  for (const dataset of DATASETS) {
    if (datasets && !datasets.includes(dataset.name)) continue
    for (const ticker of await tickersOf(root, dataset)) {
      if (tickers && !tickers.includes(ticker)) continue
      const series: SeriesId = { dataset, ticker }
      for (const session of await quarantinedSessions(root, series)) yield* entriesOf(root, series, session)
    }
  }
}

async function* entriesOf(root: string, series: SeriesId, session: string): AsyncGenerator<QuarantineEntry> {
  const written = (await quarantinedAt(root, series, session)) ?? new Date(0)
  const rows = await readQuarantine(root, series, session)
  for (const rule of [...new Set(rows.map((row) => row.rule))].sort()) {
    const mine = rows.filter((row) => row.rule === rule)
    const { reason, at: when = written.toISOString() } = mine[0]!
    const id = entryId(series, session, rule)
    yield { id, series, session, rule, reason, when, rows: mine }
  }
}

const ID_LENGTH = 10

function entryId({ dataset, ticker }: SeriesId, session: string, rule: string): string {
  const text = [dataset.name, ticker, session, rule].join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, ID_LENGTH)
}

/** The entry called `id`. @throws {UsageError} when there is none */
export async function quarantineEntry(root: string, id: string): Promise<QuarantineEntry> {
  for await (const entry of quarantineEntries(root)) if (entry.id === id) return entry
  throw new UsageError(`nothing in quarantine is called '${id}'`, {
    hint: 'tapelake quarantine list shows the ids; what was released or dropped is no longer there.',
  })
}

async function tickersOf(root: string, dataset: DatasetDefinition): Promise<string[]> {
  const prefix = `${seriesKeyOf(dataset)}=`
  const names = await readdir(join(dataPaths(root).quarantine, dataset.name)).catch(() => [])
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => decodeTicker(name.slice(prefix.length)))
    .sort()
}
