import { MS_PER_MINUTE } from '../../market/time.ts'
import { badRequest } from '../call.ts'
import { spanOf } from '../params.ts'

const NS_PER_MS = 1_000_000n

/** Instants in nanoseconds since the epoch: from inclusive, until exclusive. */
export interface TimeFilter {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

/**
 * Reads `timestamp` and `timestamp.gte|gt|lte|lt`: nanoseconds since the epoch, or a New York date, which
 * stands for the whole day (`lte` includes it, `gt` begins after it).
 */
export function timeFilterOf(query: URLSearchParams, asOfMs: number): TimeFilter {
  let fromNs = 0n
  let untilNs = BigInt(Math.floor(asOfMs)) * NS_PER_MS + 1n
  const notBefore = (ns: bigint): void => void (fromNs = ns > fromNs ? ns : fromNs)
  const notAfter = (ns: bigint): void => void (untilNs = ns < untilNs ? ns : untilNs)
  for (const [name, text] of query) {
    if (!name.startsWith('timestamp') || text === '') continue
    const { firstNs, endNs } = instantsOf(name, text)
    if (name === 'timestamp' || name === 'timestamp.gte') notBefore(firstNs)
    if (name === 'timestamp' || name === 'timestamp.lte') notAfter(endNs)
    if (name === 'timestamp.gt') notBefore(endNs)
    if (name === 'timestamp.lt') notAfter(firstNs)
  }
  return { fromNs, untilNs }
}

/** First nanosecond that `text` names, and the one after its last. */
function instantsOf(name: string, text: string): { readonly firstNs: bigint; readonly endNs: bigint } {
  if (/^\d{1,19}$/.test(text)) return { firstNs: BigInt(text), endNs: BigInt(text) + 1n }
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) throw badRequest(`Could not parse the time '${text}' for '${name}'`)
  const { firstMs, lastMs } = spanOf(name, text)
  return { firstNs: BigInt(firstMs) * NS_PER_MS, endNs: BigInt(lastMs + 1) * NS_PER_MS }
}

/** The part of the minute at `startMs` that the filter lets through, as offsets in ns: [from, until). */
export function offsetsWithin({ fromNs, untilNs }: TimeFilter, startMs: number) {
  const startNs = BigInt(startMs) * NS_PER_MS
  const endNs = startNs + BigInt(MS_PER_MINUTE) * NS_PER_MS
  return {
    fromNs: fromNs <= startNs ? 0 : fromNs >= endNs ? Infinity : Number(fromNs - startNs),
    untilNs: untilNs >= endNs ? Infinity : untilNs <= startNs ? 0 : Number(untilNs - startNs),
  }
}

/** The instant `offsetNs` after `startMs`, in nanoseconds since the epoch. */
export function instantNs(startMs: number, offsetNs: number): bigint {
  return BigInt(startMs) * NS_PER_MS + BigInt(offsetNs)
}
