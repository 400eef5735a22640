import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder, runHere } from '../support/cli.ts'

const TUESDAY = '2025-06-11T02:00:00Z'
const ENV = { TAPELAKE_NOW: TUESDAY, TAPELAKE__BACKFILL__DEFAULT_SESSIONS: '1' }

const state = (dataDir: string) => join(dataDir, 'state/schedule.json')
function place(doneUntil?: string): { dataDir: string; args: string[] } {
  const dataDir = freshFolder()
  if (doneUntil !== undefined) {
    mkdirSync(join(dataDir, 'state'))
    const document = { schema: { name: 'tapelake.schedule', version: 1 }, doneUntil }
    writeFileSync(state(dataDir), JSON.stringify(document))
  }
  const args = ['schedule', '--tickers', 'SPY', '--source', 'simulator', '--workers', '1']
  return { dataDir, args: [...args, '--data-dir', dataDir] }
}

describe('schedule', () => {
  test('makes up for a night that was missed, as a run of its own, and notes it', async () => {
    const { dataDir, args } = place('2025-06-09T12:00:00.000Z')
    const file = join(freshFolder(), 'tapelake.prom')
    const run = await runHere([...args, '--at', '01:30', '--once', '--metrics-textfile', file], { env: ENV })
    expect(readFileSync(file, 'utf8')).toMatch(/^tapelake_calls_total\{command="nightly"\} 1$/m)
    expect(readFileSync(file, 'utf8')).toMatch(/^tapelake_run_exit_code\{command="nightly"\} 0$/m)
    expect([run.code, run.stdout]).toEqual([0, expect.stringMatching(/ok +backfill .* 1 call\n/)])
    expect(run.stderr).toMatch(/the night of 2025-06-11T01:30:00.000Z was missed: made up for now/)
    expect(JSON.parse(readFileSync(state(dataDir), 'utf8'))).toMatchObject({
      doneUntil: '2025-06-11T02:00:00.000Z',
    })
    const runs = await runHere(['runs', '--json', '--data-dir', dataDir])
    expect(JSON.parse(runs.stdout)).toMatchObject({ runs: [{ command: 'nightly', state: 'ok' }] })
  })

  test('waits for the next night where none was missed, and ends well when it is told to', async () => {
    const { dataDir, args } = place()
    const run = await runHere([...args, '--metrics-port', '0'], {
      env: ENV,
      signals: [{ after: /next night/, send: 'SIGTERM' }],
    })
    expect([run.code, run.stdout]).toEqual([0, ''])
    expect(run.stderr).toMatch(/metrics: http:\S+\/metrics/)
    expect(run.stderr).toMatch(/next night at 2025-06-12T02:00:00.000Z, in 24 h/)
    expect(JSON.parse(readFileSync(state(dataDir), 'utf8'))).toMatchObject({
      doneUntil: '2025-06-11T02:00:00.000Z',
    })
  })

  test('goes on after a night that failed, and refuses a time that never comes', async () => {
    const { args } = place('2025-06-10T12:00:00.000Z')
    const bad = await runHere([...args, '--at', '01:30', '--once'], {
      env: { ...ENV, TAPELAKE__NIGHTLY__DATASETS: 'nonsense' },
    })
    expect([bad.code, bad.stderr]).toEqual([0, expect.stringMatching(/the night failed: .*nonsense/)])
    const never = await runHere([...args, '--at', '0 0 31 2 *'], { env: ENV })
    expect([never.code, never.stderr]).toEqual([2, expect.stringContaining('never comes')])
    const wrong = await runHere([...args, '--at', 'soon'], { env: ENV })
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('a time like 02:00')])
  })
})
