import type { DatasetDefinition } from '../dataset.ts'
import { barColumns, barRules } from './equity-bars.ts'

/**
 * Ready for a source that serves futures; `import` takes files of them. A continuous series is none: which contract a
 * session belongs to is what `activeContract` and `rollFaults` say (market/futures.ts).
 */
export const futuresBars1m: DatasetDefinition = {
  name: 'futures_bars_1m',
  version: 1,
  description:
    'One minute of one futures contract, sessions from 17:00 to 16:00 in Chicago. No trade, no bar. No source records it yet; `import` takes files.',
  columns: barColumns({
    ticker: 'Contract with its full year, like ESM2025: root, letter of the month, year.',
    price: 'index points',
    volume: ['contracts', 'Contracts traded.'],
  }),
  key: ['ticker', 'timestamp'],
  eventColumn: 'timestamp',
  eventKind: 'instant',
  partition: 'month',
  calendar: 'XCME',
  rules: [
    ...barRules,
    { kind: 'whole', name: 'volume_not_whole', columns: ['volume'] },
    { kind: 'aligned', name: 'not_aligned', seconds: 60 },
    { kind: 'in_session', name: 'outside_session' },
    { kind: 'futures_life', name: 'not_traded' },
  ],
}
