import { z } from 'zod'
import { EntitlementError, NotFoundError } from '../../core/errors.ts'
import { calendarOf, type TradingSession } from '../../market/calendar/index.ts'
import { newYorkDate } from '../../market/time.ts'
import type { Underlying } from '../../market/underlyings.ts'
import type { UnderlyingPrice } from '../options.ts'
import type { RequestBuilder } from './requests.ts'

export interface PriceQuestion {
  readonly requests: RequestBuilder
  /** Sends a request and reads its answer as an object. */
  readonly ask: (path: string) => Promise<Record<string, unknown>>
  readonly underlying: Underlying
  /** Session whose opening price is wanted. */
  readonly session: TradingSession
  readonly nowMs: number
}

/**
 * The opening price of a session from the daily open-close endpoint. While the session is not over and that does
 * not have it yet: the snapshot's open, pre-market or last price, else the previous close. Raw prices throughout:
 * strikes are in the shares of their day.
 *
 * @returns undefined where the vendor has no price
 */
export async function findPrice(question: PriceQuestion): Promise<UnderlyingPrice | undefined> {
  const { session, nowMs } = question
  const isToCome = session.date >= newYorkDate(nowMs)
  const daily = await orNothing(isToCome, () => dailyPrice(question))
  if (daily || !isToCome) return daily
  return (
    (await orNothing(true, () => snapshotPrice(question))) ??
    (await orNothing(true, () => previousClose(question)))
  )
}

/** Not found is no price; so is not entitled where another endpoint may still tell. */
async function orNothing(
  forgiving: boolean,
  ask: () => Promise<UnderlyingPrice | undefined>,
): Promise<UnderlyingPrice | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof NotFoundError || (forgiving && error instanceof EntitlementError)) return undefined
    throw error
  }
}

const amount = z.number().nullish().catch(null)
const dailySchema = z.object({ open: amount, preMarket: amount })

async function dailyPrice({ requests, ask, underlying, session }: PriceQuestion) {
  const { ticker, isIndex } = underlying
  const path = await requests.pathOf((api) =>
    isIndex
      ? api.getIndicesOpenClose(ticker, session.date)
      : api.getStocksOpenClose(ticker, session.date, false),
  )
  const { open, preMarket } = dailySchema.parse(await ask(path))
  return known(open, 'open') ?? known(preMarket, 'pre_market')
}

/** Zero stands for nothing yet in the vendor's snapshots. */
const known = (
  price: number | null | undefined,
  basis: UnderlyingPrice['basis'],
): UnderlyingPrice | undefined => (price != null && price > 0 ? { price, basis } : undefined)

const snapshotPrice = async (question: PriceQuestion): Promise<UnderlyingPrice | undefined> =>
  question.underlying.isIndex ? await indexSnapshot(question) : await stockSnapshot(question)

const stockSchema = z.object({
  ticker: z.object({
    day: z.object({ o: amount }).nullish(),
    min: z.object({ c: amount, t: amount }).nullish(),
    lastTrade: z.object({ p: amount, t: amount }).nullish(),
    prevDay: z.object({ c: amount }).nullish(),
  }),
})

async function stockSnapshot({ requests, ask, underlying, session, nowMs }: PriceQuestion) {
  const path = await requests.pathOf((api) => api.getStocksSnapshotTicker(underlying.ticker))
  const parsed = stockSchema.safeParse(await ask(path))
  if (!parsed.success) return undefined
  const { day, min, lastTrade, prevDay } = parsed.data.ticker
  if (nowMs >= session.openMs && day?.o) return known(day.o, 'open')
  const fromMs = calendarOf('XNYS').on(session.date)?.extendedOpenMs ?? session.openMs
  if (min?.c && (min.t ?? 0) >= fromMs) return known(min.c, 'pre_market')
  if (lastTrade?.p && (lastTrade.t ?? 0) / 1e6 >= fromMs) return known(lastTrade.p, 'pre_market')
  return known(lastTrade?.p, 'last') ?? known(min?.c, 'last') ?? known(prevDay?.c, 'previous_close')
}

const indexSchema = z.object({
  results: z.array(z.object({ value: amount, session: z.object({ open: amount }).nullish().catch(null) })),
})

async function indexSnapshot({ requests, ask, underlying, session, nowMs }: PriceQuestion) {
  const path = await requests.pathOf((api) => api.getIndicesSnapshot(underlying.ticker))
  const parsed = indexSchema.safeParse(await ask(path))
  const item = parsed.success ? parsed.data.results[0] : undefined
  const open = nowMs >= session.openMs ? known(item?.session?.open, 'open') : undefined
  return open ?? known(item?.value, 'last')
}

const previousSchema = z.object({
  results: z
    .array(z.object({ c: amount }))
    .nullish()
    .catch(null),
})

async function previousClose({ requests, ask, underlying }: PriceQuestion) {
  const { ticker, isIndex } = underlying
  const path = await requests.pathOf((api) =>
    isIndex ? api.getPreviousIndicesAggregates(ticker) : api.getPreviousStocksAggregates(ticker, false),
  )
  const { results } = previousSchema.parse(await ask(path))
  return known(results?.[0]?.c, 'previous_close')
}
