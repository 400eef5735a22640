import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createOutput, flushed, wantsColor } from '../../src/cli/output.ts'
import { CollectingStream } from '../support/cli.ts'

function output() {
  const stdout = new CollectingStream()
  const stderr = new CollectingStream()
  const terminal = { argv: [], env: {}, cwd: '/', stdout, stderr }
  return { stdout, stderr, out: createOutput({ terminal, quiet: false, color: true }) }
}

describe('output', () => {
  test('a JSON document begins with its schema; numbers beyond 2^53 become strings', () => {
    const { stdout, out } = output()
    expect(out.hasJson).toBe(false)
    out.json('tapelake.test', 3, { small: 7n, large: 2n ** 60n, missing: undefined, none: null })
    expect(out.hasJson).toBe(true)
    expect(stdout.text).toMatch(/^\{\n {2}"schema"/)
    expect(JSON.parse(stdout.text)).toEqual({
      schema: { name: 'tapelake.test', version: 3 },
      small: 7,
      large: '1152921504606846976',
      none: null,
    })
  })

  test('a table has no rules, aligned columns and no blanks at the ends of lines', async () => {
    const { stdout, out } = output()
    await out.table(
      ['name', 'rows', ''],
      [
        ['SPY', '10', ''],
        ['A', '2,000', 'x'],
      ],
      { right: [1] },
    )
    expect(stdout.text).toBe('name   rows\nSPY      10\nA     2,000  x\n')
  })

  test('data goes to stdout, notes to stderr', () => {
    const { stdout, stderr, out } = output()
    out.line('data')
    out.line()
    out.note('note')
    expect([stdout.text, stderr.text]).toEqual(['data\n\n', 'note\n'])
  })

  test('colours are for terminals that can show them', () => {
    const terminal = Object.assign(new CollectingStream(), { isTTY: true })
    expect(wantsColor(terminal, {}, true)).toBe(true)
    expect(wantsColor(terminal, { TERM: 'dumb' }, true)).toBe(false)
    expect(wantsColor(terminal, { NO_COLOR: '1' }, true)).toBe(false)
    expect(wantsColor(terminal, { NO_COLOR: '' }, true)).toBe(true)
    expect(wantsColor(terminal, {}, false)).toBe(false)
    expect(wantsColor(new CollectingStream(), { FORCE_COLOR: '0' }, true)).toBe(false)
  })
})

describe('flushed', () => {
  test('waits for a slow stream, and not for one that is empty or gone', async () => {
    const written: string[] = []
    const slow = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk.toString())
        setImmediate(done)
      },
    })
    slow.write('a')
    slow.write('b')
    await flushed(slow)
    expect(written.slice(0, 2)).toEqual(['a', 'b'])
    await flushed(slow)
    slow.destroy()
    await flushed(slow)
  })

  test('does not wait for a stream that breaks', async () => {
    const broken = new Writable({
      write(_chunk, _encoding, done) {
        setImmediate(() => done(new Error('gone')))
      },
    })
    broken.on('error', () => undefined)
    broken.write('a')
    await expect(flushed(broken)).resolves.toBeUndefined()
  })
})
