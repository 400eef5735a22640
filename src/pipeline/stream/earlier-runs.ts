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
 * Whether something of the finished `session` is known that its recorder could not settle: rows of an earlier run
 * in the lake or, `hasRecovered`, in a journal.
 */
export async function isLeftOpen(
  recording: Recording,
  book: SessionBook,
  { date }: TradingSession,
  hasRecovered: boolean,
): Promise<boolean> {
  const states = await holdDay(recording, book, date)
  return hasRecovered || states.some((state) => state === 'pending' || state === 'complete')
}
