import { z } from 'zod'
import { ERROR_CATEGORIES } from '../core/errors.ts'

/**
 * What one run of a recording command did: one small JSON file below `state/runs`, written when the run begins,
 * now and then while it goes on, and when it ends. A run whose process is gone without having said so has died.
 */
export const RUN_VERSION = 1

/** How a run stands. Only `died` is never written: it is what a reader finds. */
export const RUN_STATES = ['running', 'ok', 'partial', 'failed', 'interrupted', 'died'] as const
export type RunState = (typeof RUN_STATES)[number]

const count = z.number().nonnegative()

const failureSchema = z.object({
  /** When, UTC. */
  at: z.string(),
  category: z.enum(ERROR_CATEGORIES),
  code: z.string(),
  message: z.string(),
})
export type RunFailure = z.infer<typeof failureSchema>

const leftSchema = z.object({
  dataset: z.string(),
  ticker: z.string(),
  /** First and last session, both inclusive. */
  from: z.string(),
  to: z.string(),
  sessions: z.number(),
  state: z.string(),
  reason: z.string(),
})
export type RunLeft = z.infer<typeof leftSchema>

const stepSchema = z.object({
  name: z.string(),
  state: z.string(),
  durationMs: count,
  detail: z.string().optional(),
})
export type RunStep = z.infer<typeof stepSchema>

export const runRecordSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.run'), version: z.literal(RUN_VERSION) }),
  id: z.string(),
  command: z.string(),
  /** The command line as it was given; secrets are redacted. */
  commandLine: z.array(z.string()),
  pid: z.int(),
  /** Tells the process from a later one with the same pid; null where the system does not tell. */
  processStart: z.string().nullable(),
  host: z.string(),
  state: z.enum(RUN_STATES),
  exitCode: z.int().nullable(),
  /** By the clock of the machine, UTC. */
  startedAt: z.string(),
  updatedAt: z.string(),
  endedAt: z.string().nullable(),
  durationMs: count,
  tickers: z.array(z.string()),
  /** Series that it brought up to the last finished session, as `dataset ticker`: somebody wants them up to date. */
  follows: z.array(z.string()).default([]),
  /** Rows recorded into the lake, and rows that came from the vendor over REST and over the socket. */
  rows: count,
  rowsFetched: count,
  rowsStreamed: count,
  bytesFetched: count,
  /** Requests, retries included, and how many of them were retries. */
  calls: count,
  retries: count,
  /** What the limit of calls cost: milliseconds that a request stood in line, on average and at most. */
  limiter: z
    .object({ averageWaitMs: count, longestWaitMs: count })
    .default({ averageWaitMs: 0, longestWaitMs: 0 }),
  /** Worker processes that ended before their time and were replaced. */
  crashes: count.default(0),
  /** Rows refused. */
  quarantined: count,
  duplicates: count,
  /** Sessions by state, as the run left them. */
  sessions: z.record(z.string(), count),
  /** By category: failed attempts, retried ones included; refused rows count under `validation`. */
  errors: z.partialRecord(z.enum(ERROR_CATEGORIES), count),
  /** The newest failures, oldest first. */
  failures: z.array(failureSchema),
  /** What ended it, where it failed. */
  error: failureSchema.extend({ hint: z.string().optional() }).nullable(),
  /** What it left undone, the first stretches of it, and how many sessions in all. */
  left: z.array(leftSchema),
  leftSessions: count,
  /** Of runs that consist of steps (nightly): each in turn. */
  steps: z.array(stepSchema),
  /** What it saw when it wrote last: plain data by name (breakers, budget, stream, performance, …). */
  live: z.record(z.string(), z.unknown()),
})
export type RunRecord = z.infer<typeof runRecordSchema>
