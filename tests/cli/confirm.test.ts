import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { confirm } from '../../src/cli/confirm.ts'

const NEVER = new AbortController().signal

/** A terminal at which somebody types `answer`. */
function terminal(answer: string, isTTY = true) {
  const stdin = Object.assign(new PassThrough(), { isTTY })
  const stderr = Object.assign(new PassThrough(), { isTTY })
  stdin.write(`${answer}\n`)
  return { stdin, stderr }
}

describe('confirm', () => {
  test.each([
    ['y', true],
    ['Yes ', true],
    ['', false],
    ['no', false],
    ['yesterday', false],
  ])('takes %o for %o', async (answer, expected) => {
    const asked = terminal(answer)
    expect(await confirm('Drop 2 rows?', NEVER, asked)).toBe(expected)
    expect(String(asked.stderr.read())).toContain('Drop 2 rows? [y/N]')
  })

  test('refuses where nobody can be asked', async () => {
    await expect(confirm('Drop 2 rows?', NEVER, terminal('y', false))).rejects.toThrow(
      'Drop 2 rows: nobody can be asked here',
    )
  })
})
