import { rmSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isRunning, listProcesses, registerProcess, stopProcess } from '../../src/lake/process-registry.ts'
import { killHard, startOther } from '../support/holder.ts'
import { testRoot } from '../support/lake.ts'

const never = () => new AbortController().signal
const NOTE = { kind: 'worker', command: 'backfill-all', run: 'run-1', state: 'idle' } as const

/** Another process that is registered in `root`; on SIGTERM it does what `onTerm` says. */
async function otherProcess(root: string, onTerm = 'process.exit(0)') {
  const child = await startOther(`
    import { registerProcess } from './src/lake/process-registry.ts'
    process.on('SIGTERM', () => { ${onTerm} })
    await registerProcess(${JSON.stringify(root)}, ${JSON.stringify({ ...NOTE, ticker: 'SPY' })})
    console.log('ready')
    setInterval(() => undefined, 1000)
  `)
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

describe('the process registry', () => {
  test('lists who works in the data directory, with what and since when, until it ends', async () => {
    const root = testRoot()
    const mine = await registerProcess(root, { ...NOTE, parent: 1 })
    const [before] = await listProcesses(root)
    expect(before).toMatchObject({ pid: process.pid, ...NOTE, parent: 1 })
    mine.update({ state: 'recording', ticker: 'SPY' })
    mine.update({ state: 'idle', ticker: undefined })
    mine.update({ state: 'recording', ticker: 'QQQ' })
    await expect.poll(async () => (await listProcesses(root))[0]?.ticker).toBe('QQQ')
    const [after] = await listProcesses(root)
    expect(after).toMatchObject({ state: 'recording', startedAt: before!.startedAt })
    expect(after!.since >= before!.since).toBe(true)
    await mine.remove()
    expect(await listProcesses(root)).toEqual([])
  })

  test('forgets a process that was killed with SIGKILL', async () => {
    const root = testRoot()
    const other = await otherProcess(root)
    expect(await listProcesses(root)).toMatchObject([{ pid: other.pid, ticker: 'SPY' }])
    await killHard(other)
    expect(await listProcesses(root)).toEqual([])
    expect(await readdir(join(root, 'state/processes'))).toEqual([])
  })

  test('sweeps what a killed process left half-written, and nothing of one that is at work', async () => {
    const root = testRoot()
    const [dead, working] = [await otherProcess(root), await otherProcess(root)]
    await killHard(dead)
    const folder = join(root, 'state/processes')
    const halves = [dead, working].map(({ pid }) => `${pid}.json.tmp`)
    for (const half of halves) await writeFile(join(folder, half), '{"schema"')
    const mine = await registerProcess(root, NOTE)
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([halves[1]])
    await mine.remove()
  })

  test('does not take another process with the same pid for the one that was registered', async () => {
    const root = testRoot()
    const mine = await registerProcess(root, NOTE)
    const [entry] = await listProcesses(root)
    const past = { ...entry!, started: 'another boot:1' }
    await writeFile(join(root, `state/processes/${process.pid}.json`), JSON.stringify(past))
    expect(await listProcesses(root)).toEqual([])
    expect(await isRunning(past)).toBe(false)
    expect(await stopProcess(root, past, 1000, never())).toBe('ended') // this process still runs
    await mine.remove()
  })

  test('is empty where nobody ever worked, and does not believe foreign files', async () => {
    const root = testRoot()
    expect(await listProcesses(root)).toEqual([])
    await (await registerProcess(root, NOTE)).remove()
    await writeFile(join(root, 'state/processes/7.json'), '{"pid":7}')
    await writeFile(join(root, 'state/processes/8.json'), '{"pi')
    expect(await listProcesses(root)).toEqual([])
  })

  test('keeps nobody from working where it cannot be written', async () => {
    const root = testRoot()
    await writeFile(join(root, 'state'), 'a file where a folder should be')
    const mine = await registerProcess(root, NOTE)
    mine.update({ state: 'recording' })
    await mine.remove()
    expect(await listProcesses(root)).toEqual([])
  })
})

describe('stopping a process', () => {
  test('asks first, and lets it end by itself', async () => {
    const root = testRoot()
    const other = await otherProcess(root, 'setTimeout(() => process.exit(7), 50)')
    const code = new Promise((resolve) => other.once('exit', resolve))
    const [entry] = await listProcesses(root)
    expect(await stopProcess(root, entry!, 10_000, never())).toBe('ended')
    expect(await code).toBe(7)
  })

  test('does not kill one that has ended its work and only waits for a reader of its output', async () => {
    const root = testRoot()
    const other = await otherProcess(root, '')
    const [entry] = await listProcesses(root)
    setTimeout(() => rmSync(join(root, `state/processes/${entry!.pid}.json`)), 50)
    expect(await stopProcess(root, entry!, 10_000, never())).toBe('ended')
    expect(await isRunning(entry!)).toBe(true)
    await killHard(other)
  })

  test('kills it when it does not end within the deadline', async () => {
    const root = testRoot()
    await otherProcess(root, '')
    const [entry] = await listProcesses(root)
    expect(await stopProcess(root, entry!, 100, never())).toBe('killed')
    expect(await listProcesses(root)).toEqual([])
  })
})
