import { ConfigError } from '../../core/errors.ts'
import type { ExchangeCalendar } from './types.ts'
import { XCBO } from './xcbo.ts'
import { XCME } from './xcme.ts'
import { XNYS } from './xnys.ts'

export type { ExchangeCalendar, TradingSession } from './types.ts'

/** Every calendar that tapelake knows. */
export const CALENDARS: readonly ExchangeCalendar[] = [XNYS, XCBO, XCME]

const ALIASES: Readonly<Record<string, ExchangeCalendar>> = {
  NYSE: XNYS,
  XNAS: XNYS,
  NASDAQ: XNYS,
  CBOE: XCBO,
  CME: XCME,
}

/**
 * The calendar of an exchange, by market identifier code (`XNYS`, `XCBO`, `XCME`) or a usual name
 * (`NYSE`, `NASDAQ`, `XNAS`, `CBOE`, `CME`), in any case.
 *
 * @throws {ConfigError} naming the known ones
 */
export function calendarOf(code: string): ExchangeCalendar {
  const wanted = code.toUpperCase()
  const found = CALENDARS.find((calendar) => calendar.code === wanted)
  const calendar = found ?? (Object.hasOwn(ALIASES, wanted) ? ALIASES[wanted] : undefined)
  if (calendar) return calendar
  const known = [...CALENDARS.map((known) => known.code), ...Object.keys(ALIASES)]
  throw new ConfigError(`unknown exchange '${code}'`, { hint: `Known exchanges: ${known.join(', ')}.` })
}
