import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError, NetworkError } from '../../src/core/errors.ts'
import { createLogger, type LoggerOptions } from '../../src/core/logger.ts'
import { createRedactor } from '../../src/core/redact.ts'

const KEY = 'sEcReT/0123456789'

async function logged(
  options: Partial<LoggerOptions>,
  write: (logger: Awaited<ReturnType<typeof createLogger>>) => void,
) {
  const lines: string[] = []
  const stream = { write: (text: string) => lines.push(text) }
  const redactor = createRedactor([KEY])
  write(await createLogger({ level: 'info', pretty: false, redactor, stream, ...options }))
  return lines
}

const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>)

describe('JSON lines', () => {
  test('carry level, time in UTC, the run and the fields', async () => {
    const [line] = parsed(
      await logged({ bindings: { run: 'r1' } }, (logger) =>
        logger.child({ ticker: 'SPY' }).info({ rows: 3, sizes: [1, 2] }, 'recorded'),
      ),
    )
    expect(line).toMatchObject({
      level: 'info',
      run: 'r1',
      ticker: 'SPY',
      rows: 3,
      sizes: [1, 2],
      msg: 'recorded',
    })
    expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test('less severe than the level are left out', async () => {
    const lines = await logged({ level: 'warn' }, (logger) => {
      logger.debug('a')
      logger.info('b')
      logger.warn('c')
      logger.error('d')
    })
    expect(parsed(lines).map(({ msg }) => msg)).toEqual(['c', 'd'])
  })

  test('none at all at level silent', async () => {
    expect(await logged({ level: 'silent' }, (logger) => logger.error('x'))).toEqual([])
  })

  test('tell errors with their causes', async () => {
    const cause = new NetworkError('reset', { requestId: 'q1' })
    const [line] = parsed(await logged({}, (logger) => logger.error(new Error('outer', { cause }))))
    expect(line).toMatchObject({
      msg: 'outer',
      err: { message: 'outer', cause: { name: 'NetworkError', message: 'reset', requestId: 'q1' } },
    })
  })
})

describe('no line holds the key', () => {
  const axiosLike = () =>
    Object.assign(new Error(`Request failed with key ${KEY}`), {
      config: { headers: { Authorization: `Bearer ${KEY}` }, url: `https://x/?apiKey=${KEY}` },
      request: { path: `/?apiKey=${encodeURIComponent(KEY)}` },
      cause: new Error(`inner ${KEY}`),
    })

  const table: [string, (logger: Awaited<ReturnType<typeof createLogger>>) => void][] = [
    ['in the message', (logger) => logger.info(`key ${KEY}`)],
    ['in a formatted message', (logger) => logger.info('key %s', KEY)],
    ['in a field', (logger) => logger.info({ apiKey: KEY, note: KEY }, 'x')],
    ['deep in a field', (logger) => logger.info({ a: { b: [{ c: `x${KEY}y` }] } }, 'x')],
    ['in a binding', (logger) => logger.child({ key: KEY }).info('x')],
    ['in a URL', (logger) => logger.info(`GET https://x/v2?apiKey=${encodeURIComponent(KEY)}&limit=1`)],
    ['in an error', (logger) => logger.error(axiosLike())],
    ['in an error in a field', (logger) => logger.error({ err: axiosLike(), error: axiosLike() }, 'x')],
    ['in a header', (logger) => logger.info({ headers: { authorization: `Bearer ${KEY}` } }, 'x')],
  ]
  test.each(table)('%s', async (_, write) => {
    for (const pretty of [false, true]) {
      const text = (await logged({ pretty }, write)).join('')
      expect(text.length).toBeGreaterThan(10)
      expect(text).not.toContain('sEcReT')
    }
  })
})

describe('lines for people', () => {
  test('carry time and level and no colours unless asked for', async () => {
    const write = (logger: Awaited<ReturnType<typeof createLogger>>) => logger.warn({ rows: 3 }, 'slow')
    const [plain] = await logged({ pretty: true, bindings: { run: 'r1' } }, write)
    expect(plain).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: slow \{"rows":3\}\n$/)
    expect((await logged({ pretty: true, color: true }, write))[0]).toContain('\u001b[')
  })
})

describe('the log file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tapelake-'))

  test('gets JSON lines by its own level, redacted, after what it held before', async () => {
    const file = join(folder, 'logs/new/tapelake.log')
    const stderr: string[] = []
    for (const round of ['one', 'two']) {
      const lines = await logged({ level: 'error', pretty: true, file, fileLevel: 'info' }, (logger) => {
        logger.debug('too fine')
        logger.info(`${round} ${KEY}`)
      })
      stderr.push(...lines)
    }
    const lines = parsed(readFileSync(file, 'utf8').trim().split('\n'))
    expect(lines.map(({ msg }) => msg)).toEqual(['one [redacted]', 'two [redacted]'])
    expect(stderr).toEqual([])
  })

  test('is refused by its setting where it cannot be opened', async () => {
    writeFileSync(join(folder, 'taken'), '')
    const file = join(folder, 'taken/x.log')
    const refused = createLogger({ level: 'info', pretty: false, file })
    await expect(refused).rejects.toThrow(ConfigError)
    await expect(refused).rejects.toThrow(/^logging\.file: cannot write .*taken\/x\.log: /)
  })
})
