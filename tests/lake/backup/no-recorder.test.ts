import { expect, test } from 'vitest'
import { LockedError } from '../../../src/core/errors.ts'
import { waitForRecorders } from '../../../src/lake/backup/no-recorder.ts'
import { registerProcess } from '../../../src/lake/process-registry.ts'
import { testRoot } from '../../support/lake.ts'

const never = () => new AbortController().signal
const recorder = { kind: 'stream', command: 'stream', run: 'run-1', state: 'recording' } as const

test('goes on at once where nobody records a live session, whatever else is at work', async () => {
  const root = testRoot()
  const other = await registerProcess(root, { ...recorder, kind: 'run', command: 'backfill', ticker: 'SPY' })
  await expect(waitForRecorders(root, 0, never())).resolves.toBeUndefined()
  await other.remove()
})

test('names the recorder, what it records and the way out where it is still at work at the end of the wait', async () => {
  const root = testRoot()
  const spy = await registerProcess(root, { ...recorder, ticker: 'SPY' })
  const refused = waitForRecorders(root, 150, never())
  await expect(refused).rejects.toThrow(LockedError)
  await expect(refused).rejects.toMatchObject({
    message: expect.stringContaining(`process ${process.pid} records SPY into ${root}, since `) as string,
    hint: expect.stringContaining(`kill ${process.pid}`) as string,
  })
  await spy.remove()
  const nameless = await registerProcess(root, recorder)
  await expect(waitForRecorders(root, 0, never())).rejects.toThrow(/records a live session into/)
  await nameless.remove()
})

test('goes on as soon as the recorder has ended', async () => {
  const root = testRoot()
  const spy = await registerProcess(root, { ...recorder, ticker: 'SPY' })
  let waiting = true
  const waited = waitForRecorders(root, 60_000, never()).then(() => (waiting = false))
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect(waiting).toBe(true)
  await spy.remove()
  await waited
  expect(waiting).toBe(false)
})

test('ends with its signal while it waits', async () => {
  const root = testRoot()
  const spy = await registerProcess(root, { ...recorder, ticker: 'SPY' })
  const controller = new AbortController()
  const waited = waitForRecorders(root, 60_000, controller.signal)
  setTimeout(() => controller.abort(), 50)
  await expect(waited).rejects.toMatchObject({ code: expect.stringMatching(/interrupted/i) as string })
  await spy.remove()
})
