import { expect, test } from 'vitest'
import { freshFolder, runHere } from '../support/cli.ts'
import { DATE, openMarket } from './stream-world.ts'

const QUICK = { TAPELAKE_NOW: '2025-07-07T02:00:00Z', TAPELAKE__STREAM__REPLAY_QUIET_MS: '150' }

test('without a key the simulator plays the last finished session, and the table shows what was recorded', async () => {
  const dataDir = freshFolder()
  const words = ['stream', '--ticker', 'SPY', '--source', 'simulator', '--data-dir', dataDir]
  const { code, stdout, stderr } = await runHere(words, { env: QUICK })
  expect(code).toBe(0)
  expect(stderr).toMatch(/recording the session of 2025-07-03 until 21:00Z \(early close\)/)
  expect(stdout).toMatch(/equity_bars_1m +SPY +2025-07-03 +\d+ +\d+ +complete +recorded live, reconciled/)
  const again = await runHere([...words, '--speed', 'max', '--quiet'], { env: QUICK })
  expect(again.code).toBe(0)
  expect(again.stdout).toMatch(/complete +it was complete before/)
})

test('without a key the simulator plays a session of options too', async () => {
  const dataDir = freshFolder()
  const tail = ['--source', 'simulator', '--data-dir', dataDir]
  const found = ['discover', '--date', '2025-07-03', '--strike-range', '0.002']
  expect((await runHere([...found, ...tail], { env: QUICK })).code).toBe(0)
  const { code, stdout } = await runHere(['stream-options', '--date', '2025-07-03', ...tail], { env: QUICK })
  expect(stdout).toMatch(
    /option_bars_1m +SPY +2025-07-03 +[\d,]+ +[\d,]+ +complete +recorded live, reconciled/,
  )
  expect(code).toBe(0)
})

test('holes, reconnects and oddities are told to people too', async () => {
  const market = await openMarket({
    start: '2025-06-10T14:00:30Z',
    faults: ['cut:at=10:30,for=300', 'unknown-events:at=11:00,first=1', 'corrupt-frames:at=12:00,first=1'],
  })
  const words = ['stream', '--ticker', 'SPY', '--ignore-hours', '--data-dir', market.place.dataDir]
  const { code, stdout, stderr } = await runHere(words, { env: market.place.env })
  expect(code).toBe(0)
  expect(stderr).toMatch(/disconnected: cut[^]*connected again/)
  expect(stdout).toMatch(/1 reconnect, \d+ calls; 1 unknown event kept, 1 broken event kept/)
  expect(stdout).toMatch(/hole AM 08:00Z to 14:0\dZ \(start\): closed, \d+ rows from REST/)
  expect(stdout).toMatch(/hole AM 14:\d\dZ to 14:3\dZ \(cut\): closed/)
})

test('option contracts are recorded in one series, and a day without any is no failure', async () => {
  const market = await openMarket({ start: '2025-06-10T13:25:00Z' })
  const { dataDir, env } = market.place
  const before = { ...env, TAPELAKE_NOW: '2025-06-10T13:25:00Z' }
  const found = ['discover', '--date', DATE, '--strike-range', '0.003', '--data-dir', dataDir]
  expect((await runHere(found, { env: before })).code).toBe(0)
  const { code, document } = await market.here(`stream-options --date ${DATE} --ignore-hours`)
  expect(document.cells).toMatchObject([{ dataset: 'option_bars_1m', ticker: 'SPY', state: 'complete' }])
  expect(code).toBe(0)
  const none = [
    'discover',
    '--date',
    DATE,
    '--strike-range',
    '0',
    '--underlying',
    'KO',
    '--data-dir',
    dataDir,
  ]
  await runHere(none, { env: before })
  const empty = await market.here(`stream-options --date ${DATE} --underlying KO --ignore-hours`)
  expect(empty.code).toBe(0)
  expect(empty.document.reason).toMatch(/no contracts of KO on 2025-06-10/)
})
