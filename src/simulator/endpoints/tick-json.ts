import type { JsonWriter } from '../json-writer.ts'
import { SHARE_UNITS } from '../world/bars.ts'
import type { Quotes } from '../world/quotes.ts'
import { hash32 } from '../world/random.ts'
import type { Ticks } from '../world/ticks.ts'
import type { Listing } from '../world/universe.ts'

/** Where a tick stands: its minute, and its place in it. */
export interface TickPlace {
  readonly listing: Listing
  /** Start of the minute, ms since the epoch. */
  readonly startMs: number
  /** Minutes since the session's extended open. */
  readonly minute: number
  readonly index: number
  /** Before the regular open or after the close. */
  readonly extended: boolean
}

/** What the tape says about a trade besides time, price and size. */
interface Print {
  readonly exchange: number
  readonly conditions: readonly number[]
  readonly id: string
  readonly sequence: number
  /** How long before the SIP the venue had it, ns. */
  readonly latencyNs: number
}

const FINRA = 4
const VENUES = [FINRA, FINRA, FINRA, 8, 10, 11, 11, 12, 12, 15, 19, 21] as const
const AVERAGE_PRICE = 2
const EXTENDED_HOURS = 12
const INTERMARKET_SWEEP = 14
const ODD_LOT = 37
const TRF_ID = 202

/** The tape of a listing: 1 NYSE, 3 Nasdaq, 2 everything else. */
export const tapeOf = ({ primaryExchange }: Listing): number =>
  primaryExchange === 'XNYS' ? 1 : primaryExchange === 'XNAS' ? 3 : 2

/** Rises through the day, with gaps. */
export const sequenceOf = ({ minute, index }: TickPlace): number => 1000 + minute * 100_000 + index * 3

function printOf(ticks: Ticks, place: TickPlace): Print {
  const luck = hash32(place.startMs / 60_000, place.index, 77)
  const outside = ticks.outside[place.index] === 1
  const conditions: number[] = []
  if (place.extended) conditions.push(EXTENDED_HOURS)
  if (outside) conditions.push(AVERAGE_PRICE)
  else if (luck % 5 === 0) conditions.push(INTERMARKET_SWEEP)
  if (ticks.size[place.index]! < 100 * SHARE_UNITS) conditions.push(ODD_LOT)
  return {
    exchange: outside ? FINRA : VENUES[luck % VENUES.length]!,
    conditions,
    id: String(place.minute * 100_000 + place.index + 1),
    sequence: sequenceOf(place),
    latencyNs: 150_000 + (luck % 400_000),
  }
}

/** Writes trade `place.index` of `ticks` in the form of /v3/trades. */
export function writeTradeJson(json: JsonWriter, ticks: Ticks, place: TickPlace): void {
  const print = printOf(ticks, place)
  const offsetNs = ticks.offsetNs[place.index]!
  const size = ticks.size[place.index]!
  json.raw('{')
  if (print.conditions.length > 0) json.raw(`"conditions":[${print.conditions.join(',')}],`)
  json.raw('"decimal_size":"').decimal(size, 6)
  if (size % SHARE_UNITS === 0) json.raw('.0')
  json.raw('","exchange":').int(print.exchange).raw(`,"id":"${print.id}"`)
  writeInstant(json, 'participant_timestamp', place.startMs, offsetNs - print.latencyNs)
  json.raw(',"price":').decimal(ticks.price[place.index]!, 4)
  json.raw(',"sequence_number":').int(print.sequence)
  writeInstant(json, 'sip_timestamp', place.startMs, offsetNs)
  json.raw(',"size":').decimal(size, 6).raw(',"tape":').int(tapeOf(place.listing))
  if (print.exchange === FINRA) {
    json.raw(`,"trf_id":${TRF_ID}`)
    writeInstant(json, 'trf_timestamp', place.startMs, offsetNs - 90_000)
  }
  json.raw('}')
}

/** Writes trade `place.index` of `ticks` in the form of /v2/last/trade. */
export function writeLastTradeJson(json: JsonWriter, ticks: Ticks, place: TickPlace): void {
  const print = printOf(ticks, place)
  const offsetNs = ticks.offsetNs[place.index]!
  const size = ticks.size[place.index]!
  json.raw('{"T":').value(place.listing.ticker)
  if (print.conditions.length > 0) json.raw(`,"c":[${print.conditions.join(',')}]`)
  json.raw(',"ds":"').decimal(size, 6)
  if (size % SHARE_UNITS === 0) json.raw('.0')
  json.raw('"')
  if (print.exchange === FINRA) {
    writeInstant(json, 'f', place.startMs, offsetNs - 90_000)
    json.raw(`,"r":${TRF_ID}`)
  }
  json.raw(`,"i":"${print.id}","p":`).decimal(ticks.price[place.index]!, 4).raw(',"q":').int(print.sequence)
  json.raw(',"s":').decimal(size, 6)
  writeInstant(json, 't', place.startMs, offsetNs)
  json.raw(',"x":').int(print.exchange)
  writeInstant(json, 'y', place.startMs, offsetNs - print.latencyNs)
  json.raw(',"z":').int(tapeOf(place.listing)).raw('}')
}

