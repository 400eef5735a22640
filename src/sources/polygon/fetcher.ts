import { throwIfAborted } from '../../core/abort.ts'
import type { CallPriority } from '../../core/budget/contract.ts'
import { systemClock, type Clock } from '../../core/clock.ts'
import { AuthenticationError, ConfigError, InterruptedError, RateLimitError } from '../../core/errors.ts'
import type { CallTurn } from '../../core/rate-limit.ts'
import { createRedactor, type Redactor } from '../../core/redact.ts'
import { retry, type RetryEvent } from '../../core/retry.ts'
import type { Provenance } from '../history.ts'
import { endpointFamily } from './endpoints.ts'
import { bodyFailure, failureOf, requestIdOf, transportFailure } from './failures.ts'
import type { PolygonOptions } from './options.ts'
import { createTransport, type Answer, type Transport } from './transport.ts'

/** The simulator says so in this header of every answer. */
const SIMULATOR_HEADER = 'x-tapelake-simulator'

/** Sends requests to the vendor, one path at a time, with the account's budget, retries and deadlines. */
export class Fetcher {
  /** Requests sent so far, retries included. */
  calls = 0
  /** Known after the first successful answer. */
  provenance: Provenance | undefined
  readonly redactor: Redactor
  readonly #options: PolygonOptions
  readonly #baseUrl: URL
  #transport: Promise<Transport> | undefined

  /** @throws {ConfigError} when the base URL is none */
  constructor(options: PolygonOptions) {
    this.#options = options
    this.#baseUrl = parseBaseUrl(options.baseUrl)
    this.redactor = createRedactor([options.apiKey])
  }

  /**
   * What `read` makes of the answer to `path`. Failures are retried by policy; a body that `read`
   * refuses counts as one of them.
   *
   * @throws {VendorError} of the kind that fits, never holding the key; at once when `signal` aborts
   */
  get<T>(path: string, read: (answer: Answer) => T, signal: AbortSignal): Promise<T> {
    return this.#get(path, { read }, signal)
  }

  /** The same fetcher, whose calls are as urgent as `priority` says; undefined: as the options say. */
  withPriority(priority: CallPriority | undefined): PageFetcher {
    return {
      get: (path, read, signal) => this.#get(path, { read, priority }, signal),
      rebase: (nextUrl) => this.rebase(nextUrl),
    }
  }

  async #get<T>(path: string, asked: Asked<T>, signal: AbortSignal): Promise<T> {
    const { retryPolicy } = this.#options
    const options = {
      clock: this.#impatientClock(),
      onRetry: (event: RetryEvent) => this.#onRetry(path, event),
    }
    try {
      return await retry((n) => this.#watched(path, n, asked, signal), retryPolicy, options, signal)
    } catch (error) {
      throw this.redactor.error(error)
    }
  }

