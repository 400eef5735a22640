import type { CallPriority } from '../../core/budget/contract.ts'
import type { Clock } from '../../core/clock.ts'
import type { RateLimiter } from '../../core/rate-limit.ts'
import type { RetryPolicy } from '../../core/retry.ts'
import type { BreakerEvent, Breakers } from './breakers.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import type { Constants } from './wire/constants.ts'
import type { RowMapping } from './wire/fields.ts'
import type { WireTable } from './wire/scan.ts'

/** What the source tells whoever watches it. It logs nothing itself; nothing here ever holds the key. */
export interface SourceEvents {
  /** A request is about to start: it has waited `waitedMs` milliseconds for the budget. */
  readonly onCall?: (event: {
    readonly path: string
    readonly attempt: number
    readonly waitedMs: number
  }) => void
  /** An answer arrived whole, whatever its status. */
  readonly onAnswer?: (event: AnswerEvent) => void
  /** An attempt failed, whether it will be repeated or not. */
  readonly onFailure?: (event: {
    readonly path: string
    readonly error: unknown
    readonly attempt: number
  }) => void
  /** A request has brought what it was to bring, after `attempt` attempts. */
  readonly onSuccess?: (event: { readonly path: string; readonly attempt: number }) => void
  /** A circuit breaker opened, lets one request try, or closed. */
  readonly onBreaker?: (event: BreakerEvent) => void
  /** Rows were read from an answer. */
  readonly onRows?: (event: { readonly path: string; readonly rows: number }) => void
  /** A request failed and will be sent again. */
  readonly onRetry?: (event: {
    readonly path: string
    readonly error: unknown
    readonly attempt: number
    readonly waitMs: number
  }) => void
  /** A request has to wait for the account's budget before it may start. */
  readonly onWait?: (event: { readonly waitMs: number; readonly reason: 'budget' | 'pause' }) => void
  /** A page with rows was read; what it returns decides over them. */
  readonly onPage?: (page: PageEvent) => PageVerdict | undefined
  /** Rows of one answer carried a field that the dataset does not know. */
  readonly onUnknownField?: (event: FieldEvent) => void
  /** Rows of one answer carried values of another type than documented; they became null. */
  readonly onWrongType?: (event: FieldEvent) => void
}

/** A page of rows, read, before its rows are handed on. */
export interface PageEvent {
  readonly dataset: DatasetDefinition
  readonly ticker: string
  readonly path: string
  readonly requestId: string | undefined
  /** The answer as it was sent. */
  readonly body: Buffer
  readonly table: WireTable
  readonly mapping: RowMapping
  /** What the source adds to every row. */
  readonly constants?: Constants
}

/** What is to become of a page: its rows are all refused (`rows`), or the answer as a whole (`answer`). */
export interface PageVerdict {
  readonly refuse: 'rows' | 'answer'
  readonly why: string
}

export interface AnswerEvent {
  /** Path and query, without the key. */
  readonly path: string
  readonly status: number
  /** Size of the body after decompression. */
  readonly bytes: number
  /** From the start of the request to the last byte of its answer. */
  readonly ms: number
  readonly requestId: string | undefined
  /** The vendor says that these data are served with a delay (`status: DELAYED`); still a success. */
  readonly delayed: boolean
}

export interface FieldEvent {
  readonly path: string
  /** Name of the field on the wire. */
  readonly field: string
  /** Rows of the answer that had it. */
  readonly count: number
}

export interface PolygonOptions {
  /** Where the vendor's REST API answers, e.g. https://api.polygon.io; may carry a path prefix. */
  readonly baseUrl: string
  /** Sent as a bearer token in a header, to `baseUrl` only. */
  readonly apiKey: string | undefined
  /** Who is asked: goes into the origin of every batch. */
  readonly name: 'polygon' | 'simulator'
  readonly timeouts: {
    /** For the TCP connection and the TLS handshake, milliseconds. */
    readonly connectMs: number
    /** For a whole request, from its start to the last byte of its answer, milliseconds. */
    readonly requestMs: number
    /** The same for the first attempt; each further one may take twice as long, up to `requestMs`. */
    readonly firstRequestMs?: number
  }
  readonly retryPolicy: RetryPolicy
  /** The budget of the account; every request starts through it. */
  readonly limiter: RateLimiter
  /** How urgent calls are that do not say it themselves; default `history`. */
  readonly priority?: CallPriority
  readonly events?: SourceEvents
  /** Requests pass through these; absent: nothing breaks. */
  readonly breakers?: Breakers
  /**
   * Aborts when nothing is to be waited for any more: a request that stands in line for the budget or before a
   * retry ends then with the signal's reason; one under way is finished, and further ones start if they need
   * not wait.
   */
  readonly patience?: AbortSignal
  readonly clock?: Clock
}
