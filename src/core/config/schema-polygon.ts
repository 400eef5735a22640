import { z } from 'zod'
import { PLAN_CALLS_PER_MINUTE } from '../rate-limit.ts'

function endpoint(protocol: RegExp, kind: string) {
  return z
    .string()
    .refine((text) => isBareUrl(text, protocol), {
      error: `${kind} without user, password and query (the key goes into POLYGON_API_KEY)`,
    })
    .transform((text) => text.replace(/\/+$/, ''))
}

function isBareUrl(text: string, protocol: RegExp): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return protocol.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash
}

const timeouts = z.strictObject({
  connectMs: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Longest time to reach the vendor and agree on TLS, milliseconds.'),
  requestMs: z
    .int()
    .min(1)
    .default(60_000)
    .describe('Longest time for one whole request, its body included, milliseconds.'),
  firstRequestMs: z
    .int()
    .min(1)
    .default(20_000)
    .describe('The same for a first attempt; it doubles with every further one, up to requestMs.'),
})

const breaker = z.strictObject({
  failures: z
    .int()
    .min(1)
    .default(10)
    .describe('Failed attempts in a row that open the circuit breaker of an endpoint.'),
  openMs: z
    .int()
    .min(1)
    .default(5000)
    .describe(
      'Time for which an open breaker lets nothing through, at most the longest wait of a retry, milliseconds.',
    ),
  maxWaitMs: z
    .int()
    .min(1)
    .default(60_000)
    .describe('Longest time for one attempt to wait behind an open breaker, milliseconds.'),
})

/** Tickers: a list, or one text with commas; an entry `@path` stands for the tickers in that file. */
export const universe = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === 'string' ? given.split(',') : given).map((word) => word.trim()))
  .transform((words) => [...new Set(words.filter((word) => word !== ''))])

const budget = z.strictObject({
  windowSeconds: z
    .number()
    .min(0.05)
    .max(86_400)
    .default(60)
    .describe('Length of the window in which callsPerMinute counts; other than 60 for simulators only.'),
  redisUrlFile: z
    .string()
    .min(1)
    .optional()
    .describe('File that holds the address of a Redis server, which shares the budget between machines.'),
})

/** Section `sources.polygon`. */
export const polygon = z
  .strictObject({
    restUrl: endpoint(/^https?:$/, 'an http:// or https:// URL')
      .default('https://api.polygon.io')
      .describe('Where the REST API answers. https://api.massive.com is the same service.'),
    wsUrl: endpoint(/^wss?:$/, 'a ws:// or wss:// URL')
      .default('wss://socket.polygon.io')
      .describe('Where the WebSocket API answers; the cluster (/stocks) is added to it.'),
    apiKeyFile: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File that holds the API key and nothing else; used where no environment variable holds one.',
      ),
    plan: z
      .enum(['free', 'starter', 'developer', 'advanced'])
      .default('free')
      .describe("The account's plan; it decides what callsPerMinute: auto means."),
    callsPerMinute: z
      .union([z.literal('auto'), z.int().min(0)])
      .default('auto')
      .describe('Most calls in any 60 seconds, retries included; 0 = no limit, auto = what the plan allows.'),
    equities: universe
      .default([])
      .describe('Tickers of backfill-all and nightly, as a list; @path is a file of tickers.'),
    callsPerDay: z
      .int()
      .min(0)
      .default(0)
      .describe('Most calls in a day (UTC), retries included; then commands end with exit 7. 0 = no limit.'),
    budget: budget.prefault({}),
    timeouts: timeouts.prefault({}),
    breaker: breaker.prefault({}),
  })
  .transform((given) => ({
    ...given,
    callsPerMinute:
      given.callsPerMinute === 'auto' ? PLAN_CALLS_PER_MINUTE[given.plan] : given.callsPerMinute,
  }))
