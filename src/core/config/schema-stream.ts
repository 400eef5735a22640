import { z } from 'zod'

const reconnect = z.strictObject({
  baseMs: z
    .int()
    .min(1)
    .default(500)
    .describe('Wait before the first attempt to connect again, milliseconds; it doubles with every failure.'),
  maxMs: z.int().min(1).default(60_000).describe('Longest wait before an attempt, milliseconds.'),
  maxConnectionsMs: z
    .int()
    .min(1)
    .default(60_000)
    .describe('Wait after max_connections at least (another process holds the key), milliseconds.'),
})

/** Settings of the live recorder. */
export const stream = z.strictObject({
  fsyncMs: z
    .int()
    .min(1)
    .max(60_000)
    .default(200)
    .describe(
      'What is received is on the disk after this time at the latest, milliseconds: a crash loses no more.',
    ),
  flushRows: z
    .int()
    .min(1)
    .default(50_000)
    .describe('Rows received after which they are committed to the lake.'),
  flushSeconds: z
    .number()
    .positive()
    .default(30)
    .describe('Seconds after which rows received are committed to the lake.'),
  queueFrames: z
    .int()
    .min(1)
    .default(200_000)
    .describe('Frames that may wait to be read; with more the socket is not read for a while.'),
  heartbeatMinutes: z.number().positive().default(5).describe('Minutes between two heartbeat lines.'),
  stallMinutes: z
    .number()
    .positive()
    .default(15)
    .describe('Minutes without data within regular hours after which an alert is given.'),
  webhookUrlFile: z
    .string()
    .min(1)
    .optional()
    .describe('File that holds the URL alerts are posted to as JSON, and nothing else; empty = none.'),
  webhookTimeoutMs: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Longest time for one post to the webhook, milliseconds.'),
  repairDelayMs: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Wait between two attempts to fetch what was not received, milliseconds.'),
  publicationSeconds: z
    .number()
    .min(0)
    .default(120)
    .describe('Seconds after which the REST API has what happened in the market.'),
  drainSeconds: z
    .number()
    .min(0)
    .default(30)
    .describe('Longest time to fetch what was not received after an interruption, seconds.'),
  reconcileSeconds: z
    .number()
    .min(0)
    .default(900)
    .describe('Longest time to wait for the final rows after the session, seconds.'),
  replayQuietMs: z
    .int()
    .min(1)
    .default(2000)
    .describe(
      'With --ignore-hours: quiet after which the vendor is asked whether the session is over, milliseconds.',
    ),
  replayWaitSeconds: z
    .number()
    .min(0)
    .default(30)
    .describe(
      "With --ignore-hours: longest wait for a first event while the vendor's clock shows a closed market, seconds.",
    ),
  maxContracts: z.int().min(1).default(1000).describe('Most option contracts on one connection.'),
  reconnect: reconnect.prefault({}),
})
