import { mkdtempSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { LogFile } from '../../src/core/log-file.ts'
import { createLogger, type LogLevel } from '../../src/core/logger.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'tapelake-log-'))
const linesIn = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n')

test('a log file is put aside when it is full, and as many are kept as asked for', () => {
  const at = folder()
  const path = join(at, 'logs/tapelake.log')
  const file = new LogFile({ path, maxBytes: 50, keep: 2 })
  for (let i = 0; i < 40; i++) file.write(`line number ${i}\n`)
  expect(readdirSync(join(at, 'logs')).sort()).toEqual(['tapelake.log', 'tapelake.log.1', 'tapelake.log.2'])
  const kept = [`${path}.2`, `${path}.1`, path].flatMap(linesIn)
  expect(kept.at(-1)).toBe('line number 39')
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => `line number ${40 - kept.length + i}`))
  for (const name of [`${path}.1`, `${path}.2`]) expect(readFileSync(name).length).toBeLessThanOrEqual(50)
})

test('processes that share a log file follow when one puts it aside; none loses a line', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const path = join(folder(), 'tapelake.log')
  const one = new LogFile({ path, maxBytes: 1000, keep: 3 })
  const other = new LogFile({ path, maxBytes: 1000, keep: 3 })
  one.write('a\n')
  other.write('b\n')
  renameSync(path, `${path}.1`)
  vi.advanceTimersByTime(1500)
  one.write('c\n')
  other.write('d\n')
  vi.useRealTimers()
  expect(linesIn(`${path}.1`)).toEqual(['a', 'b'])
  expect(linesIn(path)).toEqual(['c', 'd'])
})

test('a component has its own level, on stderr and in the file', async () => {
  const file = join(folder(), 'tapelake.log')
  const shown: string[] = []
  const logger = await createLogger({
    ...{
      level: 'warn',
      pretty: false,
      file,
      fileLevel: 'info',
      stream: { write: (line) => shown.push(line) },
    },
    components: { source: 'debug', stream: 'error' },
  })
  logger.debug('1')
  logger.info('2')
  logger.child({ component: 'source' }).debug('3')
  logger.child({ component: 'stream' }).warn('4')
  logger.child({ component: 'backfill' }).warn('5')
  const messages = (lines: readonly string[]) =>
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect(messages(shown)).toEqual(['3', '5'])
  expect(messages(linesIn(file))).toEqual(['2', '3', '5'])
})

test('levels that change while a logger is in use hold for its children too, from and to silence', async () => {
  const file = join(folder(), 'tapelake.log')
  const shown: string[] = []
  const stream = { write: (line: string) => shown.push(line) }
  const levels: { level: LogLevel; fileLevel: LogLevel; components?: Record<string, LogLevel> } = {
    ...{ level: 'silent', fileLevel: 'warn' },
  }
  const options = { pretty: false, file, stream }
  const logger = await createLogger(Object.assign(levels, options))
  const child = logger.child({ component: 'source' })
  child.error('1')
  Object.assign(levels, { level: 'info', fileLevel: 'debug' })
  child.debug('2')
  child.info('3')
  levels.components = { source: 'error' }
  child.warn('4')
  Object.assign(levels, { level: 'silent', components: undefined })
  child.error('5')
  const messages = (lines: readonly string[]) =>
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect(messages(shown)).toEqual(['3'])
  expect(messages(linesIn(file))).toEqual(['1', '2', '3', '5'])
})
