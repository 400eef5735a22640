import { sliceBatch, type Batch } from '../core/batch.ts'
import { firstNotAscending, rowComparator } from '../core/sort.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'
import { RowDigest } from './digest.ts'
import { encodePlaces, Presence } from './presence.ts'

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
  /** Stretches of the regular hours without a row (presence.ts); undefined where the dataset does not tell. */
  readonly absent?: string
}

/** Reads `batches` once, in bounded memory, and says what they hold. */
export async function scanContent(
  dataset: DatasetDefinition,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
): Promise<Content> {
  const strays = new RowDigest()
  const sessions = new Map<string, SessionScan>()
  let disorder = 0
  let last: Batch | undefined
  for await (const batch of batches) {
    if (batch.length === 0) continue
    disorder += countDisorder(dataset, last, batch)
    last = sliceBatch(batch, batch.length - 1, batch.length)
    for (const { date, rows } of sessionRuns(dataset, batch)) {
      if (date === undefined) strays.add(rows)
      else scanOf(sessions, dataset, date).add(rows)
    }
  }
  const total = new RowDigest().merge(strays)
  for (const { digest } of sessions.values()) total.merge(digest)
  const contents = [...sessions].map(([date, session]) => [date, session.content()] as const)
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

class SessionScan {
  readonly digest = new RowDigest()
  readonly #presence: Presence | undefined

  constructor(dataset: DatasetDefinition, date: string) {
    this.#presence = Presence.of(dataset, date)
  }

  add(rows: Batch): void {
    this.digest.add(rows)
    this.#presence?.add(rows)
  }

  content(): SessionContent {
    const { digest } = this
    const absent = this.#presence && encodePlaces(this.#presence.absent())
    return { rows: digest.rows, digest: digest.toString(), ...(absent === undefined ? {} : { absent }) }
  }
}

function scanOf(sessions: Map<string, SessionScan>, dataset: DatasetDefinition, date: string): SessionScan {
  const known = sessions.get(date)
  if (known) return known
  const session = new SessionScan(dataset, date)
  sessions.set(date, session)
  return session
}

function countDisorder({ key }: DatasetDefinition, last: Batch | undefined, batch: Batch): number {
  let disorder = last && rowComparator(last, batch, key)(0, 0) >= 0 ? 1 : 0
  for (let row = firstNotAscending(batch, key, 1); row < batch.length;) {
    disorder++
    row = firstNotAscending(batch, key, row + 1)
  }
  return disorder
}