/** Writes quote `place.index` of `quotes` in the form of /v3/quotes. */
export function writeQuoteJson(json: JsonWriter, quotes: Quotes, place: TickPlace): void {
  const { bidVenue, askVenue, latencyNs } = quoteDetails(quotes, place)
  const offsetNs = quotes.offsetNs[place.index]!
  json.raw('{"ask_exchange":').int(askVenue).raw(',"ask_price":').decimal(quotes.ask[place.index]!, 4)
  json.raw(',"ask_size":').int(quotes.askSize[place.index]!)
  json.raw(',"bid_exchange":').int(bidVenue).raw(',"bid_price":').decimal(quotes.bid[place.index]!, 4)
  json.raw(',"bid_size":').int(quotes.bidSize[place.index]!)
  if (latencyNs % 50 === 0) json.raw(',"conditions":[1],"indicators":[604]')
  writeInstant(json, 'participant_timestamp', place.startMs, offsetNs - latencyNs)
  json.raw(',"sequence_number":').int(sequenceOf(place))
  writeInstant(json, 'sip_timestamp', place.startMs, offsetNs)
  json.raw(',"tape":').int(tapeOf(place.listing)).raw('}')
}

/** Writes quote `place.index` of `quotes` in the form of /v2/last/nbbo. */
export function writeLastQuoteJson(json: JsonWriter, quotes: Quotes, place: TickPlace): void {
  const { bidVenue, askVenue, latencyNs } = quoteDetails(quotes, place)
  const offsetNs = quotes.offsetNs[place.index]!
  json.raw('{"P":').decimal(quotes.ask[place.index]!, 4).raw(',"S":').int(quotes.askSize[place.index]!)
  json.raw(',"T":').value(place.listing.ticker).raw(',"X":').int(askVenue)
  json.raw(',"p":').decimal(quotes.bid[place.index]!, 4).raw(',"q":').int(sequenceOf(place))
  json.raw(',"s":').int(quotes.bidSize[place.index]!)
  writeInstant(json, 't', place.startMs, offsetNs)
  json.raw(',"x":').int(bidVenue)
  writeInstant(json, 'y', place.startMs, offsetNs - latencyNs)
  json.raw(',"z":').int(tapeOf(place.listing)).raw('}')
}

/** Writes trade `place.index` of `ticks` as the socket's event T, with a comma behind it; times in ms. */
export function writeSocketTrade(json: JsonWriter, ticks: Ticks, place: TickPlace): void {
  const print = printOf(ticks, place)
  const offsetNs = ticks.offsetNs[place.index]!
  const size = ticks.size[place.index]!
  json.raw('{"ev":"T","sym":').value(place.listing.ticker).raw(',"x":').int(print.exchange)
  json.raw(`,"i":"${print.id}","z":`).int(tapeOf(place.listing))
  json.raw(',"p":').decimal(ticks.price[place.index]!, 4).raw(',"s":').decimal(size, 6)
  json
    .raw(',"ds":"')
    .decimal(size, 6)
    .raw(size % SHARE_UNITS === 0 ? '.0"' : '"')
  if (print.conditions.length > 0) json.raw(`,"c":[${print.conditions.join(',')}]`)
  writeMs(json, 't', place.startMs, offsetNs)
  writeMs(json, 'pt', place.startMs, offsetNs - print.latencyNs)
  json.raw(',"q":').int(print.sequence)
  if (print.exchange === FINRA) {
    json.raw(`,"trfi":${TRF_ID}`)
    writeMs(json, 'trft', place.startMs, offsetNs - 90_000)
  }
  json.raw('},')
}

/** Writes quote `place.index` of `quotes` as the socket's event Q, with a comma behind it; times in ms. */
export function writeSocketQuote(json: JsonWriter, quotes: Quotes, place: TickPlace): void {
  const { bidVenue, askVenue, latencyNs } = quoteDetails(quotes, place)
  const offsetNs = quotes.offsetNs[place.index]!
  json.raw('{"ev":"Q","sym":').value(place.listing.ticker)
  json.raw(',"bx":').int(bidVenue).raw(',"bp":').decimal(quotes.bid[place.index]!, 4)
  json.raw(',"bs":').int(quotes.bidSize[place.index]!)
  json.raw(',"ax":').int(askVenue).raw(',"ap":').decimal(quotes.ask[place.index]!, 4)
  json.raw(',"as":').int(quotes.askSize[place.index]!)
  if (latencyNs % 50 === 0) json.raw(',"c":1,"i":[604]')
  writeMs(json, 't', place.startMs, offsetNs)
  writeMs(json, 'pt', place.startMs, offsetNs - latencyNs)
  json.raw(',"q":').int(sequenceOf(place)).raw(',"z":').int(tapeOf(place.listing)).raw('},')
}

function quoteDetails(quotes: Quotes, place: TickPlace) {
  const luck = hash32(place.startMs / 60_000, place.index, 78)
  return {
    bidVenue: quotes.bid[place.index] === 0 ? 0 : VENUES[3 + (luck % 9)]!,
    askVenue: quotes.ask[place.index] === 0 ? 0 : VENUES[3 + ((luck >>> 8) % 9)]!,
    latencyNs: 120_000 + (luck % 300_000),
  }
}

function writeInstant(json: JsonWriter, name: string, startMs: number, offsetNs: number): void {
  const wholeMs = Math.floor(offsetNs / 1_000_000)
  json.raw(`,"${name}":`).nanoseconds(startMs + wholeMs, offsetNs - wholeMs * 1_000_000)
}

function writeMs(json: JsonWriter, name: string, startMs: number, offsetNs: number): void {
  json.raw(`,"${name}":`).int(startMs + Math.floor(offsetNs / 1_000_000))
}
