import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { createSignals } from '../../src/cli/signals.ts'

function listen(graceful: boolean) {
  const source = new EventEmitter()
  const told: string[] = []
  const signals = createSignals({
    graceful,
    source,
    onFirst: () => told.push('first'),
    onStuck: (code) => told.push(`stuck ${code}`),
  })
  return { source, told, signals }
}

describe('signals', () => {
  test('the first lets a graceful command finish, the second stops it, the third ends the process', () => {
    const { source, told, signals } = listen(true)
    expect(signals.exitCode).toBeUndefined()
    source.emit('SIGINT', 'SIGINT')
    expect([signals.graceful.aborted, signals.immediate.aborted]).toEqual([true, false])
    source.emit('SIGINT', 'SIGINT')
    expect(signals.immediate.aborted).toBe(true)
    expect(told).toEqual(['first'])
    source.emit('SIGINT', 'SIGINT')
    expect(told).toEqual(['first', 'stuck 130'])
    signals.dispose()
  })

  test('the first stops any other command', () => {
    const { source, told, signals } = listen(false)
    source.emit('SIGTERM', 'SIGTERM')
    expect([signals.graceful.aborted, signals.immediate.aborted, signals.exitCode]).toEqual([true, true, 143])
    expect(told).toEqual([])
    signals.dispose()
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ])('%s means exit code %i, whatever comes later', (name, code) => {
    const { source, signals } = listen(true)
    source.emit(name, name)
    source.emit('SIGINT', 'SIGINT')
    expect(signals.exitCode).toBe(code)
    expect(signals.immediate.reason).toMatchObject({ category: 'interrupted' })
    signals.dispose()
  })

  test('SIGHUP makes a command that reloads read its configuration again, and ends it where its terminal has gone', () => {
    const source = new EventEmitter()
    let [reloads, hungUp] = [0, false]
    const options = { onReload: () => void reloads++, hasHungUp: () => hungUp }
    const signals = createSignals({
      ...{ graceful: true, source, onFirst: () => undefined, onStuck: () => undefined },
      ...options,
    })
    source.emit('SIGHUP', 'SIGHUP')
    source.emit('SIGHUP', 'SIGHUP')
    expect([reloads, signals.graceful.aborted, signals.exitCode]).toEqual([2, false, undefined])
    hungUp = true
    source.emit('SIGHUP', 'SIGHUP')
    expect([reloads, signals.graceful.aborted, signals.exitCode]).toEqual([2, true, 143])
    signals.dispose()
  })

  test('are left to the system again afterwards', () => {
    const { source, signals } = listen(true)
    signals.dispose()
    expect(source.eventNames()).toEqual([])
  })
})
