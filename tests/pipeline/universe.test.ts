import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { universeOf } from '../../src/pipeline/universe.ts'
import { freshFolder } from '../support/cli.ts'

describe('the universe', () => {
  test('is the tickers given and those in files, each once, in order', () => {
    const cwd = freshFolder()
    writeFileSync(join(cwd, 'more.txt'), '# the big ones\nAAPL, MSFT\n\nSPY  # again\r\nBRK.B I:VIX\n')
    expect(universeOf(['SPY', '@more.txt', 'QQQ'], cwd)).toEqual([
      'SPY',
      'AAPL',
      'MSFT',
      'BRK.B',
      'I:VIX',
      'QQQ',
    ])
  })

  test('is refused with the word, the file and the line that are wrong', () => {
    const cwd = freshFolder()
    writeFileSync(join(cwd, 'bad.txt'), 'SPY\n../x\n')
    expect(() => universeOf(['../x'], cwd)).toThrow("'../x' is not a ticker")
    expect(() => universeOf(['@bad.txt'], cwd)).toThrow(`${join(cwd, 'bad.txt')}:2: '../x' is not a ticker`)
    expect(() => universeOf(['@no.txt'], cwd)).toThrow(/file of tickers cannot be read.*no\.txt/)
    expect(() => universeOf([], cwd)).toThrow(UsageError)
  })

  test('tells capitals from small letters, as symbols do, and asks what was meant', () => {
    const real = ['BACpL', 'ABRpD', 'ABCw', 'ABCr', 'BRK.A', 'O:SPY250606C00500000']
    expect(universeOf(real, '.')).toEqual(real)
    for (const [typed, meant] of [
      ['spy', 'SPY'],
      ['Spy', 'SPY'],
      ['brk.b', 'BRK.B'],
    ] as const)
      expect(() => universeOf([typed], '.')).toThrow(`'${typed}' is not a ticker: did you mean ${meant}?`)
  })
})
