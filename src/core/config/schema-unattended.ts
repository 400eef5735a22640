import { z } from 'zod'
import { parseSchedule } from '../schedule.ts'
import { universe } from './schema-polygon.ts'

/** Settings of worker processes. */
export const workers = z.strictObject({
  count: z
    .int()
    .min(0)
    .max(256)
    .default(0)
    .describe('Worker processes of backfill-all and nightly; 0 = one per core.'),
  tries: z
    .int()
    .min(1)
    .default(3)
    .describe('Times that a piece of work may end its worker before it is set aside.'),
  restartBaseMs: z
    .int()
    .min(1)
    .default(500)
    .describe('Wait before a worker that ended is replaced, milliseconds; it doubles each time in a row.'),
  restartMaxMs: z
    .int()
    .min(1)
    .default(30_000)
    .describe('Longest wait before a worker that ended is replaced, milliseconds.'),
  hungSeconds: z
    .number()
    .positive()
    .default(60)
    .describe('Seconds without a sign of life after which a worker is killed and replaced.'),
  stopSeconds: z
    .number()
    .positive()
    .default(30)
    .describe('Seconds that workers may take to finish what they have in hand before they are killed.'),
})

/** Settings of `nightly` and `schedule`. */
export const nightly = z.strictObject({
  at: z
    .string()
    .refine((text) => parseSchedule(text) !== undefined, {
      error: 'a time like 02:00, or five fields of a crontab line like 0 2 * * 2-6',
    })
    .default('02:00')
    .describe('When `schedule` runs the night, UTC: a time, or the five fields of a crontab line.'),
  catchUpHours: z
    .number()
    .min(0)
    .default(24)
    .describe('Hours for which `schedule` makes up for a night that it missed; 0 = never.'),
  recheckSessions: z
    .int()
    .min(2)
    .max(100)
    .default(2)
    .describe('Newest sessions that are asked for once more each night, to find restatements.'),
  datasets: universe
    .default(['equity_bars_1m'])
    .describe(
      'Datasets that the night records of every ticker of the universe; of options, what nightly.discover finds.',
    ),
  discover: universe.default([]).describe('Underlyings whose option contracts are discovered each night.'),
  snapshot: universe.default([]).describe('Underlyings whose option chain is recorded each night.'),
  verifySample: z
    .int()
    .min(0)
    .default(10)
    .describe('Series whose files are read again each night, taken in turn; 0 = none.'),
  webhookUrlFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'File that holds the URL the report of the night is posted to, and nothing else; empty = none.',
    ),
})
