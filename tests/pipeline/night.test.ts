import { describe, expect, test } from 'vitest'
import { AuthenticationError, EXIT, InterruptedError, type ExitCode } from '../../src/core/errors.ts'
import { exitCodeOfNight, runNight, type NightStep } from '../../src/pipeline/night.ts'

const step = (name: string, exitCode: ExitCode): NightStep => ({
  name,
  run: async () => ({ exitCode, detail: name }),
})
const throwing = (name: string, error: Error): NightStep => ({ name, run: () => Promise.reject(error) })

async function codeOf(steps: readonly NightStep[]): Promise<ExitCode> {
  return exitCodeOfNight(await runNight(steps, () => undefined, new AbortController().signal))
}

describe('a night', () => {
  test('goes on after a step that failed, and tells of each', async () => {
    const told: string[] = []
    const steps = [
      step('first', 0),
      throwing('second', new TypeError('broken')),
      { ...step('third', 0), skip: 'none are configured' },
      step('fourth', 3),
    ]
    const reports = await runNight(steps, ({ name }) => told.push(name), new AbortController().signal)
    expect(told).toEqual(['first', 'second', 'third', 'fourth'])
    expect(reports.map(({ state }) => state)).toEqual(['ok', 'failed', 'skipped', 'partial'])
    expect(reports[1]).toMatchObject({ detail: 'broken', error: 'INTERNAL', exitCode: 1 })
  })

  test('ends when it is interrupted, and begins nothing more', async () => {
    const controller = new AbortController()
    const stopping: NightStep = {
      name: 'stops',
      run: async () => {
        controller.abort(new InterruptedError('interrupted'))
        return { exitCode: 0, detail: 'half of it' }
      },
    }
    const reports = await runNight([stopping, step('next', 0)], () => undefined, controller.signal)
    expect(reports.map(({ state }) => state)).toEqual(['interrupted', 'skipped'])
    expect(exitCodeOfNight(reports)).toBe(EXIT.sigint)
  })

  test.each<[string, NightStep[], ExitCode]>([
    ['all is well', [step('a', 0), step('b', 0)], 0],
    ['one is partly done', [step('a', 0), step('b', 3)], 3],
    ['one failed', [step('a', 0), step('b', 1)], 3],
    ['all failed', [step('a', 1), step('b', 1)], 1],
    ['the key is refused', [throwing('a', new AuthenticationError('no')), step('b', 4), step('c', 0)], 4],
    ['the plan covers nothing of it', [step('a', 0), step('b', 4), step('c', 0)], 3],
    ['one ticker is refused', [step('a', 3), step('b', 4), step('c', 0)], 3],
    ['the budget is spent', [step('a', 7), step('b', 3)], 7],
  ])('has the exit code that a script needs where %s', async (_what, steps, expected) => {
    expect(await codeOf(steps)).toBe(expected)
  })
})
