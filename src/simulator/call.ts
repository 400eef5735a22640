import type { Plan } from './plans.ts'
import type { World } from './world/world.ts'

/** One request, understood: what an endpoint needs to answer it. */
export interface Call {
  readonly world: World
  readonly plan: Plan
  /** Path as asked, still percent-encoded. */
  readonly path: string
  /** Captures of the route, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** Query without the key; a cursor is already unpacked into it. */
  readonly query: URLSearchParams
  /** `http://host:port` as the client reached it; base of `next_url`. */
  readonly origin: string
  readonly requestId: string
  /** The simulated wall clock, ms since the epoch. */
  readonly nowMs: number
  /** The newest instant whose data the plan may see, ms since the epoch. */
  readonly asOfMs: number
}

/** A whole answer, before faults and before it is sent. */
export interface Answer {
  readonly status: number
  readonly body: Buffer
  readonly contentType: string
  readonly headers: Readonly<Record<string, string>>
}

/** Answers a call, or throws {@link Refusal}. */
export type Handler = (call: Call) => Answer

/** An answer other than 200, in the vendor's words. Thrown by endpoints, answered by the server. */
export class Refusal extends Error {
  readonly status: number
  readonly code: 'ERROR' | 'NOT_AUTHORIZED' | 'NOT_FOUND'

  constructor(status: number, code: Refusal['code'], message: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.code = code
  }

  /** The vendor's body: the text is in `error` for 400, 401 and 429, in `message` for 403 and 404. */
  answer(requestId: string, headers: Readonly<Record<string, string>> = {}): Answer {
    const text = this.code === 'ERROR' ? { error: this.message } : { message: this.message }
    return jsonAnswer({ status: this.code, request_id: requestId, ...text }, this.status, headers)
  }
}

const PRICING = 'https://polygon.io/pricing'

export const badRequest = (text: string): Refusal => new Refusal(400, 'ERROR', text)
export const noKey = (): Refusal => new Refusal(401, 'ERROR', 'API Key was not provided')
export const unknownKey = (): Refusal => new Refusal(401, 'ERROR', 'Unknown API Key')
export const notFound = (text = 'Data not found.'): Refusal => new Refusal(404, 'NOT_FOUND', text)
export const notEntitled = (): Refusal =>
  new Refusal(
    403,
    'NOT_AUTHORIZED',
    `You are not entitled to this data. Please upgrade your plan at ${PRICING}`,
  )
export const outsideTimeframe = (): Refusal =>
  new Refusal(
    403,
    'NOT_AUTHORIZED',
    `Your plan doesn't include this data timeframe. Please upgrade your plan at ${PRICING}`,
  )
export const beforeEndOfDay = (): Refusal =>
  new Refusal(
    403,
    'NOT_AUTHORIZED',
    `Attempted to request today's data before end of day. Please upgrade your plan at ${PRICING}`,
  )
export const tooManyRequests = (): Refusal =>
  new Refusal(
    429,
    'ERROR',
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to " +
      `continue. ${PRICING}`,
  )

/** A JSON answer from a value; bigints are written as the numbers they are. */
export function jsonAnswer(value: unknown, status = 200, headers: Answer['headers'] = {}): Answer {
  return bytesAnswer(Buffer.from(exactJson(value)), status, headers)
}

/** JSON.stringify knows no bigints: they travel as marked texts, whose marks are taken off. */
function exactJson(value: unknown): string {
  const marked = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? `@exact ${part}` : part,
  )
  return marked.replace(/"@exact (\d+)"/g, '$1')
}

/** A JSON answer from bytes that are JSON already. */
export function bytesAnswer(body: Buffer, status = 200, headers: Answer['headers'] = {}): Answer {
  return { status, body, contentType: 'application/json', headers }
}
