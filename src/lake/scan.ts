import { sliceBatch, type Batch } from '../core/batch.ts'
import { rowComparator } from '../core/sort.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'
import { RowDigest } from './digest.ts'

/** What the rows of a segment, or of several, really are. */
export interface Content {
  readonly rows: number
  readonly digest: string
  /** Per session with rows, in order of first appearance. */
  readonly sessions: ReadonlyMap<string, SessionContent>
  /** Rows that belong to no session. */
  readonly strays: number
  /** Rows whose key is not above the key of the row before. */
  readonly disorder: number
}

export interface SessionContent {
  readonly rows: number
  readonly digest: string
}

/** Reads `batches` once, in bounded memory, and says what they hold. */
export async function scanContent(
  dataset: DatasetDefinition,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
): Promise<Content> {
  const strays = new RowDigest()
  const sessions = new Map<string, RowDigest>()
  let disorder = 0
  let last: Batch | undefined
  for await (const batch of batches) {
    if (batch.length === 0) continue
    disorder += countDisorder(dataset, last, batch)
    last = sliceBatch(batch, batch.length - 1, batch.length)
    for (const { date, rows } of sessionRuns(dataset, batch)) {
      const digest = date === undefined ? strays : digestFor(sessions, date)
      digest.add(rows)
    }
  }
  const total = new RowDigest().merge(strays)
  for (const digest of sessions.values()) total.merge(digest)
  const contents = [...sessions].map(
    ([date, digest]) => [date, { rows: digest.rows, digest: digest.toString() }] as const,
  )
  return {
    rows: total.rows,
    digest: total.toString(),
    sessions: new Map(contents),
    strays: strays.rows,
    disorder,
  }
}

/** Stretches of consecutive rows that belong to the same session; `date` is undefined for strays. */
export function* sessionRuns(
  dataset: DatasetDefinition,
  batch: Batch,
): Generator<{ date: string | undefined; rows: Batch }> {
  const { dates, codes } = sessionDates(dataset, batch)
  for (let from = 0; from < batch.length;) {
    let to = from + 1
    while (to < batch.length && codes[to] === codes[from]) to++
    yield { date: dates[codes[from]!], rows: sliceBatch(batch, from, to) }
    from = to
  }
}

function digestFor(sessions: Map<string, RowDigest>, date: string): RowDigest {
  const known = sessions.get(date)
  if (known) return known
  const digest = new RowDigest()
  sessions.set(date, digest)
  return digest
}

function countDisorder({ key }: DatasetDefinition, last: Batch | undefined, batch: Batch): number {
  let disorder = last && rowComparator(last, batch, key)(0, 0) >= 0 ? 1 : 0
  const order = rowComparator(batch, batch, key)
  for (let row = 1; row < batch.length; row++) {
    if (order(row - 1, row) >= 0) disorder++
  }
  return disorder
}
