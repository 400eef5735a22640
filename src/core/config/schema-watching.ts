import { z } from 'zod'

/** Settings of what watches: logs, metrics, health, performance. */

/** `source=debug` */
const COMPONENT_LEVEL = /^(source|backfill|stream|monitor)=(debug|info|warn|error|silent)$/

export const logging = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('warn')
    .describe('Least severe line shown on stderr; -v means info, -vv debug, --quiet error.'),
  pretty: z
    .enum(['auto', 'always', 'never'])
    .default('auto')
    .describe('Lines for people or JSON lines on stderr; auto = for people on a terminal.'),
  file: z.string().min(1).optional().describe('File that also gets every line, as JSON; empty = none.'),
  fileLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least severe line written to the file.'),
  maxFileMb: z
    .number()
    .min(0)
    .default(50)
    .describe('Size at which the file is put aside as FILE.1, MiB; 0 = never.'),
  keepFiles: z.int().min(1).max(1000).default(5).describe('Files put aside that are kept.'),
  components: z
    .string()
    .refine((text) => text.split(',').every((part) => COMPONENT_LEVEL.test(part.trim())), {
      error: 'component=level, separated by commas; components: source, backfill, stream, monitor',
    })
    .optional()
    .describe('Levels of single components, like source=debug,stream=info; empty = none differs.'),
})

export const metrics = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address on which --metrics-port listens; 0.0.0.0 shows the metrics to everybody.'),
})

const positiveSeconds = (preset: number) => z.number().positive().default(preset)

export const performance = z.strictObject({
  requestSeconds: positiveSeconds(45).describe('Longest time that one request should take, seconds.'),
  commitSeconds: positiveSeconds(30).describe('Longest time that one commit should take, seconds.'),
  hungSeconds: positiveSeconds(180).describe('Seconds after which an operation under way is taken to hang.'),
  noDataSeconds: positiveSeconds(300).describe(
    'Seconds without an answer while one is expected, after which that is told.',
  ),
  slowdownRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe('Part of its speed before, below which reading or writing is told to be slow; 0 = never.'),
  burstErrors: z.int().min(1).default(10).describe('Errors of one category that make a burst.'),
  burstSeconds: positiveSeconds(60).describe('Seconds within which they make a burst.'),
  recoverySeconds: positiveSeconds(120).describe(
    'Seconds without such an error after which a burst is over.',
  ),
})

export const health = z.strictObject({
  graceMinutes: z
    .number()
    .min(0)
    .default(120)
    .describe('Minutes after the end of a session before which nobody expects it to be recorded.'),
})
