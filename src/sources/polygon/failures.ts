import {
  AuthenticationError,
  EntitlementError,
  isPipelineError,
  MalformedError,
  NetworkError,
  NotFoundError,
  RateLimitError,
  RequestRefusedError,
  ServerError,
  TimeoutError,
  type VendorError,
  type VendorErrorDetails,
} from '../../core/errors.ts'
import type { Batch, Origin } from '../../core/batch.ts'
import type { Redactor } from '../../core/redact.ts'
import { parseRetryAfter } from '../../core/retry.ts'
import type { Answer } from './transport.ts'
import { WireError } from './wire/cursor.ts'

const MAX_VENDOR_CHARS = 400

const HINTS = {
  authentication:
    'Set POLYGON_API_KEY (or MASSIVE_API_KEY) to a valid key, or use --source simulator for synthetic data.',
  entitlement:
    "The key's plan does not cover this: ask for other dates or data, or upgrade the plan. `tapelake doctor` shows what it covers.",
  redirect: 'Set sources.polygon.restUrl to the address that the API itself has now.',
  network: 'Check the network, the proxy settings and sources.polygon.restUrl.',
} as const

/** The failure that an answer stands for; undefined when its status is a success. */
export function failureOf(answer: Answer, path: string, source: string): VendorError | undefined {
  const { status } = answer
  if (status >= 200 && status < 300) return undefined
  const words = vendorWords(answer)
  const message = `${source} answered ${status}${words ? `: ${words}` : ''}`
  const base = { ...detailsOf(answer, path), ...(words ? { vendorMessage: words } : {}) }
  if (status === 401) return new AuthenticationError(message, { ...base, hint: HINTS.authentication })
  if (status === 403) return new EntitlementError(message, { ...base, hint: HINTS.entitlement })
  if (status === 404) return new NotFoundError(message, base)
  if (status === 408) return new TimeoutError(message, base)
  if (status === 429) return new RateLimitError(message + waitWords(base), base)
  if (status >= 500) return new ServerError(message, base)
  if (status >= 300 && status < 400)
    return new RequestRefusedError(`${message} (a redirect, not followed)`, { ...base, hint: HINTS.redirect })
  return new RequestRefusedError(message, base)
}

/** The wait that the vendor asks for, where that is long. */
const waitWords = ({ retryAfterSeconds = 0 }: VendorErrorDetails): string =>
  retryAfterSeconds > 60 ? ` (it asks to wait ${Math.ceil(retryAfterSeconds / 60)} min)` : ''

/** What every error about `answer` tells: status, request, the vendor's id of it, the wait asked for. */
export function detailsOf(answer: Answer, path: string): VendorErrorDetails {
  const { status, headers } = answer
  const dateMs = Date.parse(headers['date'] ?? '')
  const retryAfterSeconds = parseRetryAfter(
    headers['retry-after'],
    Number.isNaN(dateMs) ? Date.now() : dateMs,
  )
  const requestId = requestIdOf(answer)
  return {
    status,
    request: path,
    ...(requestId === undefined ? {} : { requestId }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  }
}

/** The vendor's id of the request: from its header, else from the (small) body of an error. */
export function requestIdOf(answer: Answer): string | undefined {
  const header = answer.headers['x-request-id']
  if (header) return plainText(header)
  const id = answer.status === 200 ? undefined : errorBody(answer)['request_id']
  return typeof id === 'string' && id !== '' ? plainText(id) : undefined
}

/** Where rows came from, as the lake keeps it. A vendor that says the key back in its id must not bring it there. */
export function originOf(
  source: string,
  path: string,
  requestId: string | undefined,
  { text }: Pick<Redactor, 'text'>,
): Origin {
  return { source, request: text(path), ...(requestId === undefined ? {} : { requestId: text(requestId) }) }
}

/** `batch` whose texts as sent hold no key. */
export function redacted(batch: Batch, { text }: Pick<Redactor, 'text'>): Batch {
  const { sentText } = batch
  return sentText ? { ...batch, sentText: (row) => text(sentText(row)) } : batch
}

function vendorWords(answer: Answer): string {
  const body = errorBody(answer)
  const words = body['error'] ?? body['message']
  return typeof words === 'string' ? plainText(words) : ''
}

function errorBody({ body }: Answer): Record<string, unknown> {
  if (body.length > 100_000) return {}
  try {
    const parsed: unknown = JSON.parse(body.toString())
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {} // a proxy's HTML page, or nothing at all: the status says enough
  }
}

/** One line, no control characters: an answer must not steer anybody's terminal. */
function plainText(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
  return line.length > MAX_VENDOR_CHARS ? `${line.slice(0, MAX_VENDOR_CHARS)}…` : line
}

/** The error for a request that brought no whole answer. What is ours already is passed on. */
export function transportFailure(error: unknown, path: string, source: string): Error {
  if (isPipelineError(error)) return error
  const { message, code } = error as NodeJS.ErrnoException
  const cause = Object.assign(new Error(message), { code })
  const details = { request: path, cause }
  if (code === 'ETIMEDOUT' || code === 'ECONNABORTED')
    return new TimeoutError(`${source}: ${message}`, { ...details, hint: HINTS.network })
  if (
    code?.startsWith('Z_') ||
    code?.startsWith('ERR__') ||
    /unexpected end of file|maxContentLength/.test(message)
  )
    return new MalformedError(`${source} sent a body that cannot be used: ${message}`, details)
  const what = code && !message.includes(code) ? `${message} (${code})` : message
  return new NetworkError(`no answer from ${source}: ${what}`, { ...details, hint: HINTS.network })
}

/** The error for a successful answer whose body could not be read. What is not about the body is passed on. */
export function bodyFailure(error: unknown, answer: Answer, path: string, source: string): unknown {
  if (!(error instanceof WireError || error instanceof SyntaxError)) return error
  const kind = answer.headers['content-type'] ?? 'no content type'
  const message = `${source} sent a body that cannot be used: ${error.message} (${answer.body.length} bytes, ${plainText(kind)})`
  return new MalformedError(message, { ...detailsOf(answer, path), cause: new Error(error.message) })
}
