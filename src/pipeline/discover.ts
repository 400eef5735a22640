import { rowAt, takeRows, type Batch } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { UsageError } from '../core/errors.ts'
import { collect, compose } from '../core/flow.ts'
import { dedupLastWins } from '../core/sort.ts'
import type { QuarantinedRow } from '../lake/quarantine.ts'
import { SeriesWriter } from '../lake/series-writer.ts'
import type { SegmentSettings } from '../lake/stage-segment.ts'
import { stageFile } from '../lake/staged-file.ts'
import { claimProvenance } from '../lake/stamp.ts'
import type { TradingSession } from '../market/calendar/index.ts'
import { optionContracts } from '../market/datasets/options.ts'
import { strikeWindow } from '../market/strike-window.ts'
import { addDays, dateToDays, daysToDate } from '../market/time.ts'
import type { Underlying } from '../market/underlyings.ts'
import type { ContractQuery, OptionSource, UnderlyingPrice } from '../sources/options.ts'
import { optionSymbols } from '../stages/option-symbols.ts'
import { validate } from '../stages/validate.ts'
import {
  discoveryPath,
  DISCOVERY_VERSION,
  formatDiscovery,
  recoverDiscoveries,
  type DiscoveredContract,
  type Discovery,
} from './discovery.ts'
import { sessionOf } from './discovery-session.ts'
import { Intake } from './intake.ts'

/** What is to be discovered. */
export interface DiscoverRequest {
  readonly underlying: Underlying
  /** Session, New York date; default: today's, or the next one on a day without. */
  readonly date?: string | undefined
  /** 0.01 is ±1 % around the price. */
  readonly strikeRange: number
  /** Calendar days after `date` that expirations may lie, inclusive; 0: the same day. */
  readonly expiryDays: number
}

export interface DiscoverOptions extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly source: OptionSource
  readonly nowMs: number
  /** How long to wait for another writer, in milliseconds. */
  readonly lockWaitMs: number
  readonly onMended?: (note: string) => void
}

export interface DiscoverResult {
  readonly discovery: Discovery
  /** Where it was saved. */
  readonly path: string
  /** Rows that broke a rule; they are in quarantine. */
  readonly refused: number
}

/**
 * Finds the contracts of an underlying that lie around its price and expire soon, and saves them as a file and in
 * the lake. All or nothing: whatever fails on the way leaves what was saved before.
 *
 * @throws {UsageError} for a day that is no session or lies beyond the next one, and an unknown underlying
 * @throws {VendorError} when any page does not come
 */
export async function discover(
  request: DiscoverRequest,
  options: DiscoverOptions,
  signal: AbortSignal,
): Promise<DiscoverResult> {
  const { underlying } = request
  const { root, source, onMended } = options
  const session = sessionOf(request.date, options.nowMs)
  const writer = await SeriesWriter.open(
    {
      ...options,
      series: { dataset: optionContracts, ticker: underlying.symbol },
      provenance: () => source.provenance ?? 'real',
      waitMs: options.lockWaitMs,
      purpose: `discovery of ${underlying.symbol} options`,
      ...(onMended ? { onMended } : {}),
    },
    signal,
  )
  try {
    await recoverDiscoveries(root, underlying.symbol)
    const price = await priceOf(underlying, session, options, signal)
    const query = queryOf(request, session, price)
    const intake = new Intake(optionContracts, [session.date], options.runId)
    const batch = await fetchContracts(query, source, intake, signal)
    const discovery = describe(request, query, price, batch, options)
    const refused = intake.refused(session.date)
    await claimProvenance(root, discovery.provenance)
    await save(writer, discovery, batch, refused)
    const path = discoveryPath(root, underlying.symbol, session.date)
    return { discovery, path, refused: refused.length }
  } finally {
    await writer.close()
  }
}

async function priceOf(
  underlying: Underlying,
  session: TradingSession,
  { source, nowMs }: DiscoverOptions,
  signal: AbortSignal,
): Promise<UnderlyingPrice> {
  const price = await source.priceOn(underlying, session, nowMs, signal)
  if (price) return price
  const { symbol, ticker } = underlying
  if (!(await source.knows(underlying, session.date, signal))) {
    throw new UsageError(`unknown underlying '${symbol}': the vendor knows no ${ticker} on ${session.date}`, {
      hint: 'Underlyings are written as the exchange lists them: SPY, BRK.B, SPX (or I:SPX).',
    })
  }
  throw new UsageError(`${ticker} has no price on ${session.date}: strikes cannot be chosen around it`, {
    hint: 'Choose a day on which it traded.',
  })
}

