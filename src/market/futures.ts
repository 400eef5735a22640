import { UsageError } from '../core/errors.ts'
import { calendarOf } from './calendar/index.ts'
import { CHICAGO, civilToDays, dateToDays, daysToCivil, daysToDate, wallTime, weekdayOf } from './time.ts'

/** Letters of delivery months, January to December. */
const MONTH_CODES = 'FGHJKMNQUVXZ'

/** What holds of every contract of one futures root. */
export interface FuturesRoot {
  readonly root: string
  readonly name: string
  /** Calendar whose sessions it trades in, and that of the market that settles it. */
  readonly calendar: string
  readonly settlementCalendar: string
  /** Delivery months, as letters in order: `HMUZ` is March, June, September, December. */
  readonly months: string
  /** USD for one point, and the smallest step in points. */
  readonly multiplier: number
  readonly tick: number
}

/** One contract: `ESM5` is ES of June 2025. */
export interface FuturesContract {
  readonly root: string
  readonly year: number
  /** 1–12 */
  readonly month: number
}

/** A stretch without trading inside a session, UTC milliseconds, [fromMs, toMs). */
export interface SessionBreak {
  readonly fromMs: number
  readonly toMs: number
}

const equityIndex = (root: string, name: string, multiplier: number, tick: number): FuturesRoot => ({
  ...{ root, name, multiplier, tick },
  ...{ calendar: 'XCME', settlementCalendar: 'XNYS', months: 'HMUZ' },
})

/** Roots that are known: equity-index futures, which settle at the opening of the third Friday. */
export const FUTURES: readonly FuturesRoot[] = [
  equityIndex('ES', 'E-mini S&P 500', 50, 0.25),
  equityIndex('MES', 'Micro E-mini S&P 500', 5, 0.25),
  equityIndex('NQ', 'E-mini Nasdaq-100', 20, 0.25),
  equityIndex('MNQ', 'Micro E-mini Nasdaq-100', 2, 0.25),
  equityIndex('RTY', 'E-mini Russell 2000', 50, 0.1),
  equityIndex('M2K', 'Micro E-mini Russell 2000', 5, 0.1),
]

/** @throws {UsageError} naming the known ones */
export function futuresRoot(root: string): FuturesRoot {
  const found = FUTURES.find((one) => one.root === root)
  if (found) return found
  throw new UsageError(`unknown futures root '${root}'`, {
    hint: `Known roots: ${FUTURES.map((one) => one.root).join(', ')}.`,
  })
}

const SYMBOL = /^([A-Z0-9]{1,3})([FGHJKMNQUVXZ])(\d{1,2}|\d{4})$/

/**
 * Reads `ESM5`, `ESM25` or `ESM2025`. One digit names the contract that expires first from `near` on, or ended less
 * than a year before.
 *
 * @param near a date `YYYY-MM-DD`
 * @throws {UsageError} when it is no symbol, its root is not known, or it has no such month
 */
export function parseFuturesSymbol(symbol: string, near: string): FuturesContract {
  const [, name = '', code = '', digits = ''] = SYMBOL.exec(symbol) ?? []
  if (name === '') {
    throw new UsageError(`'${symbol}' is not a futures symbol`, {
      hint: 'Symbols look like ESM5 or ESM2025: root, letter of the month, year.',
    })
  }
  const { root, months } = futuresRoot(name)
  if (!months.includes(code)) {
    throw new UsageError(`${root} has no contract of month ${code}`, {
      hint: `Its months: ${[...months].join(', ')}.`,
    })
  }
  return { root, year: fullYear(digits, Number(near.slice(0, 4))), month: MONTH_CODES.indexOf(code) + 1 }
}

function fullYear(digits: string, near: number): number {
  if (digits.length === 4) return Number(digits)
  if (digits.length === 2) return 2000 + Number(digits)
  const year = near - (near % 10) + Number(digits)
  return year < near - 1 ? year + 10 : year > near + 8 ? year - 10 : year
}

/** `ESM5`: as exchanges write it, with the last digit of the year. */
export const formatFuturesSymbol = ({ root, year, month }: FuturesContract): string =>
  `${root}${MONTH_CODES[month - 1]}${year % 10}`

/**
 * The day on which a contract ends: the third Friday of its month, or the session before where the settling market is
 * closed on it (19 June 2026). It trades until that market opens.
 */
export function futuresExpiry({ root, year, month }: FuturesContract): string {
  const calendar = calendarOf(futuresRoot(root).settlementCalendar)
  const first = civilToDays({ year, month, day: 1 })
  const friday = daysToDate(first + ((5 - weekdayOf(first) + 7) % 7) + 14)
  return calendar.on(friday) ? friday : calendar.previous(friday).date
}

