import { open, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { rowAt, takeRows, type Batch } from '../core/batch.ts'
import { columnComparison, mergeJoin, type JoinVisitor } from '../core/merge-join.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { sessionDates } from '../market/session-rows.ts'
import { daysToDate } from '../market/time.ts'
import { makeFolder, onDisk } from './durable.ts'
import { TEMPORARY_SUFFIX } from './layout.ts'

/** Rows that a diff lists; more are only counted. Both versions are kept, so that nothing is lost. */
const MOST_LISTED = 100_000
/** Text gathered before it is written. */
const WRITE_CHARS = 1 << 18

export interface DiffCounts {
  added: number
  removed: number
  changed: number
}

/** Only the rows of `batches` that belong to one of `dates`. */
export async function* rowsOfSessions(
  dataset: DatasetDefinition,
  batches: AsyncIterable<Batch>,
  dates: ReadonlySet<string>,
): AsyncGenerator<Batch> {
  for await (const batch of batches) {
    const { dates: met, codes } = sessionDates(dataset, batch)
    const isWanted = met.map((date) => dates.has(date))
    if (!isWanted.includes(false) && !codes.includes(-1)) {
      yield batch
      continue
    }
    const rows: number[] = []
    codes.forEach((code, row) => {
      if (code >= 0 && isWanted[code]) rows.push(row)
    })
    if (rows.length > 0) yield takeRows(batch, rows)
  }
}

/** The values of a row as JSON shows them: instants ISO 8601 in UTC, exact integers, missing ones null. */
export function readableRow(batch: Batch, row: number): Record<string, unknown> {
  const values = rowAt(batch, row)
  for (const { name, type } of batch.schema) {
    const value = values[name]
    if (typeof value === 'bigint') values[name] = String(value)
    else if (typeof value !== 'number') continue
    else if (type === 'timestamp') values[name] = isoMicros(value)
    else if (type === 'date') values[name] = daysToDate(value)
  }
  return values
}

function isoMicros(us: number): string {
  const whole = new Date(Math.floor(us / 1000)).toISOString()
  const micros = us - Math.floor(us / 1000) * 1000
  return micros === 0
    ? whole.replace('.000Z', 'Z')
    : `${whole.slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}

export interface DiffOptions {
  readonly root: string
  /** Where it will lie, relative to `root`; it is written under a temporary name beside that. */
  readonly path: string
  readonly dataset: DatasetDefinition
  /** Facts for the first line. */
  readonly head: object
  /** Rows of the sessions in question, sorted by key. */
  readonly before: AsyncIterable<Batch>
  readonly after: AsyncIterable<Batch>
  /** Facts for the last line, once the counts are known. */
  readonly tail: (counts: ReadonlyMap<string, DiffCounts>) => object
}

/**
 * Writes what changed between two versions of some sessions, as JSON lines: a head, a line per row that was added,
 * removed or changed (with the values before and after), a tail. Durable under its temporary name when it returns.
 *
 * @returns counts by session
 */
export async function stageDiff(options: DiffOptions): Promise<ReadonlyMap<string, DiffCounts>> {
  const { root, path, dataset, before, after, head, tail } = options
  const temporary = join(root, path + TEMPORARY_SUFFIX)
  await makeFolder(dirname(temporary))
  try {
    return await onDisk(temporary, async () => {
      const file = await open(temporary, 'w')
      try {
        const writer = new DiffWriter(file, dataset)
        writer.line(head)
        await mergeJoin(dataset.key, before, after, writer)
        writer.line(tail(writer.counts))
        await writer.flush()
        await file.sync()
        return writer.counts
      } finally {
        await file.close()
      }
    })
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

class DiffWriter implements JoinVisitor {
  readonly counts = new Map<string, DiffCounts>()
  readonly #file: FileHandle
  readonly #dataset: DatasetDefinition
  readonly #values: readonly string[]
  #text = ''
  #listed = 0
  #pair: { left: Batch; right: Batch; differing: ReturnType<typeof columnComparison> } | undefined
  #dates: { batch: Batch; of: (row: number) => string } | undefined

  constructor(file: FileHandle, dataset: DatasetDefinition) {
    this.#file = file
    this.#dataset = dataset
    this.#values = dataset.columns.map(({ name }) => name).filter((name) => !dataset.key.includes(name))
  }

  onBoth(left: Batch, leftRow: number, right: Batch, rightRow: number): void {
    if (this.#pair?.left !== left || this.#pair.right !== right) {
      this.#pair = { left, right, differing: columnComparison(left, right, this.#values) }
    }
    const columns = this.#pair.differing(leftRow, rightRow)
    if (columns.length === 0) return
    const session = this.#count(left, leftRow, 'changed')
    if (this.#listed++ >= MOST_LISTED) return
    const [was, is] = [readableRow(left, leftRow), readableRow(right, rightRow)]
    const pick = (row: object, names: readonly string[]): object =>
      Object.fromEntries(Object.entries(row).filter(([name]) => names.includes(name)))
    const key = pick(is, this.#dataset.key)
    this.line({ session, change: 'changed', key, before: pick(was, columns), after: pick(is, columns) })
  }

  onLeft(left: Batch, row: number): void {
    this.#only(left, row, 'removed')
  }

  onRight(right: Batch, row: number): void {
    this.#only(right, row, 'added')
  }

  #only(batch: Batch, row: number, change: 'added' | 'removed'): void {
    const session = this.#count(batch, row, change)
    if (this.#listed++ < MOST_LISTED) this.line({ session, change, row: readableRow(batch, row) })
  }

  #count(batch: Batch, row: number, change: keyof DiffCounts): string {
    if (this.#dates?.batch !== batch) {
      const { dates, codes } = sessionDates(this.#dataset, batch)
      this.#dates = { batch, of: (at) => dates[codes[at]!]! }
    }
    const session = this.#dates.of(row)
    const counts = this.counts.get(session) ?? { added: 0, removed: 0, changed: 0 }
    counts[change]++
    this.counts.set(session, counts)
    return session
  }

  line(document: object): void {
    this.#text += `${JSON.stringify(document)}\n`
  }

  async drain(): Promise<void> {
    if (this.#text.length >= WRITE_CHARS) await this.flush()
  }

  async flush(): Promise<void> {
    await this.#file.writeFile(this.#text) // at the place where the last one ended
    this.#text = ''
  }
}