function queryOf(
  { underlying, strikeRange, expiryDays }: DiscoverRequest,
  { date }: TradingSession,
  { price }: UnderlyingPrice,
): ContractQuery {
  const { low, high } = strikeWindow(price, strikeRange)
  return {
    underlying,
    asOf: date,
    expiresFrom: date,
    expiresTo: addDays(date, expiryDays),
    strikeFrom: low,
    strikeTo: high,
  }
}

/** Good rows inside the window, each contract once; undefined where there are none. */
async function fetchContracts(
  query: ContractQuery,
  source: OptionSource,
  intake: Intake,
  signal: AbortSignal,
): Promise<Batch | undefined> {
  const onRefused = intake.refuse(new Set([query.asOf]))
  const stage = compose(
    validate(optionContracts, { ticker: query.underlying.symbol, onRefused }),
    optionSymbols(onRefused),
  )
  const batches = await collect(stage(source.contracts(query, signal)))
  if (batches.length === 0) return undefined
  const unique = dedupLastWins(concatBatches(batches), optionContracts.key)
  const wanted = Array.from({ length: unique.length }, (_, row) => row).filter((row) =>
    isInside(query, contractAt(unique, row)),
  )
  return wanted.length === 0 ? undefined : takeRows(unique, wanted)
}

/** The vendor filters too, but one that forgot to must not widen the window. */
function isInside(query: ContractQuery, contract: ListedContract): boolean {
  const { expiration_date: expires, strike_price: strike, contract_type: type } = contract
  return (
    (type === 'call' || type === 'put') &&
    expires >= query.expiresFrom &&
    expires <= query.expiresTo &&
    strike >= query.strikeFrom &&
    strike <= query.strikeTo
  )
}

type ListedContract = Omit<DiscoveredContract, 'contract_type'> & { readonly contract_type: string }

function contractAt(batch: Batch, row: number): ListedContract {
  const { as_of: _asOf, correction: _correction, expiration_date, ...rest } = rowAt(batch, row)
  return { ...rest, expiration_date: daysToDate(expiration_date as number) } as ListedContract
}

function describe(
  { underlying, strikeRange, expiryDays }: DiscoverRequest,
  query: ContractQuery,
  { price, basis }: UnderlyingPrice,
  batch: Batch | undefined,
  { source, runId, nowMs }: DiscoverOptions,
): Discovery {
  const contracts = batch ? Array.from({ length: batch.length }, (_, row) => contractAt(batch, row)) : []
  const { expiresFrom, expiresTo, strikeFrom, strikeTo, asOf: date } = query
  return {
    schema: { name: 'tapelake.discovery', version: DISCOVERY_VERSION },
    underlying: underlying.symbol,
    date,
    price,
    priceBasis: basis,
    priceTicker: underlying.ticker,
    ...{ strikeRange, strikeFrom, strikeTo, expiryDays, expiresFrom, expiresTo },
    source: source.name,
    provenance: source.provenance ?? 'real',
    run: runId,
    discoveredAt: new Date(nowMs).toISOString(),
    ...(contracts.length === 0 ? { reason: emptyReason(query) } : {}),
    contracts: (contracts as DiscoveredContract[]).sort(byTerms),
  }
}

function emptyReason({ underlying, expiresFrom, expiresTo, strikeFrom, strikeTo }: ContractQuery): string {
  const when = expiresFrom === expiresTo ? `on ${expiresFrom}` : `from ${expiresFrom} to ${expiresTo}`
  return `no contract of ${underlying.symbol} with a strike from ${strikeFrom} to ${strikeTo} expires ${when}`
}

function byTerms(a: DiscoveredContract, b: DiscoveredContract): number {
  return (
    dateToDays(a.expiration_date) - dateToDays(b.expiration_date) ||
    a.strike_price - b.strike_price ||
    compareText(a.contract_type, b.contract_type) ||
    compareText(a.contract, b.contract)
  )
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The file is whole on the disk before the lake commits, and put in its place right after, or when it is read. */
async function save(
  writer: SeriesWriter,
  discovery: Discovery,
  batch: Batch | undefined,
  refused: readonly QuarantinedRow[],
): Promise<void> {
  const { root } = writer.options
  const { underlying, date, contracts, source, reason } = discovery
  const file = await stageFile(discoveryPath(root, underlying, date), formatDiscovery(discovery))
  const verdict = {
    state: contracts.length > 0 ? ('complete' as const) : ('empty' as const),
    reason: reason ?? `${contracts.length} contracts discovered from ${source}`,
    refused,
  }
  const sink = writer.openSink([date])
  try {
    if (batch) await sink.write(batch)
    await sink.commit(new Map([[date, verdict]]))
  } catch (error) {
    await sink.abort()
    await file.discard()
    throw error
  }
  await file.publish()
}