/** The instant at which a contract ends, UTC milliseconds: the opening of the market that settles it. */
export const futuresEndMs = (contract: FuturesContract): number =>
  calendarOf(futuresRoot(contract.root).settlementCalendar).on(futuresExpiry(contract))!.openMs

/**
 * The session from which the next contract is the one that is traded: the Monday of the week in which a contract
 * ends, or the session after where the exchange is closed on it.
 */
export function futuresRollDate(contract: FuturesContract): string {
  const calendar = calendarOf(futuresRoot(contract.root).calendar)
  const expiry = dateToDays(futuresExpiry(contract))
  const monday = daysToDate(expiry - ((weekdayOf(expiry) + 6) % 7))
  return calendar.on(monday) ? monday : calendar.next(monday).date
}

/** The contract after `contract`. */
export function nextContract({ root, year, month }: FuturesContract): FuturesContract {
  const months = [...futuresRoot(root).months].map((code) => MONTH_CODES.indexOf(code) + 1)
  const later = months.find((one) => one > month)
  return later === undefined ? { root, year: year + 1, month: months[0]! } : { root, year, month: later }
}

/** The contract that a continuous series has on the session of `date`: each from the roll date of the one before. */
export function activeContract(root: string, date: string): FuturesContract {
  const { year } = daysToCivil(dateToDays(date))
  let contract: FuturesContract = nextContract({ root, year: year - 1, month: 11 })
  while (futuresRollDate(contract) <= date) contract = nextContract(contract)
  return contract
}

/** A session of a continuous series that does not have the contract it should have. */
export interface RollFault {
  readonly date: string
  readonly expected: string
  readonly found: string
  /** `expired`: the contract had ended; `early`, `late`: rolled at another session than the rules say. */
  readonly fault: 'expired' | 'early' | 'late'
}

/** Compares the contracts of a continuous series, by session, with what the roll rules say. */
export function rollFaults(
  root: string,
  days: readonly { readonly date: string; readonly contract: FuturesContract }[],
): RollFault[] {
  return days.flatMap(({ date, contract }) => {
    const expected = activeContract(root, date)
    const [found, wanted] = [contract, expected].map(({ year, month }) => year * 12 + month)
    if (found === wanted) return []
    const fault = futuresExpiry(contract) < date ? 'expired' : found! > wanted! ? 'early' : 'late'
    return [{ date, expected: formatFuturesSymbol(expected), found: formatFuturesSymbol(contract), fault }]
  })
}

/** Until this session equity-index futures paused from 15:15 to 15:30 in Chicago. */
const PAUSED_UNTIL = '2021-06-25'

/**
 * Stretches within the session of `date` in which an equity-index future does not trade. The hour between two sessions
 * is none of them: it belongs to no session.
 */
export function sessionBreaks(root: string, date: string): readonly SessionBreak[] {
  const session = calendarOf(futuresRoot(root).calendar).on(date)
  if (!session || date > PAUSED_UNTIL) return []
  const days = dateToDays(date)
  const fromMs = CHICAGO.toUtcMs(days, wallTime(15, 15))
  return session.closeMs <= fromMs ? [] : [{ fromMs, toMs: CHICAGO.toUtcMs(days, wallTime(15, 30)) }]
}

/**
 * Says why a contract cannot have traded at an instant, or undefined where it can. What it found out about contracts and
 * sessions it remembers.
 */
export function futuresJudge(): (
  symbol: string,
  ms: number,
  session: string | undefined,
) => string | undefined {
  const contracts = new Map<string, FuturesContract | string>()
  const ends = new Map<string, number>()
  const breaks = new Map<string, readonly SessionBreak[]>()
  return (symbol, ms, session) => {
    if (session === undefined) return undefined // another rule
    const contract = remember(contracts, symbol, () => contractOrFault(symbol, session))
    if (typeof contract === 'string') return contract
    const endMs = remember(ends, symbol, () => futuresEndMs(contract))
    if (ms >= endMs) return `${symbol} ended at ${new Date(endMs).toISOString()}`
    const pauses = remember(breaks, session, () => sessionBreaks(contract.root, session))
    return pauses.some(({ fromMs, toMs }) => ms >= fromMs && ms < toMs)
      ? `trading in ${contract.root} paused then`
      : undefined
  }
}

function remember<K, V>(known: Map<K, V>, key: K, find: () => V): V {
  if (!known.has(key)) known.set(key, find())
  return known.get(key)!
}

/** Only with its full year a symbol names one contract for ever. */
function contractOrFault(symbol: string, near: string): FuturesContract | string {
  if (!/\d{4}$/.test(symbol)) return `${symbol} does not name its contract with a full year, like ESM2025`
  try {
    return parseFuturesSymbol(symbol, near)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
}
