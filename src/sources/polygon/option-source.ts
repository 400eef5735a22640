import { createHash } from 'node:crypto'
import type { Batch } from '../../core/batch.ts'
import type { Batches } from '../../core/flow.ts'
import { MalformedError, NotFoundError } from '../../core/errors.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import { optionChain } from '../../market/datasets/option-chain.ts'
import { optionContracts } from '../../market/datasets/options.ts'
import { dateToDays, US_PER_MS } from '../../market/time.ts'
import type { Underlying } from '../../market/underlyings.ts'
import type { Provenance } from '../history.ts'
import type { ChainQuery, ContractQuery, OptionSource, UnderlyingPrice } from '../options.ts'
import { originOf, redacted, requestIdOf } from './failures.ts'
import { Fetcher } from './fetcher.ts'
import type { PolygonOptions, SourceEvents } from './options.ts'
import { followPages } from './pages.ts'
import { findPrice } from './price.ts'
import { createRequestBuilder, type RequestBuilder, REFERENCE_PAGE_ROWS } from './requests.ts'
import { parseObject } from './wire/document.ts'
import type { RowMapping } from './wire/fields.ts'
import { chainMapping, contractMapping } from './wire/option-fields.ts'
import { withConstants, type Constants } from './wire/constants.ts'
import { readPage, toBatch } from './wire/rows.ts'

/** Most contracts that the vendor puts on one page of a chain. */
const CHAIN_PAGE_ROWS = 250

/**
 * Listings, chains and prices of underlyings from the REST API of Polygon.io (Massive.com), or of the simulator.
 * Nothing is loaded or sent before the first request.
 *
 * @throws {ConfigError} when `baseUrl` is no http(s) address
 */
export function createPolygonOptionSource(options: PolygonOptions): OptionSource {
  return new PolygonOptionSource(options)
}

interface Listing {
  readonly dataset: DatasetDefinition
  readonly mapping: RowMapping
  readonly underlying: Underlying
  readonly constants: Constants
}

class PolygonOptionSource implements OptionSource {
  readonly name: string
  readonly #fetcher: Fetcher
  readonly #events: SourceEvents
  #builder: Promise<RequestBuilder> | undefined

  constructor(options: PolygonOptions) {
    this.name = options.name
    this.#events = options.events ?? {}
    this.#fetcher = new Fetcher(options)
  }

  get calls(): number {
    return this.#fetcher.calls
  }

  get provenance(): Provenance | undefined {
    return this.#fetcher.provenance
  }

  async priceOn(
    underlying: Underlying,
    session: TradingSession,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<UnderlyingPrice | undefined> {
    const requests = await this.#requests()
    const ask = (path: string) => this.#fetcher.get(path, ({ body }) => parseObject(body), signal)
    return await findPrice({ requests, ask, underlying, session, nowMs })
  }

  async knows({ ticker }: Underlying, date: string, signal: AbortSignal): Promise<boolean> {
    const { pathOf } = await this.#requests()
    try {
      const path = await pathOf((api) => api.getTicker(ticker, date))
      await this.#fetcher.get(path, ({ body }) => parseObject(body), signal)
      return true
    } catch (error) {
      if (error instanceof NotFoundError) return false
      throw error
    }
  }

  /** The vendor lists a contract as expired or not, and never says by which clock: both are asked for. */
  async *contracts(query: ContractQuery, signal: AbortSignal): Batches {
    const { underlying, asOf } = query
    const constants = { as_of: dateToDays(asOf) }
    for (const expired of ['false', 'true']) {
      const { pathOf } = await this.#requests()
      const path = await pathOf((api) => api.listOptionsContracts(underlying.symbol), {
        as_of: asOf,
        expired,
        'expiration_date.gte': query.expiresFrom,
        'expiration_date.lte': query.expiresTo,
        'strike_price.gte': String(query.strikeFrom),
        'strike_price.lte': String(query.strikeTo),
        order: 'asc',
        limit: String(REFERENCE_PAGE_ROWS),
        sort: 'ticker',
      })
      yield* this.#read(
        path,
        { dataset: optionContracts, mapping: contractMapping, underlying, constants },
        signal,
      )
    }
  }

  async *chain({ underlying, snapshotMs, sessionDate }: ChainQuery, signal: AbortSignal): Batches {
    const { pathOf } = await this.#requests()
    const path = await pathOf((api) => api.getOptionsChain(underlying.ticker), {
      order: 'asc',
      limit: String(CHAIN_PAGE_ROWS),
      sort: 'ticker',
    })
    const constants = { snapshot_time: snapshotMs * US_PER_MS, session_date: dateToDays(sessionDate) }
    yield* this.#read(path, { dataset: optionChain, mapping: chainMapping, underlying, constants }, signal)
  }

  close(): Promise<void> {
    return this.#fetcher.close()
  }

  #requests(): Promise<RequestBuilder> {
    return (this.#builder ??= createRequestBuilder())
  }

  async *#read(path: string, listing: Listing, signal: AbortSignal): AsyncGenerator<Batch> {
    const pages = followPages(
      this.#fetcher,
      path,
      (answer, here) => {
        const page = readPage(answer.body, listing.mapping)
        const requestId = requestIdOf(answer) ?? page.envelope.request_id ?? undefined
        const origin = originOf(this.name, here, requestId, this.#fetcher.redactor)
        const { dataset, mapping, underlying, constants } = listing
        const read = toBatch(dataset, mapping, page, underlying.symbol, origin)
        const batch = redacted(withConstants(read, constants), this.#fetcher.redactor)
        const { table, envelope } = page
        return {
          batch,
          table,
          body: answer.body,
          path: here,
          requestId,
          nextUrl: envelope.next_url ?? undefined,
          fingerprint: () => (table.rows === 0 ? undefined : fingerprintOf(batch)),
        }
      },
      signal,
    )
    const { dataset, mapping, underlying, constants } = listing
    for await (const { batch, table, path: here, body, requestId } of pages) {
      if (table.rows > 0) this.#events.onRows?.({ path: here, rows: table.rows })
      for (const [field, count] of table.unknownFields)
        this.#events.onUnknownField?.({ path: here, field, count })
      for (const [field, count] of table.wrongTypes) this.#events.onWrongType?.({ path: here, field, count })
      if (batch.length === 0) continue
      const page = {
        dataset,
        ticker: underlying.symbol,
        path: here,
        requestId,
        body,
        table,
        mapping,
        constants,
      }
      const verdict = this.#events.onPage?.(page)
      if (verdict?.refuse === 'answer') throw new MalformedError(verdict.why, { request: here })
      yield verdict ? { ...batch, distrusted: verdict.why } : batch
    }
  }
}

/** The same for pages of the same contracts in the same order. */
function fingerprintOf({ columns }: Batch): string {
  const hash = createHash('sha1')
  for (const column of Object.values(columns)) {
    if ('dictionary' in column) hash.update(column.dictionary.join('\n'))
  }
  return hash.digest('base64')
}
