import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freshFolder } from '../support/cli.ts'
import { expectVerified } from '../support/crash/witness.ts'
import { unfinishedBelow } from '../support/lake.ts'
import { startRecorder } from './stream-recorder.ts'
import { DATE, lakeBars, openMarket, restBars, type Market } from './stream-world.ts'

/** The session before {@link DATE}: held when the recorder starts. */
const BEFORE = '2025-06-09'
const EARLIER = '2025-06-06'

interface Beside {
  /** Arguments; `folder` is the test's own and holds `day.csv` and `backup`. */
  readonly args: (folder: string) => string
  /** Exit codes of it while a session is being recorded. */
  readonly codes?: readonly number[]
}

const READERS: readonly Beside[] = [
  { args: (folder) => `backup ${join(folder, 'another')}` },
  { args: () => 'verify --deep' },
  { args: () => 'query SELECT(count(*))FROM"equity_bars_1m"' },
  { args: () => 'status' },
  { args: () => 'health', codes: [0, 1, 3] },
  { args: () => `quality --ticker SPY --from ${BEFORE} --to ${DATE}` },
]

const COMMANDS: Readonly<Record<string, readonly Beside[]>> = {
  backfill: [{ args: () => `backfill --ticker SPY --from ${EARLIER} --to ${EARLIER} --force --wait 60` }],
  'backfill of another ticker': [
    { args: () => `backfill --ticker QQQ --from ${BEFORE} --to ${BEFORE} --force` },
  ],
  'backfill --recheck': [{ args: () => `backfill --ticker SPY --recheck --wait 60` }],
  import: [{ args: (folder) => `import ${join(folder, 'day.csv')} --synthetic --force --wait 60` }],
  compact: [{ args: () => 'compact --keep-days 1 --wait 60' }],
  reprocess: [{ args: () => 'reprocess --wait 60' }],
  'gaps --repair': [{ args: () => 'gaps --repair --ticker SPY --wait 60', codes: [0, 3] }],
  'all that read, at once': READERS,
}

test.each(Object.entries(COMMANDS))(
  'a session is recorded whole beside %s, again and again',
  { timeout: 120_000 },
  async (_name, commands) => {
    const market = await openMarket({ startOnSubscribe: 1 })
    const { place } = market
    const folder = await prepare(market)
    const recorder = startRecorder(place, 'stream --ticker SPY --ignore-hours')
    await recorder.connected
    let isOver = false
    void recorder.ended.then(() => (isOver = true))
    let times = 0
    for (; !isOver; times++) {
      const runs = await Promise.all(commands.map(({ args }) => place.run(args(folder))))
      for (const [i, run] of runs.entries()) {
        expect(commands[i]!.codes ?? [0], `${run.stderr}${run.stdout}`).toContain(run.code)
      }
    }
    expect(times).toBeGreaterThan(0)
    const { code, document } = await recorder.document()
    expect(document.cells).toMatchObject([{ ticker: 'SPY', date: DATE, state: 'complete' }])
    expect(code).toBe(0)
    const truth = await restBars(market, ['SPY'])
    expect((await lakeBars(place)).filter((line) => isOf(line, DATE))).toEqual(truth)
    expect(await unfinishedBelow(place.dataDir)).toEqual([])
    await expectVerified(place.dataDir)
  },
)

test('a restore is refused while a session is recorded, names the recorder, and can wait for its end', async () => {
  const market = await openMarket({ start: `${DATE}T15:00:00Z`, speed: 1 })
  const { place } = market
  const folder = await prepare(market)
  const held = await lakeBars(place)
  const recorder = startRecorder(place, 'stream --ticker SPY', {
    ...{ TAPELAKE_NOW: `${DATE}T15:00:00Z`, TAPELAKE__STREAM__DRAIN_SECONDS: '1' },
  })
  await recorder.connected
  const restore = `restore ${join(folder, 'backup')}`
  const refused = await place.run(restore)
  expect(refused).toMatchObject({ code: 6, stdout: '' })
  expect(refused.stderr).toContain(`process ${recorder.child.pid} records SPY`)
  const waiting = place.run(`${restore} --wait 60`)
  recorder.child.kill('SIGTERM')
  expect((await recorder.ended).code).toBe(143)
  expect((await waiting).code).toBe(0)
  expect(await lakeBars(place)).toEqual(held)
  await expectVerified(place.dataDir)
})

/** A line of {@link lakeBars} that belongs to `ticker` SPY and the session of `date`, 08:00Z to midnight. */
const isOf = (line: string, date: string): boolean => line.startsWith(`SPY ${date}`)

/** A lake that holds the sessions before, and a folder with a day file and a backup of it. */
async function prepare({ place }: Market): Promise<string> {
  const folder = freshFolder()
  const run = await place.run(`backfill --ticker SPY --from ${EARLIER} --to ${BEFORE}`)
  expect(run.code, run.stderr).toBe(0)
  expect((await place.run(`backup ${join(folder, 'backup')}`)).code).toBe(0)
  const at = Date.parse(`${EARLIER}T14:00:00Z`)
  writeFileSync(
    join(folder, 'day.csv'),
    `ticker,volume,open,close,high,low,window_start,transactions\nSPY,5,7,7,7,7,${at}000000,1\n`,
  )
  return folder
}
