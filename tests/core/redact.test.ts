import { inspect } from 'node:util'
import axios from 'axios'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AuthenticationError, ServerError } from '../../src/core/errors.ts'
import { createRedactor, REDACTED } from '../../src/core/redact.ts'
import { startVendorServer } from '../support/vendor-server.ts'

const SECRET = 'kQ7/x+9"zz_SECRET'
const redactor = createRedactor([SECRET, undefined, ''])

/** Everything that can be seen of a value, hidden properties included. */
const seen = (value: unknown) => inspect(value, { depth: 10, showHidden: true }) + JSON.stringify(value)

describe('redaction', () => {
  test('takes the secret out of any text around it, in every way it may be written', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        for (const form of [SECRET, encodeURIComponent(SECRET), JSON.stringify(SECRET)])
          expect(redactor.text(before + form + after)).not.toContain('SECRET')
      }),
    )
  })

  test('leaves text without secrets as it is', () => {
    const text = 'polygon answered 403: /v2/aggs?adjusted=false&limit=50000 of the bearer of the monkey'
    expect(createRedactor(['abc']).text(text)).toBe(text)
    expect(redactor.text(text)).toBe(text)
  })

  test.each([
    ['GET /v2/aggs?limit=1&apiKey=abcdef&sort=asc', `GET /v2/aggs?limit=1&apiKey=${REDACTED}&sort=asc`],
    ['https://h/?api_key=abc"', `https://h/?api_key=${REDACTED}"`],
    ['Authorization: Bearer abc.def-123', `Authorization: Bearer ${REDACTED}`],
  ])('knows a key by its place even where it is another one: %s', (text, expected) => {
    expect(createRedactor([]).text(text)).toBe(expected)
  })

  test('copies values for logs without secrets, secret names or raw bytes', () => {
    const value = {
      apiKey: 'whatever',
      headers: new Map([['Authorization', 'x']]),
      list: [`a ${SECRET}`, 1n, null, undefined, true],
      body: Buffer.from(SECRET),
      at: new Date(0),
      call: () => SECRET,
    }
    expect(redactor.value(value)).toEqual({
      apiKey: REDACTED,
      headers: { Authorization: REDACTED },
      list: [`a ${REDACTED}`, '1', null, undefined, true],
      body: `[${SECRET.length} bytes]`,
      at: new Date(0),
      call: undefined,
    })
  })

  test('copies values that contain themselves', () => {
    const ring: Record<string, unknown> = { name: SECRET }
    ring['self'] = ring
    const copy = redactor.value(ring) as typeof ring
    expect(copy['self']).toBe(copy)
    expect(inspect(copy)).not.toContain('SECRET')
  })

  test('copies an error with what explains it', () => {
    const copy = redactor.value(new ServerError(`no ${SECRET}`, { status: 500, cause: new Error(SECRET) }))
    expect(copy).toMatchObject({ name: 'ServerError', message: `no ${REDACTED}`, status: 500 })
    expect(copy).toMatchObject({ cause: { message: REDACTED } })
  })

  test('cleans an error in place: message, stack, hint, causes, hidden and nested properties', () => {
    const cause: Error & { self?: unknown } = new AggregateError([new Error(SECRET)], SECRET)
    const error = new AuthenticationError(`key ${SECRET}`, {
      hint: SECRET,
      vendorMessage: SECRET,
      request: `/v2?apiKey=${SECRET}`,
      cause,
    })
    cause.self = error
    Object.defineProperty(error, 'hidden', {
      value: { deep: [SECRET] },
      enumerable: false,
      configurable: true,
    })
    expect(redactor.error(error)).toBe(error)
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error.message).toBe(`key ${REDACTED}`)
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('SECRET')
    expect(error.stack).toContain('redact.test')
  })

  test('cleans what an HTTP client throws, with its headers, addresses and buffers', async () => {
    const server = await startVendorServer([{ status: 500, body: { error: SECRET } }])
    const headers = { Authorization: `Bearer ${SECRET}` }
    const error: unknown = await axios
      .get(`${server.url}/x`, { headers, params: { apiKey: SECRET } })
      .catch((thrown: unknown) => thrown)
    await server.close()
    expect(seen(error)).toContain('SECRET')
    expect(seen(redactor.error(error))).not.toContain('SECRET')
    expect((error as Error).message).toBe('Request failed with status code 500')
  })

  test('what is no object passes through', () => {
    expect(redactor.error('text')).toBe('text')
    expect(redactor.value(5)).toBe(5)
  })
})
