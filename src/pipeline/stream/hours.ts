import { sleep } from '../../core/abort.ts'
import type { ExchangeCalendar, TradingSession } from '../../market/calendar/index.ts'
import { newYorkDate } from '../../market/time.ts'

/** The session to record now or next today; or why there is none. */
export type SessionToday =
  { readonly session: TradingSession } | { readonly closed: string; readonly next: TradingSession }

/**
 * The session to record: that of `date`; without a date the one that is under way at `nowMs`, or begins later on
 * the same day.
 */
export function sessionToRecord(calendar: ExchangeCalendar, nowMs: number, date?: string): SessionToday {
  if (date === undefined) return sessionToday(calendar, nowMs)
  const session = calendar.on(date)
  if (session && nowMs < session.extendedCloseMs) return { session }
  return noSession(calendar, date, calendar.next(newYorkDate(nowMs)))
}

function sessionToday(calendar: ExchangeCalendar, nowMs: number): SessionToday {
  const current = calendar.at(nowMs)
  if (current) return { session: current }
  const today = newYorkDate(nowMs)
  const session = calendar.on(today)
  if (session && nowMs < session.extendedOpenMs) return { session }
  return noSession(calendar, today, calendar.next(today))
}

/** Why nothing can be recorded of `date`: its session is over, or it never had one. */
function noSession(calendar: ExchangeCalendar, date: string, next: TradingSession): SessionToday {
  if (calendar.on(date)) return { closed: `the session of ${date} is over`, next }
  return {
    closed: `${calendar.name} is closed on ${date}: ${calendar.closedReason(date) ?? 'no session'}`,
    next,
  }
}

/** Between two lines of a countdown: a tenth of what is left, a second to ten minutes. */
const countdownMs = (leftMs: number): number => Math.max(1000, Math.min(600_000, leftMs / 10))

/** How often the clock is looked at: it may be set meanwhile, or the machine may have slept. */
const LOOK_MS = 250

/**
 * Waits until the extended hours of `session` begin.
 *
 * @param onWait called at once and now and then, with what is left in milliseconds
 * @throws as soon as `signal` aborts
 */
export async function waitForOpen(
  session: TradingSession,
  now: () => number,
  onWait: (waitMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let tellAtMs = Infinity
  for (;;) {
    const leftMs = session.extendedOpenMs - now()
    if (leftMs <= 0) return
    if (leftMs <= tellAtMs) {
      onWait(leftMs)
      tellAtMs = leftMs - countdownMs(leftMs)
    }
    await sleep(Math.min(leftMs, LOOK_MS), signal)
  }
}
