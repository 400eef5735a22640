import type { CallPriority } from '../core/budget/contract.ts'
import { calendarOf } from '../market/calendar/index.ts'
import type { DatasetDefinition } from '../market/dataset.ts'

/**
 * How urgent a request is that reaches up to session `to`: `today` for the newest session and the one before the
 * present day, `history` for all others.
 *
 * @param today the present date in New York
 */
export function urgencyOf({ calendar }: DatasetDefinition, to: string, today: string): CallPriority {
  return to >= calendarOf(calendar).previous(today).date ? 'today' : 'history'
}
