import { type Answer, notEntitled, outsideTimeframe, tooManyRequests, unknownKey } from '../call.ts'
import { spanOf } from '../params.ts'
import { type FaultKind, WHOLE } from './kind.ts'
import type { OptionSpec, OptionValue } from './options.ts'

const RETRY_AFTER: OptionSpec = { type: 'count', does: 'send Retry-After with this many seconds' }
const SERVER_TEXTS: Readonly<Record<string, string>> = {
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
}

const headersFor = (seconds: OptionValue | undefined): Record<string, string> =>
  seconds === undefined ? {} : { 'Retry-After': String(seconds) }

function serverError(status: string): FaultKind {
  const text = SERVER_TEXTS[status]!
  return {
    name: status,
    does: `answers ${status} ${text}`,
    options: {
      'retry-after': RETRY_AFTER,
      body: { type: ['json', 'html', 'empty'], does: 'what the body is', fallback: 'json' },
    },
    refuse: (options, { requestId }) => {
      const json = JSON.stringify({ status: 'ERROR', request_id: requestId, error: text })
      const html = `<html>\r\n<head><title>${status} ${text}</title></head>\r\n<body><center><h1>${status} ${text}</h1></center></body>\r\n</html>\r\n`
      const body = options['body'] === 'html' ? html : options['body'] === 'empty' ? '' : json
      return {
        status: Number(status),
        body: Buffer.from(body),
        contentType: options['body'] === 'html' ? 'text/html' : 'application/json',
        headers: headersFor(options['retry-after']),
      }
    },
  }
}

const rateLimit: FaultKind = {
  name: '429',
  does: 'answers 429 in the words of the vendor',
  options: {
    'retry-after': RETRY_AFTER,
    body: { type: ['json', 'empty'], does: 'what the body is', fallback: 'json' },
  },
  refuse: (options, { requestId }) => {
    const answer = tooManyRequests().answer(requestId, headersFor(options['retry-after']))
    return options['body'] === 'empty' ? { ...answer, body: Buffer.alloc(0) } : answer
  },
}

const unauthorized: FaultKind = {
  name: '401',
  does: 'answers 401, as if the key had been revoked',
  options: {},
  refuse: (_options, { requestId }) => unknownKey().answer(requestId),
}

const entitlement: FaultKind = {
  name: 'entitlement',
  does: 'answers 403; with before=DATE only for ranges that end earlier, and cuts those that overlap',
  options: { before: { type: 'date', does: 'the plan covers this New York date and later ones' } },
  refuse: (options, { requestId, target }): Answer | undefined => {
    const before = options['before']
    if (before === undefined) return notEntitled().answer(requestId)
    return endsBefore(before, target) ? outsideTimeframe().answer(requestId) : undefined
  },
  rewrite: (options, target) => {
    const before = options['before']
    return before === undefined ? undefined : startingAt(target, () => firstMsOf(before))
  },
}

const truncateRange: FaultKind = {
  name: 'truncate-range',
  does: 'starts a range of bars later than asked, without a word; refuses those that end before `from`',
  options: { from: { type: 'date', does: 'where it starts; default: the middle of the range' } },
  refuse: ({ from }, { requestId, target }): Answer | undefined =>
    from !== undefined && endsBefore(from, target) ? outsideTimeframe().answer(requestId) : undefined,
  rewrite: ({ from }, target) =>
    startingAt(target, (fromMs, toMs) => (from === undefined ? (fromMs + toMs) / 2 : firstMsOf(from))),
}

/** Path of aggregates up to `from`, `from`, and `to`. */
const RANGE = /^(\/v2\/aggs\/ticker\/.*\/)([^/]+)\/([^/]+)$/

/** Whether `target` asks for a range of bars that ends before `date`. */
function endsBefore(date: OptionValue, target: URL): boolean {
  const range = RANGE.exec(target.pathname)
  return range !== null && spanOf('to', range[3]!).lastMs < firstMsOf(date)
}

const firstMsOf = (date: OptionValue): number => spanOf('before', String(date)).firstMs

function startingAt(target: URL, startMs: (fromMs: number, toMs: number) => number): URL | undefined {
  const range = RANGE.exec(target.pathname)
  // A later page continues the range as it was cut.
  if (!range || target.searchParams.has('cursor')) return undefined
  const fromMs = spanOf('from', range[2]!).firstMs
  const laterMs = Math.floor(startMs(fromMs, spanOf('to', range[3]!).lastMs))
  if (laterMs <= fromMs) return undefined
  const later = new URL(target)
  later.pathname = `${range[1]}${laterMs}/${range[3]}`
  return later
}

const WIRE_KINDS: readonly FaultKind[] = [
  {
    name: 'reset',
    does: 'resets the connection',
    options: {
      when: {
        type: ['before', 'headers', 'body'],
        does: 'before anything, after the headers, within the body',
        fallback: 'before',
      },
    },
    wire: ({ when }) => ({ ...WHOLE, mode: `reset-${when as 'before' | 'headers' | 'body'}` }),
  },
  {
    name: 'hang',
    does: 'takes the request and never answers',
    options: {},
    wire: () => ({ ...WHOLE, mode: 'none' }),
  },
  {
    name: 'slow',
    does: 'answers late',
    options: {
      'delay-ms': { type: 'count', does: 'wait before the first byte', fallback: 1000 },
      'trickle-ms': { type: 'count', does: 'stretch the body over this time', fallback: 0 },
    },
    wire: (options) => ({
      ...WHOLE,
      delayMs: Number(options['delay-ms']),
      trickleMs: Number(options['trickle-ms']),
    }),
  },
  {
    name: 'truncated',
    does: 'ends the connection in the middle of the body',
    options: {
      how: {
        type: ['length', 'chunked'],
        does: 'with Content-Length, or chunked without the last chunk',
        fallback: 'length',
      },
    },
    wire: ({ how }) => ({ ...WHOLE, mode: how === 'chunked' ? 'cut-chunked' : 'cut-length' }),
  },
]

/** Faults of status, range and connection. */
export const ANSWER_KINDS: readonly FaultKind[] = [
  rateLimit,
  ...['500', '502', '503', '504'].map(serverError),
  unauthorized,
  entitlement,
  truncateRange,
  ...WIRE_KINDS,
]
