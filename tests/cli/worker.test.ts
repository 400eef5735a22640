import { describe, expect, onTestFinished, test } from 'vitest'
import { createBareContext, createRunContext } from '../../src/cli/context.ts'
import { createBoard } from '../../src/cli/progress-board.ts'
import { runWorker } from '../../src/cli/worker-run.ts'
import { listProcesses } from '../../src/lake/process-registry.ts'
import { parentPort } from '../../src/pipeline/workers/worker.ts'
import type { FromWorker, ToWorker } from '../../src/pipeline/workers/messages.ts'
import { cliEnv, CollectingStream, freshFolder, runHere } from '../support/cli.ts'

const never = new AbortController().signal

/** What `tapelake worker` gets, in a fresh data directory. */
async function contextFor(env: Record<string, string>) {
  const cwd = freshFolder()
  const terminal = {
    ...{ argv: ['worker'], env: cliEnv({ TAPELAKE_NOW: '2025-06-11T02:00:00Z', ...env }), cwd },
    ...{ stdout: new CollectingStream(), stderr: new CollectingStream() },
  }
  const flags = { json: false, quiet: true, progress: false, verbose: 0, color: false }
  const signals = {
    ...{ graceful: never, immediate: never, exitCode: undefined },
    dispose: () => undefined,
  }
  return await createRunContext(
    createBareContext({ terminal, flags, signals, settingFlags: {}, runId: 'run-1' }),
  )
}

/** The run's end of a pipe to a worker: says `unit` when it is ready, then stop. */
function pipe(unit: ToWorker) {
  const heard: FromWorker[] = []
  let listen: (message: ToWorker | undefined) => void = () => undefined
  return {
    heard,
    send(message: FromWorker): void {
      heard.push(message)
      if (message.kind === 'ready') setImmediate(() => listen(unit))
      if (message.kind === 'done') setImmediate(() => listen({ kind: 'stop', now: false }))
    },
    settled: () => Promise.resolve(),
    onMessage: (listener: (message: ToWorker | undefined) => void) => void (listen = listener),
  }
}

const day = { from: '2025-06-10', to: '2025-06-10' }
const UNIT: ToWorker = {
  ...{
    kind: 'unit',
    id: 1,
    dataset: 'equity_bars_1m',
    ticker: 'SPY',
    range: day,
    whole: day,
    memory: {},
    wanted: [],
  },
  ...{ nowMs: Date.parse('2025-06-11T02:00:00Z'), force: false, lockWaitMs: 0 },
}

describe('a worker', () => {
  test('records what its run hands out, tells all of it, and leaves the registry', async () => {
    const context = await contextFor({})
    const port = pipe(UNIT)
    expect(await runWorker(context, { source: 'simulator' }, port)).toBe(0)
    const kinds = port.heard.map(({ kind }) => kind).filter((kind) => kind !== 'alive' && kind !== 'event')
    expect(kinds).toEqual(['ready', 'item', 'settled', 'done'])
    expect(port.heard.at(-1)).toMatchObject({ id: 1, result: { rows: 960, failures: 0 } })
    expect(await listProcesses(context.config.dataDir)).toEqual([])
  })

  test('tells its run why it cannot work', async () => {
    const context = await contextFor({})
    const port = pipe(UNIT)
    await expect(runWorker(context, { source: 'polygon' }, port)).rejects.toThrow('no API key')
    expect(port.heard.at(-1)).toMatchObject({ kind: 'failed', error: { exitCode: 4 } })
  })

  test('cannot be started by hand', async () => {
    expect(() =>
      parentPort(Object.assign(Object.create(process) as NodeJS.Process, { send: undefined })),
    ).toThrow('a worker is started by backfill-all')
    expect((await runHere(['worker', '--source', 'nonsense'])).code).toBe(2)
    const kept = Object.getOwnPropertyDescriptor(process, 'send')!
    onTestFinished(() => void Object.defineProperty(process, 'send', kept))
    Object.assign(process, { send: undefined })
    const typed = await runHere(['worker', '--source', 'simulator'])
    Object.defineProperty(process, 'send', kept)
    expect(typed.code).not.toBe(0)
    expect(typed.stderr).toContain('a worker is started by backfill-all')
  })
})

describe('the board of many tickers', () => {
  const row = (label: string, done: number, finished: boolean) => ({
    ...{ label, done, total: 5, finished, fields: { rows: done * 10, calls: 1 } },
  })

  test('writes a line for a ticker that is finished and the totals now and then, without a terminal', async () => {
    const stream = new CollectingStream()
    let nowMs = 0
    const board = await createBoard({ enabled: true, stream, now: () => nowMs })
    board.row(0, row('SPY', 3, false))
    board.row(0, row('SPY', 5, true))
    board.row(0, row('SPY', 5, true))
    board.totals(row('all', 5, false))
    nowMs = 10_000
    board.totals(row('all', 7, false))
    board.note('a note')
    board.stop()
    expect(stream.text).toBe('SPY: 5 of 5  50 rows · 1 call\nall: 7 of 5  70 rows · 1 call\na note\n')
  })

  test('shows rows that move on a terminal, as many as fit, and the totals', async () => {
    const stream = Object.assign(new CollectingStream(), { isTTY: true, rows: 7, columns: 80 })
    const terminal = Object.assign(stream, {
      cursorTo: () => true,
      moveCursor: () => true,
      clearLine: () => true,
    })
    const board = await createBoard({ enabled: true, stream: terminal })
    for (const key of [0, 1, 2]) board.row(key, row(`T${key}`, 1, false))
    board.row(3, row('T3', 1, false)) // no room
    board.row(0, row('T0', 5, true))
    board.row(4, row('T4', 2, false)) // takes the place of the one that is finished
    board.totals(row('all', 9, false))
    board.note('a note')
    board.stop()
    expect(stream.text).toMatch(/all[^\n]*90 rows/)
    expect(stream.text).toMatch(/T4[^\n]*20 rows/)
    expect(stream.text).not.toMatch(/T3/)
  })

  test('is silent when it is switched off, but for notes', async () => {
    const stream = new CollectingStream()
    const board = await createBoard({ enabled: false, stream })
    board.row(0, row('SPY', 5, true))
    board.totals(row('all', 5, true))
    board.note('a note')
    board.stop()
    expect(stream.text).toBe('a note\n')
  })
})
