import { CommanderError } from 'commander'
import { describe, expect, test } from 'vitest'
import { asPipelineError, exitCodeOf, failureDocument, failureText } from '../../src/cli/failure.ts'
import { AuthenticationError, InterruptedError, RateLimitError, UsageError } from '../../src/core/errors.ts'
import { createRedactor } from '../../src/core/redact.ts'

const redactor = createRedactor(['sEcReT0123'])
const vendor = new AuthenticationError('the vendor refused sEcReT0123', {
  hint: 'Check the key.',
  status: 401,
  requestId: 'q1',
  request: '/v2/aggs?apiKey=sEcReT0123',
  vendorMessage: 'Unknown API Key',
  cause: new Error('inner sEcReT0123'),
})

describe('a failure', () => {
  test('is told with its hint and the request id of the vendor, without secrets', () => {
    expect(failureText(vendor, { redactor, stack: false })).toBe(
      'tapelake: the vendor refused [redacted]\n  Check the key.\n  request id: q1\n',
    )
  })

  test('is told with its causes where a stack is asked for', () => {
    const text = failureText(vendor, { redactor, stack: true })
    expect(text).toMatch(/\n\s+at .*failure\.test\.ts/)
    expect(text).toContain('Error: inner [redacted]')
    expect(text).not.toContain('sEcReT')
  })

  test('is one document for programs', () => {
    expect(failureDocument(vendor, 4, redactor)).toEqual({
      error: {
        code: 'AUTHENTICATION',
        category: 'authentication',
        message: 'the vendor refused [redacted]',
        hint: 'Check the key.',
        exitCode: 4,
        status: 401,
        requestId: 'q1',
        request: '/v2/aggs?apiKey=[redacted]',
        vendorMessage: 'Unknown API Key',
      },
    })
    const limited = new RateLimitError('slow down', { retryAfterSeconds: 3 })
    expect(failureDocument(limited, 1, redactor)).toMatchObject({ error: { retryAfterSeconds: 3 } })
  })
})

describe('whatever is thrown becomes one of our errors', () => {
  const enospc = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
  const abort = new DOMException('This operation was aborted', 'AbortError')
  test.each<[string, unknown, object]>([
    ['a full disk', enospc, { code: 'DISK', exitCode: 1, message: 'ENOSPC: no space left' }],
    ['an abort', abort, { code: 'INTERRUPTED', exitCode: 130 }],
    [
      'a fault of ours',
      new TypeError('x is not a function'),
      { message: 'internal error: x is not a function' },
    ],
    ['a bare string', 'oops', { message: 'internal error: oops', exitCode: 1 }],
    ['a refusal without a hint', new UsageError('no'), { message: 'no', hint: 'See tapelake x --help.' }],
    ['a refusal with a hint', new UsageError('no', { hint: 'do' }), { hint: 'do' }],
    [
      'a refusal of the parser',
      new CommanderError(1, 'commander.unknownOption', "error: unknown option '--x'\n(Did you mean --y?)"),
      { message: "unknown option '--x'", hint: 'Did you mean --y? See tapelake x --help.', exitCode: 2 },
    ],
  ])('%s', (_, thrown, expected) => {
    expect(asPipelineError(thrown, 'tapelake x')).toMatchObject(expected)
  })

  test('the exit code of an interruption is that of the signal', () => {
    expect(exitCodeOf(new InterruptedError('x'), 143)).toBe(143)
    expect(exitCodeOf(new InterruptedError('x'), undefined)).toBe(130)
    expect(exitCodeOf(vendor, 143)).toBe(4)
  })
})
