import { createHash } from 'node:crypto'
import type { Batch } from '../../core/batch.ts'
import type { Batches } from '../../core/flow.ts'
import { ConfigError, MalformedError, NotFoundError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { HistoryRequest, HistorySource, Provenance, RequestLimits } from '../history.ts'
import { originOf, redacted, requestIdOf } from './failures.ts'
import { Fetcher } from './fetcher.ts'
import type { PolygonOptions, SourceEvents } from './options.ts'
import { polygonLimits } from './limits.ts'
import { followPages } from './pages.ts'
import { createRequestBuilder, historyPath, type RequestBuilder } from './requests.ts'
import type { Answer } from './transport.ts'
import { parseObject } from './wire/document.ts'
import { mappingOf, type RowMapping } from './wire/fields.ts'
import { readPage, toBatch, type Page } from './wire/rows.ts'
import type { WireTable } from './wire/scan.ts'

export { type PolygonOptions as PolygonSourceOptions, type SourceEvents } from './options.ts'

/**
 * History from the REST API of Polygon.io (Massive.com), or of the simulator, which speaks the same.
 * Nothing is loaded or sent before the first request.
 *
 * @throws {ConfigError} when `baseUrl` is no http(s) address
 */
export function createPolygonSource(options: PolygonOptions): HistorySource {
  return new PolygonSource(options)
}

class PolygonSource implements HistorySource {
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

  limits(dataset: DatasetDefinition): RequestLimits {
    requireMapping(dataset)
    return polygonLimits(dataset)
  }

  /** Pages without rows bring no batch. */
  async *read(request: HistoryRequest, signal: AbortSignal): Batches {
    const mapping = requireMapping(request.dataset)
    const path = await historyPath(await this.#requests(), request)
    const pages = followPages(
      this.#fetcher.withPriority(request.priority),
      path,
      (answer, here) => this.#readPage(answer, here, mapping),
      signal,
    )
    for await (const page of pages) {
      this.#report(page)
      if (page.table.rows === 0) continue
      const verdict = this.#events.onPage?.({ ...page, ...request, mapping })
      if (verdict?.refuse === 'answer') throw new MalformedError(verdict.why, { request: page.path })
      const batch = this.#batchOf(request, mapping, page)
      yield verdict ? { ...batch, distrusted: verdict.why } : batch
    }
  }

  /** A ticker that is not listed on `date` may be one that has been delisted: the list knows those too. */
  async knowsTicker(ticker: string, date: string, signal: AbortSignal): Promise<boolean> {
    const requests = await this.#requests()
    try {
      await this.#fetcher.get(
        await requests.pathOf((api) => api.getTicker(ticker, date)),
        ({ body }) => parseObject(body),
        signal,
      )
      return true
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
    const delisted = { active: 'false', limit: '1' }
    const path = await requests.pathOf((api) => api.listTickers(ticker), delisted)
    const { results } = await this.#fetcher.get(path, ({ body }) => parseObject(body), signal)
    return Array.isArray(results) && results.length > 0
  }

  close(): Promise<void> {
    return this.#fetcher.close()
  }

  #requests(): Promise<RequestBuilder> {
    return (this.#builder ??= createRequestBuilder())
  }

  #readPage(answer: Answer, path: string, mapping: RowMapping): SourcePage {
    const page = readPage(answer.body, mapping)
    const { next_url: nextUrl, request_id: id } = page.envelope
    const requestId = requestIdOf(answer) ?? id ?? undefined
    const fingerprint = () => fingerprintOf(page.table)
    return { ...page, path, body: answer.body, nextUrl: nextUrl ?? undefined, requestId, fingerprint }
  }

  #batchOf(request: HistoryRequest, mapping: RowMapping, page: SourcePage): Batch {
    const origin = originOf(this.name, page.path, page.requestId, this.#fetcher.redactor)
    return redacted(toBatch(request.dataset, mapping, page, request.ticker, origin), this.#fetcher.redactor)
  }

  #report({ path, table }: SourcePage): void {
    if (table.rows > 0) this.#events.onRows?.({ path, rows: table.rows })
    for (const [field, count] of table.unknownFields) this.#events.onUnknownField?.({ path, field, count })
    for (const [field, count] of table.wrongTypes) this.#events.onWrongType?.({ path, field, count })
  }
}

interface SourcePage extends Page {
  readonly path: string
  readonly body: Buffer
  readonly nextUrl: string | undefined
  readonly requestId: string | undefined
  readonly fingerprint: () => string | undefined
}

/** The same for pages with the same numbers in the same order. */
function fingerprintOf({ rows, columns }: WireTable): string | undefined {
  if (rows === 0) return undefined
  const hash = createHash('sha1')
  for (const column of columns.values()) if (ArrayBuffer.isView(column)) hash.update(column)
  return hash.digest('base64')
}

function requireMapping(dataset: DatasetDefinition): RowMapping {
  const mapping = mappingOf(dataset)
  if (mapping) return mapping
  throw new ConfigError(`the polygon source does not serve the dataset '${dataset.name}'`)
}
