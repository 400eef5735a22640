import type { Batch } from '../../core/batch.ts'
import { compose, type RefusalSink, type Stage } from '../../core/flow.ts'
import { RowDigest } from '../../lake/digest.ts'
import type { Cell, Ledger } from '../../lake/ledger.ts'
import { quarantinedRows, type QuarantinedRow } from '../../lake/quarantine.ts'
import { sessionRuns } from '../../lake/scan.ts'
import type { CellVerdict } from '../../lake/series-contract.ts'
import type { SeriesWriter } from '../../lake/series-writer.ts'
import { seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import { sessionDates } from '../../market/session-rows.ts'
import { DuplicateCounts } from '../duplicate-counts.ts'
import { dedup } from '../../stages/dedup.ts'
import { validate } from '../../stages/validate.ts'

/**
 * What becomes of a session of a file: `add` the lake has no rows of it; `same` it has exactly these; `keep` it has
 * others, and they stay; `replace` they give way (`--force`); `refuse` every row broke a rule.
 */
export type SessionAction = 'add' | 'same' | 'keep' | 'replace' | 'refuse'

export interface SessionImport {
  readonly date: string
  readonly action: SessionAction
  /** Good rows in the files, and rows that broke a rule. */
  readonly rows: number
  readonly refused: number
  /** Rows that the lake held before. */
  readonly held: number
}

export interface SeriesImportOptions {
  readonly dataset: DatasetDefinition
  readonly ticker: string
  readonly ledger: Ledger
  /** Absent: nothing is written. */
  readonly writer?: SeriesWriter
  readonly force: boolean
  readonly runId: string
  /** Names of the files, for the cells' reasons. */
  readonly from: string
  /** Every session of the calendar. */
  readonly sessions: ReadonlySet<string>
}

/** What a series' rows came to, session by session, as they pass. */
class Tally {
  readonly #options: SeriesImportOptions
  readonly #digests = new Map<string, RowDigest>()
  readonly #refused = new Map<string, QuarantinedRow[]>()
  /** Refused rows that belong to no session. */
  readonly #strays: QuarantinedRow[] = []
  readonly duplicates: DuplicateCounts

  constructor(options: SeriesImportOptions) {
    this.#options = options
    this.duplicates = new DuplicateCounts(options.dataset)
  }

  /** Whether the session's rows are written: the lake has none, or they are to give way. */
  takes(date: string): boolean {
    return this.#options.force || this.#heldRows(date) === 0
  }

  #heldRows(date: string): number {
    return this.#options.ledger.cells[date]?.rows ?? 0
  }

  keep(date: string, rows: Batch): void {
    let digest = this.#digests.get(date)
    if (!digest) this.#digests.set(date, (digest = new RowDigest()))
    digest.add(rows)
  }

  readonly refuse: RefusalSink = (batch, refusals) => {
    const { dataset, runId } = this.#options
    const { dates, codes } = sessionDates(dataset, batch)
    const rows = quarantinedRows(batch, refusals, runId)
    refusals.forEach(({ row }, i) => {
      const date = dates[codes[row]!]
      const list = date === undefined ? this.#strays : (this.#refused.get(date) ?? [])
      list.push(rows[i]!)
      if (date !== undefined) this.#refused.set(date, list)
    })
  }

  /** Rows of no session are kept with the first session that is written, or the first one met. */
  placeStrays(): void {
    if (this.#strays.length === 0) return
    const { sessions } = this.#options
    const met = [...this.#digests.keys(), ...this.#refused.keys()].sort()
    const home = met.find((date) => this.takes(date)) ?? met[0] ?? [...sessions].at(-1)!
    this.#refused.set(home, [...(this.#refused.get(home) ?? []), ...this.#strays.splice(0)])
  }

  sessions(): SessionImport[] {
    const dates = [...new Set([...this.#digests.keys(), ...this.#refused.keys()])].sort()
    return dates.map((date) => {
      const { rows = 0 } = this.#digests.get(date) ?? {}
      const refused = this.#refused.get(date)?.length ?? 0
      return { date, action: this.#action(date, rows), rows, refused, held: this.#heldRows(date) }
    })
  }

  #action(date: string, rows: number): SessionAction {
    const held = this.#options.ledger.cells[date]
    if (rows === 0) return held && held.rows > 0 ? 'keep' : 'refuse'
    if (!held || held.rows === 0) return 'add'
    if (this.#isSame(date, held)) return 'same'
    return this.#options.force ? 'replace' : 'keep'
  }

  #isSame(date: string, held: Cell): boolean {
    const digest = this.#digests.get(date)!
    return digest.rows === held.rows && digest.toString() === held.digest
  }

  /** What to record about the sessions that are written. */
  settlement(): Map<string, CellVerdict> {
    const written = this.sessions().filter(({ action }) => action !== 'keep')
    const settled = written.filter(({ date }) => this.takes(date))
    return new Map(settled.map((session) => [session.date, this.#verdict(session)]))
  }

  #verdict({ date, action }: SessionImport): CellVerdict {
    const refused = this.#refused.get(date) ?? []
    if (action === 'refuse') {
      const rules = [...new Set(refused.map(({ rule }) => rule))].join(', ')
      return { state: 'quarantined', reason: `all ${refused.length} rows were refused: ${rules}`, refused }
    }
    const held = this.#options.ledger.cells[date]
    if (action === 'same' && held) return { state: held.state, reason: held.reason, refused }
    const refusal = refused.length > 0 ? `; ${refused.length} rows refused, in quarantine` : ''
    const duplicates = this.duplicates.of(date)
    return { state: 'complete', reason: `imported from ${this.#options.from}${refusal}`, refused, duplicates }
  }
}

/**
 * Takes the rows of one series from files: checks them, and commits the sessions of which the lake has none (with
 * `force`, all of them) in one commit. Without a writer it only tells what would change.
 */
export async function importSeries(
  batches: AsyncIterable<Batch>,
  options: SeriesImportOptions,
): Promise<{
  readonly sessions: readonly SessionImport[]
  readonly duplicates: number
  readonly lost: readonly string[]
}> {
  const { dataset, writer } = options
  const tally = new Tally(options)
  const sink = writer?.openSink(options.sessions)
  try {
    for await (const batch of stageOf(options, tally)(withOrigin(batches, options.from))) {
      for (const { date, rows } of sessionRuns(dataset, batch)) {
        tally.keep(date!, rows)
        if (tally.takes(date!)) await sink?.write(rows)
      }
    }
    tally.placeStrays()
    const sessions = tally.sessions()
    const settlement = tally.settlement()
    if (sink && settlement.size > 0) await sink.commit(settlement)
    else await sink?.abort()
    return { sessions, duplicates: tally.duplicates.total, lost: writer?.lost ?? [] }
  } catch (error) {
    await sink?.abort()
    throw error
  }
}

async function* withOrigin(batches: AsyncIterable<Batch>, from: string): AsyncGenerator<Batch> {
  const origin = { source: 'import', request: `file:${from}` }
  for await (const batch of batches) yield batch.origin ? batch : { ...batch, origin }
}

function stageOf({ dataset, ticker }: SeriesImportOptions, tally: Tally): Stage {
  const only = seriesKeyOf(dataset) === 'ticker' ? { ticker } : {}
  return compose(
    validate(dataset, { ...only, onRefused: tally.refuse }),
    dedup(dataset, { onDuplicate: tally.duplicates.drop }),
  )
}
