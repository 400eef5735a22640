import { stat } from 'node:fs/promises'
import { stringAt, takeRows, type Batch, type StringColumn } from '../core/batch.ts'
import { IntegrityError, messageOf } from '../core/errors.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { US_PER_MS } from '../market/time.ts'
import type { ParquetEngine } from './engine.ts'
import { partitionOf } from './layout.ts'
import type { Segment } from './ledger.ts'
import { Presence } from './presence.ts'
import { sessionRuns } from './scan.ts'
import type { SeriesView } from './series-store.ts'

/** What the files of a series hold of one session. */
export interface HeldSession {
  readonly date: string
  rows: number
  /** Undefined where rows of the dataset do not fill a session evenly. */
  readonly presence: Presence | undefined
  /** Trades in each stretch of `presence`, as far as the rows tell; NaN where a row has no count. */
  readonly trades: Float64Array
  /** Volume within the regular hours, and in all. */
  regularVolume: number
  volume: number
  /** Of options: rows by contract. */
  readonly contracts: Map<string, number>
}

/** Rows that have no business where they are. */
export interface StrayRows {
  readonly kind: 'wrong_ticker' | 'wrong_day'
  /** Session that the rows belong to by their time; undefined: none. */
  readonly date: string | undefined
  readonly rows: number
  /** First and last event, UTC milliseconds. */
  readonly firstMs: number
  readonly lastMs: number
  /** File, relative to the data directory. */
  readonly path: string
}

/** What the files of a series really hold, whatever the ledger says. */
export interface HeldContent {
  readonly sessions: ReadonlyMap<string, HeldSession>
  readonly strays: readonly StrayRows[]
  /** Segments that are not there or cannot be read, and why. */
  readonly unreadable: readonly { readonly segment: Segment; readonly why: string }[]
}

/**
 * Reads the live files of a series, only the columns that tell what is there, and counts by session. A file that
 * cannot be read spoils no other.
 *
 * @param within only segments with sessions from `from` to `to`, both inclusive
 */
export async function readHeldSessions(
  { series, ledger, files }: SeriesView,
  engine: ParquetEngine,
  within: { readonly from: string; readonly to: string },
): Promise<HeldContent> {
  const content = new ContentCounter(series.dataset, series.ticker)
  const unreadable: { segment: Segment; why: string }[] = []
  for (const [i, segment] of ledger.segments.entries()) {
    if (segment.last < within.from || segment.first > within.to) continue
    const why = await content.read(segment, files[i]!, engine)
    if (why !== undefined) unreadable.push({ segment, why })
  }
  return { sessions: content.sessions, strays: content.strays, unreadable }
}

/** Columns that say what is there; what they are called is the same in all datasets that have them. */
const TELLING: ReadonlySet<string> = new Set(['ticker', 'volume', 'trade_count'])

const telling = (dataset: DatasetDefinition): DatasetDefinition => ({
  ...dataset,
  columns: dataset.columns.filter(({ name }) => TELLING.has(name) || name === dataset.eventColumn),
})

class ContentCounter {
  readonly sessions = new Map<string, HeldSession>()
  readonly strays: StrayRows[] = []
  readonly #dataset: DatasetDefinition
  readonly #projected: DatasetDefinition
  readonly #ticker: string
  readonly #byContract: boolean

  constructor(dataset: DatasetDefinition, ticker: string) {
    this.#dataset = dataset
    this.#projected = telling(dataset)
    this.#ticker = ticker
    this.#byContract = seriesKeyOf(dataset) === 'underlying'
  }

  /** Why the file could not be read; undefined when it was. */
  async read(segment: Segment, file: string, engine: ParquetEngine): Promise<string | undefined> {
    try {
      await stat(file)
    } catch (error) {
      return `the file is not there: ${messageOf(error)}`
    }
    try {
      for await (const batch of engine.read(this.#projected, [file])) this.#add(segment, batch)
      return undefined
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error
      return messageOf(error)
    }
  }

  #add(segment: Segment, batch: Batch): void {
    for (const { date, rows } of sessionRuns(this.#projected, batch)) {
      const mine = this.#byContract ? rows : this.#ownRows(segment, date, rows)
      if (mine.length === 0) continue
      if (date === undefined || partitionOf(this.#dataset, date) !== segment.partition) {
        this.#stray('wrong_day', segment, date, mine)
      } else this.#count(date, mine)
    }
  }

  #ownRows(segment: Segment, date: string | undefined, rows: Batch): Batch {
    const { codes, dictionary } = rows.columns['ticker'] as StringColumn
    const own = dictionary.map((ticker) => ticker === this.#ticker)
    if (own.every(Boolean) && !codes.includes(-1)) return rows
    const [mine, others]: [number[], number[]] = [[], []]
    codes.forEach((code, row) => (own[code] ? mine : others).push(row))
    if (others.length > 0) this.#stray('wrong_ticker', segment, date, takeRows(rows, others))
    return mine.length === rows.length ? rows : takeRows(rows, mine)
  }

  #stray(kind: StrayRows['kind'], { path }: Segment, date: string | undefined, rows: Batch): void {
    const events = rows.columns[this.#dataset.eventColumn] as Float64Array
    const scale = this.#dataset.eventKind === 'date' ? 1 / MS_PER_DAY : US_PER_MS
    const ms = Array.from(events, (value) => value / scale).sort((a, b) => a - b)
    this.strays.push({ kind, date, rows: rows.length, firstMs: ms[0]!, lastMs: ms.at(-1)!, path })
  }

  #count(date: string, batch: Batch): void {
    const session = this.#sessionOf(date)
    session.rows += batch.length
    if (this.#byContract) return countContracts(session.contracts, batch.columns['ticker'] as StringColumn)
    session.presence?.add(batch)
    countTrades(session, batch, this.#dataset.eventColumn)
  }

  #sessionOf(date: string): HeldSession {
    const known = this.sessions.get(date)
    if (known) return known
    const presence = Presence.of(this.#dataset, date)
    const trades = new Float64Array(presence?.rows.length ?? 0)
    const session = { date, rows: 0, presence, trades, regularVolume: 0, volume: 0, contracts: new Map() }
    this.sessions.set(date, session)
    return session
  }
}

const MS_PER_DAY = 86_400_000

function countContracts(contracts: Map<string, number>, tickers: StringColumn): void {
  for (let row = 0; row < tickers.codes.length; row++) {
    const contract = stringAt(tickers, row) ?? ''
    contracts.set(contract, (contracts.get(contract) ?? 0) + 1)
  }
}

/** Adds up trades and volume; where rows have no counts of trades, a row is a trade. */
function countTrades(session: HeldSession, { columns, length }: Batch, eventColumn: string): void {
  const events = columns[eventColumn] as Float64Array
  const counts = columns['trade_count'] as Float64Array | undefined
  const volumes = columns['volume'] as Float64Array | undefined
  const { presence, trades } = session
  const { startMs, lengthMs, session: hours } = presence?.buckets ?? NO_BUCKETS
  for (let row = 0; row < length; row++) {
    const ms = events[row]! / US_PER_MS
    const volume = volumes?.[row] ?? 0
    session.volume += volume
    if (!hours || ms < startMs || ms >= hours.closeMs) continue
    session.regularVolume += volume
    const place = Math.floor((ms - startMs) / lengthMs)
    trades[place]! += counts ? counts[row]! : 1
  }
}

const NO_BUCKETS = { startMs: 0, lengthMs: 1, session: undefined }
