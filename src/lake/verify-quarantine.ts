import { messageOf } from '../core/errors.ts'
import { quarantinePath } from './layout.ts'
import type { Ledger } from './ledger.ts'
import { quarantinedSessions, readQuarantine } from './quarantine.ts'
import type { Report } from './verify-segment.ts'

/**
 * Reads the refused rows of a series: every file must be whole, and hold as many rows as the ledger says of its session.
 * Rows too many are no fault: a crash keeps one too many rather than one too few.
 */
export async function verifyQuarantine(report: Report, root: string, { cells }: Ledger): Promise<void> {
  const { series } = report
  const found = new Map<string, number>()
  for (const session of await quarantinedSessions(root, series)) {
    try {
      found.set(session, (await readQuarantine(root, series, session)).length)
    } catch (error) {
      report.add('file_unreadable', quarantinePath(series, session), messageOf(error))
      found.set(session, Infinity)
    }
  }
  for (const [session, { quarantined = 0 }] of Object.entries(cells)) {
    const rows = found.get(session) ?? 0
    if (rows >= quarantined) continue
    report.add(
      rows === 0 ? 'file_missing' : 'rows',
      quarantinePath(series, session),
      `the ledger says that ${quarantined} rows of it were refused; ${rows} are kept`,
    )
  }
}
