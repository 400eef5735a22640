import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder } from '../support/cli.ts'
import { Place, simulate } from './world.ts'

/** A vendor that nobody may ask: these commands are refused before anything is sent. */
const NOBODY = 'http://127.0.0.1:9'

describe('a command line that makes no sense ends with exit 2 and names what is wrong', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'reversed dates',
      '--ticker SPY --from 2025-03-03 --to 2025-02-03',
      /--from 2025-03-03 is after --to 2025-02-03/,
    ],
    ['a date that does not exist', '--ticker SPY --from 2025-02-30', /--from.*2025-02-30/],
    ['a date in another style', '--ticker SPY --from 3/1/2025', /--from.*3\/1\/2025/],
    [
      'a date to come',
      '--ticker SPY --from 2025-06-02 --to 2025-12-01',
      /2025-12-01 is in the future.*\n.*2025-06-10/,
    ],
    ['a Saturday', '--ticker SPY --from 2025-05-31 --to 2025-05-31', /not a session.*weekend/],
    ['a holiday', '--ticker SPY --from 2025-01-09 --to 2025-01-09', /not a session.*(Carter|Mourning)/i],
    ['no days at all', '--ticker SPY --days 0', /--days/],
    [
      'both ways of naming the first session',
      '--ticker SPY --days 5 --from 2025-06-02',
      /--days.*--from|--from.*--days/,
    ],
    ['no ticker', '--days 5', /--ticker/],
    ['what is no ticker', '--ticker ../../etc --days 5', /'\.\.\/\.\.\/etc' is not a ticker/],
    ['an unknown dataset', '--ticker SPY --dataset candles', /candles/],
    ['an unknown timespan', '--ticker SPY --timespan fortnight', /fortnight/],
    ['an unknown source', '--ticker SPY --source yahoo', /yahoo/],
    ['an unknown flag', '--ticker SPY --form 2025-06-02', /--form/],
    ['a word too many', '--ticker SPY QQQ', /QQQ/],
  ]
  test.each(cases)('%s', async (_, flags, expected) => {
    const place = new Place(NOBODY)
    const { code, stdout, stderr } = await place.run(`backfill ${flags}`)
    expect(code).toBe(2)
    expect(stderr).toMatch(expected)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(stdout).toBe('')
    expect(place.paths()).toEqual([])
  })
})

describe('a ticker that the vendor does not know', () => {
  test('ends with exit 2 and leaves neither ledger nor lake file behind', async () => {
    const place = new Place((await simulate()).url)
    const { code, stderr } = await place.run('backfill --ticker SPYY --days 5')
    expect(code).toBe(2)
    expect(stderr).toMatch(/unknown ticker 'SPYY'/)
    expect(place.paths()).toEqual([])
  })

  test('does not keep the others of the same command from being recorded', async () => {
    const place = new Place((await simulate()).url)
    const { code, document } = await place.backfill('--ticker SPYY,SPY --days 2')
    expect(code).toBe(2)
    expect(document.error?.message).toMatch(/SPYY/)
    expect(document.sessions.filter(({ state }) => state === 'complete').map(({ ticker }) => ticker)).toEqual(
      ['SPY', 'SPY'],
    )
  })

  test('is told from one that was delisted, and from one that was not listed yet', async () => {
    const place = new Place((await simulate()).url)
    const { code, document } = await place.backfill('--ticker GONE,NEWC --from 2021-04-01 --to 2021-07-30')
    expect(code).toBe(0)
    expect(
      document.sessions.find(({ ticker, date }) => ticker === 'NEWC' && date === '2021-05-03'),
    ).toMatchObject({
      state: 'empty',
    })
    const after = await place.backfill('--ticker GONE --from 2025-06-02 --to 2025-06-06')
    expect(after).toMatchObject({ code: 0, document: { states: { empty: 5 } } })
  })
})

describe('a configuration with a mistake', () => {
  test('ends with exit 2 and names file, line, key and what was expected', async () => {
    const cwd = freshFolder()
    mkdirSync(join(cwd, 'config'))
    writeFileSync(join(cwd, 'config', 'settings.yaml'), 'backfill:\n  defaultSessions: 10\n  concurency: 2\n')
    const place = new Place(NOBODY)
    const { code, stderr } = await place.run('backfill --ticker SPY --days 5', { cwd })
    expect(code).toBe(2)
    expect(stderr).toMatch(/settings\.yaml:3.*concurency.*concurrency/s)
    expect(place.paths()).toEqual([])
  })

  test('of the wrong kind names what was expected instead', async () => {
    const cwd = freshFolder()
    mkdirSync(join(cwd, 'config'))
    writeFileSync(join(cwd, 'config', 'settings.yaml'), 'backfill:\n  concurrency: many\n')
    const { code, stderr } = await new Place(NOBODY).run('backfill --ticker SPY --days 5', { cwd })
    expect(code).toBe(2)
    expect(stderr).toMatch(/settings\.yaml:2.*backfill\.concurrency.*number.*many/s)
  })
})
