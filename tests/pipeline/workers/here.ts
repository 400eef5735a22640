import { openLake } from '../../../src/lake/index.ts'
import { equityBars1m } from '../../../src/market/datasets/equity-bars.ts'
import { loadConfig, Secrets } from '../../../src/core/config/index.ts'
import { openHistorySource } from '../../../src/pipeline/open-source.ts'
import { planSeries, type SeriesPlan } from '../../../src/pipeline/plan.ts'
import type { BackfillAllOptions } from '../../../src/pipeline/workers/backfill-all.ts'
import { relayEvents, type FromWorker, type ToWorker } from '../../../src/pipeline/workers/messages.ts'
import type { WorkerHandle } from '../../../src/pipeline/workers/pool.ts'
import { serveUnits, WorkerInbox } from '../../../src/pipeline/workers/worker.ts'
import { polygonLimits } from '../../../src/sources/polygon/limits.ts'
import { freshFolder } from '../../support/cli.ts'
import { engine } from '../../support/lake.ts'

/** Tuesday 2025-06-10, 22:00 in New York. */
export const NOW_MS = Date.parse('2025-06-11T02:00:00Z')

export const never = (): AbortSignal => new AbortController().signal

/** Both ends of the pipe between a run and a worker, within this process. Messages go as JSON and a moment later. */
export class Pipe implements WorkerHandle {
  static #pids = 1000
  readonly pid = Pipe.#pids++
  /** What the run said, for workers that do not listen. */
  readonly heard: ToWorker[] = []
  #hear: (message: FromWorker) => void = () => undefined
  #listen: (message: ToWorker | undefined) => void = (message) => message && this.heard.push(message)
  #onExit: (how: string) => void = () => undefined
  #gone = false

  /** The worker's end. */
  readonly port = {
    send: (message: FromWorker): void => {
      const text = JSON.stringify(message)
      setImmediate(() => this.#gone || this.#hear(JSON.parse(text) as FromWorker))
    },
    settled: () => Promise.resolve(),
    onMessage: (listener: (message: ToWorker | undefined) => void): void => void (this.#listen = listener),
  }

  send(message: ToWorker): void {
    const text = JSON.stringify(message)
    setImmediate(() => this.#gone || this.#listen(JSON.parse(text) as ToWorker))
  }

  onMessage(listener: (message: FromWorker) => void): void {
    this.#hear = listener
  }

  onExit(listener: (how: string) => void): void {
    this.#onExit = listener
  }

  /** The process ends, however it does; what it said before is still heard. */
  end(how: string): void {
    setImmediate(() => {
      if (this.#gone) return
      this.#gone = true
      this.#listen(undefined)
      this.#onExit(how)
    })
  }

  kill(): void {
    this.end('signal SIGKILL')
  }
}

/** A worker within this process that records what the embedded simulator has. */
export function workerHere(root: string, own = { graceful: never(), immediate: never() }): Pipe {
  const pipe = new Pipe()
  const { port } = pipe
  const serve = async (): Promise<void> => {
    const inbox = new WorkerInbox({ port, ...own })
    const opened = await openHistorySource({
      ...{ kind: 'simulator', settings: settings(), secrets: new Secrets(undefined), now: () => NOW_MS },
      caller: { label: 'test', priority: 'history' },
      ...{ patience: inbox.graceful, events: relayEvents(port.send) },
    })
    const entry = { update: () => undefined, remove: () => Promise.resolve() }
    const segments = { engine, compression: 'zstd' as const, rowGroupRows: 122_880 }
    const backfill = { root, runId: 'run', source: opened.source, concurrency: 2, ...segments }
    await serveUnits({ port, inbox, entry, backfill })
    await opened.close()
  }
  void serve().then(
    () => pipe.end('exit code 0'),
    (error: unknown) => pipe.end(String(error)),
  )
  return pipe
}

export const settings = () => loadConfig({ cwd: freshFolder(), env: { HOME: '/nowhere' } }).settings

/** Plans of minute bars of `tickers`, from the ledgers in `root`. */
export async function plansOf(root: string, tickers: readonly string[], from: string): Promise<SeriesPlan[]> {
  const lake = await openLake(root)
  const plans: SeriesPlan[] = []
  for (const ticker of tickers) {
    const series = { dataset: equityBars1m, ticker }
    const { ledger } = await lake.view(series)
    const [range, limits] = [{ from, to: '2025-06-10' }, polygonLimits(equityBars1m)]
    plans.push(planSeries({ series, range, ledger, limits, nowMs: NOW_MS, force: false }))
  }
  await lake.close()
  return plans
}

/** Options of a run with two workers within this process and short waits. */
export function optionsOf(root: string, plans: readonly SeriesPlan[]): BackfillAllOptions {
  return {
    ...{ root, plans, nowMs: NOW_MS, force: false, lockWaitMs: 0, priority: 'newest', together: 2, count: 2 },
    settings: { ...settings().workers, restartBaseMs: 1, restartMaxMs: 5 },
    start: () => workerHere(root),
    graceful: never(),
    immediate: never(),
  }
}