  /**
   * The path of `nextUrl` on the configured base: the vendor names hosts of its own, with and without
   * ports, and the key must not follow them.
   *
   * @throws {TypeError} when it is no URL
   */
  rebase(nextUrl: string): string {
    const { pathname, searchParams, search } = new URL(nextUrl, this.#baseUrl)
    const prefix = this.#prefix()
    const path = prefix && pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname
    if (!searchParams.has('apiKey')) return path + search
    searchParams.delete('apiKey')
    return `${path}?${searchParams.toString()}`
  }

  async close(): Promise<void> {
    const transport = await this.#transport
    transport?.close()
  }

  async #watched<T>(path: string, attempt: number, asked: Asked<T>, signal: AbortSignal): Promise<T> {
    const { breakers } = this.#options
    const attemptNow = (): Promise<T> => this.#attempt(path, attempt, asked, signal)
    try {
      const endpoint = endpointFamily(path)
      const result = breakers
        ? await breakers.run(endpoint, attemptNow, this.#whilePatient(signal))
        : await attemptNow()
      this.#options.events?.onSuccess?.({ path, attempt })
      return result
    } catch (error) {
      if (!(error instanceof InterruptedError)) this.#options.events?.onFailure?.({ path, error, attempt })
      throw error
    }
  }

  async #attempt<T>(
    path: string,
    attempt: number,
    { read, priority }: Asked<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { limiter, name } = this.#options
    const askedMs = performance.now()
    const send = (): Promise<Answer> => this.#send(path, attempt, performance.now() - askedMs, signal)
    const answer = await limiter.run(send, signal, this.#turn(priority))
    throwIfAborted(signal)
    const isSynthetic = answer.headers[SIMULATOR_HEADER] !== undefined
    if (isSynthetic) this.provenance = 'synthetic'
    const failure = failureOf(answer, path, name)
    // one refusal speaks for the whole account: nobody else should collect another
    if (failure instanceof RateLimitError) await limiter.pauseFor((failure.retryAfterSeconds ?? 0) * 1000)
    if (failure) throw this.redactor.error(failure)
    if (!isSynthetic) this.provenance = 'real'
    try {
      return read(answer)
    } catch (error) {
      throw this.redactor.error(bodyFailure(error, answer, path, name))
    }
  }

  async #send(path: string, attempt: number, waitedMs: number, signal: AbortSignal): Promise<Answer> {
    const { events, name } = this.#options
    const transport = await this.#connect()
    this.calls++
    events?.onCall?.({ path, attempt, waitedMs })
    let answer: Answer
    try {
      answer = await transport.get(path, this.#deadlineMs(attempt), signal)
    } catch (error) {
      throw this.redactor.error(transportFailure(error, path, name))
    }
    const { status, ms, body } = answer
    const { delayed, requestId } = glance(body)
    events?.onAnswer?.({
      path,
      status,
      bytes: body.length,
      ms,
      requestId: requestIdOf(answer) ?? requestId,
      delayed,
    })
    return answer
  }

  /** Most answers come soon or never: the first attempts give up earlier than the last. */
  #deadlineMs(attempt: number): number {
    const { requestMs, firstRequestMs = requestMs } = this.#options.timeouts
    return Math.min(requestMs, firstRequestMs * 2 ** (attempt - 1))
  }

  #connect(): Promise<Transport> {
    const { apiKey, timeouts } = this.#options
    if (!apiKey)
      throw new AuthenticationError('no API key', {
        hint: 'Set POLYGON_API_KEY (or MASSIVE_API_KEY), or use --source simulator for synthetic data.',
      })
    const baseUrl = this.#baseUrl.origin + this.#prefix()
    return (this.#transport ??= createTransport({ baseUrl, apiKey, connectMs: timeouts.connectMs }))
  }

  #turn(priority: CallPriority | undefined): CallTurn {
    const { events, patience, priority: usual = 'history' } = this.#options
    return {
      priority: priority ?? usual,
      ...(patience ? { patience } : {}),
      onWait: (wait) => events?.onWait?.(wait),
    }
  }

  /** Aborts with `signal`, and when waiting is no longer wanted. */
  #whilePatient(signal: AbortSignal): AbortSignal {
    const { patience } = this.#options
    return patience ? AbortSignal.any([signal, patience]) : signal
  }

  /** The clock, whose sleeps end with the patience. */
  #impatientClock(): Clock {
    const { clock = systemClock } = this.#options
    return { now: () => clock.now(), sleep: (ms, signal) => clock.sleep(ms, this.#whilePatient(signal)) }
  }

  /** Path of the base URL without trailing slashes; empty when it has none. */
  #prefix(): string {
    return this.#baseUrl.pathname.replace(/\/+$/, '')
  }

  #onRetry(path: string, event: RetryEvent): void {
    const { limiter, events } = this.#options
    // where the vendor did not say for how long
    if (event.error instanceof RateLimitError) void limiter.pauseFor(event.waitMs)
    events?.onRetry?.({ path, ...event })
  }
}

/** What pages are fetched with. */
export type PageFetcher = Pick<Fetcher, 'get' | 'rebase'>

interface Asked<T> {
  readonly read: (answer: Answer) => T
  readonly priority?: CallPriority | undefined
}

function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search) return url
  throw new ConfigError(
    'the base URL of the vendor is not an http(s) address without user, password and query',
    {
      hint: 'Set sources.polygon.restUrl to something like https://api.polygon.io.',
    },
  )
}

/** What stands at one end of a body, never inside its rows: no need to read all of it for this. */
function glance(body: Buffer): { delayed: boolean; requestId: string | undefined } {
  const whole = body.length <= 1000
  const ends = (whole ? body : Buffer.concat([body.subarray(0, 500), body.subarray(-500)])).toString('latin1')
  return {
    delayed: /"status"\s*:\s*"DELAYED"/.test(ends),
    requestId: /"request_id"\s*:\s*"([\w-]{1,100})"/.exec(ends)?.[1],
  }
}
