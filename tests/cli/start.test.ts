import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { Register } from '../../src/cli/cli.ts'
import { startProgram, type Host } from '../../src/cli/start.ts'
import { CollectingStream, cliEnv } from '../support/cli.ts'

/** A stand-in for `process` that can be ended without ending this one. */
function createHost(argv: readonly string[]) {
  const events = new EventEmitter()
  const stdout = new CollectingStream()
  const stderr = new CollectingStream()
  const codes: unknown[] = []
  const host = {
    argv: ['node', 'tapelake', ...argv],
    env: cliEnv(),
    cwd: () => '/',
    stdout,
    stderr,
    on: events.on.bind(events),
    exit: (code: unknown) => void codes.push(code),
  }
  return { host: host as unknown as Host, events, stdout, stderr, codes }
}

const speak: Register = (program, cli) =>
  void program.command('speak').action(cli.bareAction(async ({ out }) => out.line('hello')))
const wait: Register = (program, cli) =>
  void program.command('wait').action(cli.bareAction(() => new Promise(() => undefined)))

describe('the program as a whole', () => {
  test('ends the process with its exit code, after everything is printed', async () => {
    const { host, stdout, codes } = createHost(['speak'])
    await startProgram(host, [speak])
    expect(stdout.text).toBe('hello\n')
    expect(codes).toEqual([0])
  })

  test('runs the real commands where no others are given', async () => {
    const { host, stderr, codes } = createHost(['nonsense'])
    await startProgram(host)
    expect(stderr.text).toContain("unknown command 'nonsense'")
    expect(codes).toEqual([2])
  })

  test('goes on quietly when its reader goes away, and complains when stdout fails otherwise', async () => {
    const { host, stdout, stderr, codes } = createHost(['speak'])
    const ended = startProgram(host, [speak])
    stdout.emit('error', Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))
    await ended
    expect([stderr.text, codes]).toEqual(['', [0]])
    expect(() => stdout.emit('error', new Error('disk full'))).toThrow('disk full')
    expect(() => stderr.emit('error', new Error('gone'))).not.toThrow()
  })

  test('goes on to its end when its terminal is closed: what it did is still to be saved', () => {
    const { host, stdout, stderr, codes } = createHost(['wait'])
    const closed = Object.assign(new Error('write EIO'), { code: 'EIO' })
    void startProgram(host, [wait])
    expect(() => stdout.emit('error', closed)).toThrow('EIO') // a file on a disk that fails
    Object.assign(stdout, { isTTY: true })
    stdout.emit('error', closed)
    expect([stderr.text, codes]).toEqual(['', []])
  })

  test.each(['uncaughtException', 'unhandledRejection'])('tells of an %s and ends with 1', async (event) => {
    const { host, events, stderr, codes } = createHost(['wait'])
    void startProgram(host, [wait])
    events.emit(event, new Error('lost token=0123456789'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(stderr.text).toMatch(/^tapelake: internal error: lost token=\[redacted\]\n/)
    expect(codes).toEqual([1])
  })
})
