import { open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { constantString, type Batch, type ColumnData, type Origin } from '../core/batch.ts'
import { makeFolder, onDisk, replaceFile } from '../lake/durable.ts'
import { dataPaths, encodeTicker, type SeriesId } from '../lake/layout.ts'
import type { QuarantinedRow } from '../lake/quarantine.ts'

/**
 * Which contracts of one underlying and day are settled: a JSON line each, appended and durable as soon as the
 * contract's answer is in. Lines carry the rows until the lake has committed them; then they are cut down to
 * what was found. A torn last line, the mark of a crash, counts as not written.
 */
const VERSION = 1

const column = z.array(z.number().nullable())
const entrySchema = z.object({
  contract: z.string(),
  /** Rows found; 0: it did not trade. */
  rows: z.int().nonnegative(),
  /** The rows, by column, while the lake does not hold them. */
  bars: z.record(z.string(), column).optional(),
  origin: z.object({ source: z.string(), request: z.string(), requestId: z.string().optional() }).optional(),
  refused: z.array(z.custom<QuarantinedRow>((value) => typeof value === 'object')).optional(),
})
export type ContractEntry = z.infer<typeof entrySchema>

const headSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.option_progress'), version: z.literal(VERSION) }),
  datasetVersion: z.int(),
})

/** The contracts of one day that are settled, by symbol. Undefined: nothing is known of that day. */
export type Progress = ReadonlyMap<string, ContractEntry>

export const progressPath = (root: string, { dataset, ticker }: SeriesId, date: string): string =>
  join(dataPaths(root).state, 'options', dataset.name, encodeTicker(ticker), `${date}.jsonl`)

/** Reads the progress of a day without changing it. */
export async function readProgress(
  root: string,
  series: SeriesId,
  date: string,
): Promise<Progress | undefined> {
  const text = await readFile(progressPath(root, series, date), 'utf8').catch(() => undefined)
  const [head = '', ...lines] = (text ?? '').split('\n')
  const known = headSchema.safeParse(parseJson(head))
  if (!known.success || known.data.datasetVersion !== series.dataset.version) return undefined
  const entries = new Map<string, ContractEntry>()
  for (const line of lines.slice(0, -1)) {
    const entry = entrySchema.safeParse(parseJson(line))
    if (!entry.success) break // what follows a torn line is not to be trusted
    entries.set(entry.data.contract, entry.data)
  }
  return entries
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The progress of one day, for the one writer of its series. */
export class ProgressLog {
  readonly #path: string
  readonly #series: SeriesId
  readonly #entries: Map<string, ContractEntry>
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(path: string, series: SeriesId, entries: Map<string, ContractEntry>) {
    this.#path = path
    this.#series = series
    this.#entries = entries
  }

  /** Opens the log with `entries` and nothing else in it: a torn end is gone. */
  static async open(root: string, series: SeriesId, date: string, entries: Progress): Promise<ProgressLog> {
    const log = new ProgressLog(progressPath(root, series, date), series, new Map(entries))
    await makeFolder(dirname(log.#path))
    await log.#rewrite()
    return log
  }

  get entries(): Progress {
    return this.#entries
  }

  /** Adds `entry`; durable when it returns. */
  async append(entry: ContractEntry): Promise<void> {
    const turn = this.#queue.then(() => this.#write(`${JSON.stringify(entry)}\n`))
    this.#queue = turn.catch(() => undefined)
    await turn
    this.#entries.set(entry.contract, entry)
  }

  async #write(line: string): Promise<void> {
    await onDisk(this.#path, async () => {
      const handle = await open(this.#path, 'a')
      try {
        await handle.writeFile(line)
        await handle.datasync()
      } finally {
        await handle.close()
      }
    })
  }

  /** Forgets the rows: the lake holds them now. */
  async compact(): Promise<void> {
    await this.#queue
    for (const [contract, { bars: _bars, ...rest }] of this.#entries) this.#entries.set(contract, rest)
    await this.#rewrite()
  }

  async #rewrite(): Promise<void> {
    const head = {
      schema: { name: 'tapelake.option_progress', version: VERSION },
      datasetVersion: this.#series.dataset.version,
    }
    const lines = [head, ...this.#entries.values()].map((line) => `${JSON.stringify(line)}\n`)
    await replaceFile(this.#path, lines.join(''))
  }
}

/** The rows of bars as an entry keeps them; the contract stands beside them. */
export function encodeBars(batch: Batch): Record<string, (number | null)[]> {
  const numeric = batch.schema.filter(({ type }) => type !== 'string')
  return Object.fromEntries(
    numeric.map(({ name }) => [
      name,
      Array.from(batch.columns[name] as Float64Array, (value) => (Number.isNaN(value) ? null : value)),
    ]),
  )
}

/** The rows of `entry` as a batch; undefined where it has none. */
export function decodeBars({ dataset }: SeriesId, entry: ContractEntry): Batch | undefined {
  const { bars, rows, contract, origin } = entry
  if (!bars || rows === 0) return undefined
  const columns: Record<string, ColumnData> = {}
  for (const { name, type } of dataset.columns) {
    columns[name] =
      type === 'string'
        ? constantString(contract, rows)
        : Float64Array.from(bars[name] ?? [], (value) => value ?? NaN)
  }
  const from = origin ? { origin: origin as Origin } : {}
  return { dataset: dataset.name, length: rows, schema: dataset.columns, columns, ...from }
}
