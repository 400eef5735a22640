import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { makeFolder, replaceFile } from '../lake/durable.ts'
import { dataPaths, encodeTicker, type SeriesId } from '../lake/layout.ts'
import type { Cell, Ledger } from '../lake/ledger.ts'
import { calendarOf, type TradingSession } from '../market/calendar/index.ts'
import { settledBy } from './settled.ts'

/**
 * Vendors correct their history for some days. A session is asked for once more after each of the sessions that follow
 * it, up to a number; when it was asked for last is kept beside the lake, so that an answer that changes nothing
 * changes no file of it.
 */
export interface Rechecks {
  /** When each session was asked for last, ISO 8601 UTC, by date. */
  readonly checkedAt: Readonly<Record<string, string>>
}

const fileSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.rechecks'), version: z.literal(1) }),
  checkedAt: z.record(z.string(), z.string()),
})

const recheckPath = (root: string, { dataset, ticker }: SeriesId): string =>
  join(dataPaths(root).state, 'rechecks', dataset.name, `${encodeTicker(ticker)}.json`)

/** What is known about re-checks of a series. A file that is damaged counts as none: it costs some calls, no truth. */
export async function readRechecks(root: string, series: SeriesId): Promise<Rechecks> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(recheckPath(root, series), 'utf8')))
  } catch {
    return { checkedAt: {} }
  }
}

/** Notes that `dates` were asked for at `nowMs`. */
export async function noteRechecked(
  root: string,
  series: SeriesId,
  dates: readonly string[],
  nowMs: number,
): Promise<void> {
  if (dates.length === 0) return
  const { checkedAt } = await readRechecks(root, series)
  const at = new Date(nowMs).toISOString()
  const path = recheckPath(root, series)
  await makeFolder(dirname(path))
  const document = {
    schema: { name: 'tapelake.rechecks', version: 1 },
    checkedAt: { ...checkedAt, ...Object.fromEntries(dates.map((date) => [date, at])) },
  }
  await replaceFile(path, `${JSON.stringify(document, null, 2)}\n`)
}

/** States whose answer a vendor may still change. */
const CHECKED: ReadonlySet<Cell['state']> = new Set(['complete', 'empty', 'not_entitled'])

/**
 * Sessions of `ledger` that are due: one of the `count` sessions that follow is whole at the vendor by `nowMs`, and it
 * was not asked for since then.
 */
export function dueForRecheck(
  { dataset }: SeriesId,
  { cells }: Ledger,
  { checkedAt }: Rechecks,
  count: number,
  nowMs: number,
): ReadonlySet<string> {
  const dates = Object.keys(cells).sort()
  const due = new Set<string>()
  if (dates.length === 0 || count === 0) return due
  const calendar = calendarOf(dataset.calendar)
  const newest = calendar.lastFinished(settledBy(nowMs)).date
  const sessions = calendar.between(dates[0]!, newest)
  const place = new Map(sessions.map(({ date }, i) => [date, i]))
  for (const date of dates) {
    const cell = cells[date]!
    const at = place.get(date)
    if (at === undefined || !CHECKED.has(cell.state)) continue
    const last = lastAsked([cell.at, checkedAt[date]], nowMs)
    if (sessions.slice(at + 1, at + 1 + count).some((after) => isBetween(after, last, nowMs))) due.add(date)
  }
  return due
}

/** As {@link dueForRecheck}, with what is noted beside the lake; undefined: nothing is to be asked for again. */
export async function dueSessions(
  series: SeriesId,
  ledger: Ledger,
  {
    root,
    recheckSessions,
    nowMs,
  }: { readonly root: string; readonly recheckSessions?: number | undefined; readonly nowMs: number },
): Promise<ReadonlySet<string> | undefined> {
  if (recheckSessions === undefined) return undefined
  return dueForRecheck(series, ledger, await readRechecks(root, series), recheckSessions, nowMs)
}

/** The last of `instants`; what lies in the future (of a clock that was set) does not count. */
const lastAsked = (instants: readonly (string | undefined)[], nowMs: number): number =>
  Math.max(
    ...instants
      .map((at) => (at === undefined ? -Infinity : Date.parse(at)))
      .map((ms) => (ms > nowMs ? -Infinity : ms)),
  )

/** Whether `session` became whole at the vendor after `lastMs` and by `nowMs`. */
const isBetween = ({ extendedCloseMs }: TradingSession, lastMs: number, nowMs: number): boolean =>
  extendedCloseMs <= settledBy(nowMs) && extendedCloseMs > settledBy(lastMs)
