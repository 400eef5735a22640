import type { LiveSettings } from '../../core/config/reload.ts'
import { PipelineError } from '../../core/errors.ts'
import { together } from '../../core/together.ts'
import type { RegisteredProcess } from '../../lake/process-registry.ts'
import type { SeriesId } from '../../lake/layout.ts'
import { seriesKeyOf } from '../../market/dataset.ts'
import { datasetNamed } from '../../market/datasets/index.ts'
import { backfillSeries, type BackfillHooks, type BackfillOptions, type SeriesOutcome } from '../backfill.ts'
import { backfillOptions } from '../option-backfill.ts'
import { toWire, type FromWorker, type ToWorker, type UnitMessage, type UnitResult } from './messages.ts'

/** The way to the run that started this worker. */
export interface WorkerPort {
  send(message: FromWorker): void
  /** Resolves when everything said has left. */
  settled(): Promise<void>
  /** The run told something; undefined: it is gone, and with it everybody who would wait for an answer. */
  onMessage(listener: (message: ToWorker | undefined) => void): void
}

export interface WorkerOptions {
  readonly port: WorkerPort
  readonly inbox: WorkerInbox
  /** Everything that does not differ between units. */
  readonly backfill: Omit<
    BackfillOptions,
    'nowMs' | 'force' | 'lockWaitMs' | 'graceful' | 'immediate' | 'partOf'
  >
  readonly entry: RegisteredProcess
}

/** A sign of life goes out this often, milliseconds. */
const ALIVE_MS = 1000

/** Time to finish the unit in hand once the run is gone, milliseconds. */
const ORPHAN_MS = 10_000

/**
 * Records unit after unit, as the run hands them out, until it says stop, goes away, or this worker is told to end. Each
 * unit is a normal backfill of a stretch of one series, with the series' lock, plan, ledger and commits.
 */
export async function serveUnits(options: WorkerOptions): Promise<void> {
  const { port, inbox } = options
  const alive = setInterval(() => port.send({ kind: 'alive' }), ALIVE_MS)
  try {
    port.send({ kind: 'ready' })
    for (;;) {
      const unit = await inbox.next()
      if (!unit) return
      await serve(unit, options)
    }
  } finally {
    clearInterval(alive)
    if (!inbox.wasStopped) port.send({ kind: 'leaving' })
  }
}

export interface InboxOptions {
  readonly port: WorkerPort
  /** Abort when this worker alone is told to end. */
  readonly graceful: AbortSignal
  readonly immediate: AbortSignal
  /** Settings of the run have changed. */
  readonly onSettings?: (live: LiveSettings) => void
}

/** Orders of the run: units to be recorded, and the end. */
export class WorkerInbox {
  /** Aborts at the end, whoever says it: what is in hand is finished. */
  readonly graceful: AbortSignal
  /** Aborts when what is in hand shall be dropped. */
  readonly immediate: AbortSignal
  readonly #stop = new AbortController()
  readonly #stopNow = new AbortController()
  readonly #units: UnitMessage[] = []
  #wake: () => void = () => undefined

  constructor({ port, graceful, immediate, onSettings }: InboxOptions) {
    this.graceful = AbortSignal.any([graceful, this.#stop.signal])
    this.immediate = AbortSignal.any([immediate, this.#stopNow.signal])
    this.graceful.addEventListener('abort', () => this.#wake())
    port.onMessage((message) => {
      if (message === undefined) this.#orphaned()
      else if (message.kind === 'unit') this.#units.push(message)
      else if (message.kind === 'settings') onSettings?.(message.live)
      else this.#end(message.now)
      this.#wake()
    })
  }

  /** Whether it was the run that said stop, or went away. */
  get wasStopped(): boolean {
    return this.#stop.signal.aborted
  }

  /** The next unit; undefined at the end. */
  async next(): Promise<UnitMessage | undefined> {
    while (this.#units.length === 0 && !this.graceful.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return this.graceful.aborted ? undefined : this.#units.shift()
  }

  #end(now: boolean): void {
    this.#stop.abort()
    if (now) this.#stopNow.abort()
  }

  #orphaned(): void {
    this.#stop.abort()
    setTimeout(() => this.#stopNow.abort(), ORPHAN_MS).unref()
  }
}

async function serve(message: UnitMessage, options: WorkerOptions): Promise<void> {
  const { id, dataset, ticker, range, whole, memory, wanted, nowMs, force, only, lockWaitMs } = message
  const { port, entry, inbox } = options
  const series: SeriesId = { dataset: datasetNamed(dataset), ticker }
  entry.update({ state: 'recording', ticker, dataset })
  try {
    const record = seriesKeyOf(series.dataset) === 'underlying' ? backfillOptions : backfillSeries
    const outcome = await record(series, () => range, {
      ...options.backfill,
      ...{ nowMs, force, lockWaitMs, graceful: inbox.graceful, immediate: inbox.immediate },
      hooks: reporting(port, options.backfill.hooks),
      partOf: { range: whole, memory, wanted },
      ...(only === undefined ? {} : { only: new Set(only) }),
    })
    port.send({ kind: 'done', id, result: resultOf(outcome) })
  } catch (error) {
    port.send({ kind: 'refused', id, error: toWire(error) })
  }
  entry.update({ state: 'idle', ticker: undefined, dataset: undefined })
}

function reporting(port: WorkerPort, hooks: BackfillHooks = {}): BackfillHooks {
  return together<BackfillHooks>(hooks, {
    onItem: (_series, item, { rows, refused, duplicates, restated }) =>
      port.send({ kind: 'item', item, rows, refused, duplicates, restated }),
    onSettled: (_series, states) => port.send({ kind: 'settled', states: Object.fromEntries(states) }),
  })
}

function resultOf(outcome: SeriesOutcome): UnitResult {
  const { rows, refused, duplicates, failures, restated, stopped, fatal, memory = {}, contracts } = outcome
  const { late, lost = [] } = outcome
  return {
    ...{ rows, refused, duplicates, failures, restated, memory },
    ...(late === undefined ? {} : { late }),
    ...(lost.length === 0 ? {} : { lost }),
    ...(stopped === undefined ? {} : { stopped }),
    ...(fatal === undefined ? {} : { fatal: toWire(fatal) }),
    ...(contracts === undefined ? {} : { contracts: [...contracts] }),
  }
}

/** The way to the run over the pipe that it made when it started this process. @throws {PipelineError} without one */
export function parentPort(host: NodeJS.Process = process): WorkerPort {
  if (!host.send) throw new PipelineError('a worker is started by backfill-all, not by hand')
  const gone = new Promise<void>((resolve) => void host.once('disconnect', resolve))
  let last: Promise<void> = Promise.resolve()
  return {
    send: (message) => {
      if (!host.connected) return
      last = new Promise((resolve) => void host.send?.(message, undefined, undefined, () => resolve()))
    },
    settled: () => Promise.race([last, gone]),
    onMessage: (listener) => {
      host.on('message', listener)
      host.on('disconnect', () => listener(undefined))
    },
  }
}
