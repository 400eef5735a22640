import { expect, test } from 'vitest'
import { sourceLog } from '../../src/cli/source-log.ts'
import { RateLimitError } from '../../src/core/errors.ts'
import { createLogger } from '../../src/core/logger.ts'
import { createRedactor } from '../../src/core/redact.ts'

test('requests are told as they matter: each for those who debug, long waits as info, retries as warnings', async () => {
  const lines: string[] = []
  const stream = { write: (text: string) => lines.push(text) }
  const redactor = createRedactor(['a-key'])
  const events = sourceLog(await createLogger({ level: 'debug', pretty: false, redactor, stream }))
  const path = '/v2/aggs'
  events.onCall?.({ path, attempt: 1, waitedMs: 0 })
  events.onAnswer?.({ path, status: 429, bytes: 2, ms: 3, requestId: 'q1', delayed: false })
  events.onRetry?.({ path, error: new RateLimitError('too many calls'), attempt: 1, waitMs: 12_000 })
  events.onWait?.({ waitMs: 400, reason: 'budget' })
  events.onWait?.({ waitMs: 48_000, reason: 'budget' })
  events.onWait?.({ waitMs: 12_000, reason: 'pause' })
  const told = lines.map((line) => JSON.parse(line) as { level: string; msg: string })
  expect(told.map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
    'debug: request',
    'debug: answer',
    'warn: too many calls; next try in 12 s',
    'info: waiting 48 s: the call limit',
    'info: waiting 12 s: the vendor asked to wait',
  ])
})
