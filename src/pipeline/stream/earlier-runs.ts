import { calendarOf, type TradingSession } from '../../market/calendar/index.ts'
import type { CellState } from '../../lake/ledger.ts'
import { holdCell } from './cell.ts'
import type { StreamOptions } from './contract.ts'
import type { SessionBook } from './session-book.ts'

type Recording = Pick<StreamOptions, 'channels' | 'lake' | 'series'>

/** Adds what the lake holds of `date` to `book`; tells the states of the cells, undefined where nothing is known. */
export async function holdDay(
  { lake, series }: Recording,
  book: SessionBook,
  date: string,
): Promise<(CellState | undefined)[]> {
  return await Promise.all(series.map((id) => holdCell(lake, book.open(id, date))))
}

/** The session that is under way at `atMs`, if any. */
export const sessionAt = ({ channels }: Recording, atMs: number): TradingSession | undefined =>
  Number.isFinite(atMs) ? calendarOf(channels[0]!.dataset.calendar).at(atMs) : undefined

/**
 * The market is closed at `atMs`: the last session, if an earlier run died before it could settle it.
 *
 * @param hasRecovered rows of it were found in a journal
 */
export async function sessionLeftOpen(
  recording: Recording,
  book: SessionBook,
  atMs: number,
  hasRecovered: boolean,
): Promise<TradingSession | undefined> {
  if (!Number.isFinite(atMs) || sessionAt(recording, atMs)) return undefined
  const session = calendarOf(recording.channels[0]!.dataset.calendar).lastFinished(atMs)
  const states = await holdDay(recording, book, session.date)
  const isKnown = states.some((state) => state === 'pending' || state === 'complete')
  return isKnown || hasRecovered ? session : undefined
}
