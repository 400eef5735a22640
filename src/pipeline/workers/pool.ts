import { messageOf, PipelineError } from '../../core/errors.ts'
import type { CellState } from '../../lake/ledger.ts'
import { INTERRUPTED } from '../backfill.ts'
import { WorkerError, type FromWorker, type ToWorker, type UnitResult, type WireError } from './messages.ts'
import type { WorkQueue, WorkUnit } from './work-queue.ts'

/** A worker process as the run sees it. */
export interface WorkerHandle {
  readonly pid: number
  send(message: ToWorker): void
  kill(): void
  onMessage(listener: (message: FromWorker) => void): void
  /** Called once, when the process has ended; `how` says it in words: `signal SIGKILL`, `exit code 1`. */
  onExit(listener: (how: string) => void): void
}

export interface PoolHooks {
  /** A worker takes `unit`. */
  onUnit?(pid: number, unit: WorkUnit): void
  onEvent?(unit: WorkUnit | undefined, event: Extract<FromWorker, { kind: 'event' }>, pid: number): void
  onItem?(unit: WorkUnit, item: Extract<FromWorker, { kind: 'item' }>): void
  onSettled?(unit: WorkUnit, states: Readonly<Record<string, CellState>>): void
  onDone?(unit: WorkUnit, result: UnitResult): void
  /** A unit could not be begun or ended badly; others go on. */
  onRefused?(unit: WorkUnit, error: PipelineError): void
  /** A worker ended that should not have; `waitMs` until the next one starts. */
  onCrash?(crash: { pid: number; how: string; unit: WorkUnit | undefined; waitMs: number }): void
  /** A worker has ended, whatever the reason. */
  onGone?(pid: number): void
  onSetAside?(unit: WorkUnit, tries: number, reason: string): void
  /** A worker gave no sign of life and is killed. */
  onHung?(pid: number, unit: WorkUnit | undefined, quietMs: number): void
}

export interface PoolOptions {
  readonly queue: WorkQueue
  /** Most workers at the same time, at least 1. */
  readonly count: number
  readonly start: () => WorkerHandle
  /** What a worker is told about `unit`. */
  readonly describe: (unit: WorkUnit) => Extract<ToWorker, { kind: 'unit' }>
  readonly restartBaseMs: number
  readonly restartMaxMs: number
  readonly hungMs: number
  /** Time to finish the units in hand at the end, milliseconds. */
  readonly stopMs: number
  readonly graceful: AbortSignal
  readonly immediate: AbortSignal
  readonly hooks?: PoolHooks
  /** Called with a way to tell all workers something while the pool is at work; returns what ends that. */
  readonly relay?: (tellAll: (message: ToWorker) => void) => () => void
}

export interface PoolResult {
  /** What ended the run before its work was done, or what one series failed of. */
  readonly problem: PipelineError | undefined
  /** Workers that ended before their time. */
  readonly crashes: number
  /** Workers that were ended by somebody else's order. */
  readonly left: number
}

/** So many workers in a row that end before they are ready: none ever will be. */
const USELESS_STARTS = 3
const WATCH_MS = 500
/** Time to stop at once, milliseconds; then workers are killed. */
const STOP_NOW_MS = 3000

interface Slot {
  readonly worker: WorkerHandle
  unit: WorkUnit | undefined
  ready: boolean
  leaving: boolean
  lastSignMs: number
}

/**
 * Has the work of `queue` done by worker processes: gives each its next unit as soon as it is free, replaces those that
 * end, and ends them all when nothing is left. Returns when the last one is gone.
 */
export async function runPool(options: PoolOptions): Promise<PoolResult> {
  return await new Pool(options).run()
}

/** The pool of a run, for orders while it works. */
class Pool {
  readonly #options: PoolOptions
  readonly #slots = new Set<Slot>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  #problem: PipelineError | undefined
  #crashes = 0
  #inARow = 0
  #uselessStarts = 0
  #left = 0
  #ending = false
  #checkedMs = performance.now()
  #finished: () => void = () => undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  async run(): Promise<PoolResult> {
    const { queue, graceful, immediate, relay } = this.#options
    const finished = new Promise<void>((resolve) => (this.#finished = resolve))
    const onGraceful = (): void => this.#end(false)
    const onImmediate = (): void => this.#end(true)
    const watch = setInterval(() => this.#watch(), WATCH_MS)
    const endRelay = relay?.((message) => {
      for (const { worker } of this.#slots) worker.send(message)
    })
    graceful.addEventListener('abort', onGraceful)
    immediate.addEventListener('abort', onImmediate)
    try {
      if (graceful.aborted) queue.close()
      this.#staff()
      if (this.#slots.size > 0) await finished
    } finally {
      clearInterval(watch)
      endRelay?.()
      graceful.removeEventListener('abort', onGraceful)
      immediate.removeEventListener('abort', onImmediate)
    }
    return { problem: this.#problem, crashes: this.#crashes, left: this.#left }
  }

  /** As many workers as have work, up to the number asked for, less those who left. */
  #staff(): void {
    const { queue, count } = this.#options
    const wanted = Math.min(count - this.#left, queue.width)
    while (!this.#ending && this.#slots.size + this.#restarts.size < wanted) this.#startOne()
  }

  #startOne(): void {
    let worker: WorkerHandle
    try {
      worker = this.#options.start()
    } catch (error) {
      this.#giveUp(new PipelineError(`a worker cannot be started: ${messageOf(error)}`, { cause: error }))
      return
    }
    const now = performance.now()
    const slot: Slot = { worker, unit: undefined, ready: false, leaving: false, lastSignMs: now }
    this.#slots.add(slot)
    worker.onMessage((message) => this.#hear(slot, message))
    worker.onExit((how) => this.#gone(slot, how))
  }

  #hear(slot: Slot, message: FromWorker): void {
    slot.lastSignMs = performance.now()
    const { hooks } = this.#options
    const { unit } = slot
    if (message.kind === 'ready') slot.ready = true
    if (message.kind === 'leaving') slot.leaving = true
    if (message.kind === 'event') hooks?.onEvent?.(unit, message, slot.worker.pid)
    if (message.kind === 'failed') this.#giveUp(new WorkerError(message.error))
    if (unit && message.kind === 'item') hooks?.onItem?.(unit, message)
    if (unit && message.kind === 'settled') hooks?.onSettled?.(unit, message.states)
    if (unit && message.kind === 'refused' && message.id === unit.id) {
      slot.unit = undefined
      this.#refused(unit, message.error)
    }
    if (unit && message.kind === 'done' && message.id === unit.id) {
      slot.unit = undefined
      this.#inARow = 0
      hooks?.onDone?.(unit, message.result)
      const { fatal, stopped } = message.result
      if (fatal) this.#refused(unit, fatal)
      else if (stopped === INTERRUPTED) this.#options.queue.giveBack(unit)
      else this.#options.queue.done(unit)
    }
    this.#feed()
  }

  /** Gives everybody who is free something to do; ends when there is nothing left. */
  #feed(): void {
    const { queue, describe, hooks } = this.#options
    for (const slot of this.#slots) {
      if (!slot.ready || slot.unit || slot.leaving) continue
      const unit = queue.next()
      if (!unit) break
      slot.unit = unit
      slot.worker.send(describe(unit))
      hooks?.onUnit?.(slot.worker.pid, unit)
    }
    if (queue.isDone) this.#end(false)
    else this.#staff()
  }

  /** An error that ends a unit: of one series, of the program, or of the whole run. */
  #refused(unit: WorkUnit, wire: WireError): void {
    const { queue, hooks } = this.#options
    const error = new WorkerError(wire)
    if (wire.category === 'interrupted') return queue.giveBack(unit)
    hooks?.onRefused?.(unit, error)
    if (wire.category === 'internal' || wire.code === 'LAKE' || wire.code === 'INTEGRITY') {
      this.#failed(unit, wire.message)
      return
    }
    const isItsOwn = wire.category === 'lock' || wire.code === 'USAGE'
    this.#problem = isItsOwn ? (this.#problem ?? error) : error
    queue.drop(unit, `not recorded: ${wire.message}`)
    queue.done(unit)
    if (!isItsOwn) this.#end(false)
  }

  #failed(unit: WorkUnit, reason: string): void {
    const { queue, hooks } = this.#options
    if (!queue.failed(unit, reason)) return
    hooks?.onSetAside?.(unit, queue.setAside.at(-1)!.tries, reason)
  }

  #gone(slot: Slot, how: string): void {
    const { queue, hooks } = this.#options
    this.#slots.delete(slot)
    const { unit, worker, leaving, ready } = slot
    hooks?.onGone?.(worker.pid)
    if (unit && (leaving || this.#ending)) queue.giveBack(unit)
    if (leaving) this.#left++
    else if (!this.#ending) {
      this.#crashes++
      this.#uselessStarts = ready ? 0 : this.#uselessStarts + 1
      const waitMs = this.#backOffMs()
      hooks?.onCrash?.({ pid: worker.pid, how, unit, waitMs })
      if (unit) this.#failed(unit, `its worker ended by ${how}`)
      if (this.#uselessStarts >= USELESS_STARTS) this.#giveUp(doNotStart(how))
      else if (!queue.isDone) this.#restartIn(waitMs)
    }
    if (!this.#ending) this.#feed()
    if (this.#slots.size === 0 && this.#restarts.size === 0) this.#finished()
  }

  #backOffMs(): number {
    const { restartBaseMs, restartMaxMs } = this.#options
    return Math.min(restartMaxMs, restartBaseMs * 2 ** this.#inARow++)
  }

  #restartIn(waitMs: number): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      this.#staff()
      if (this.#slots.size === 0 && this.#restarts.size === 0) this.#finished()
    }, waitMs)
    this.#restarts.add(timer)
  }

  #giveUp(problem: PipelineError): void {
    this.#problem ??= problem
    this.#end(false)
  }

  /** No more work is given out; workers finish what they have in hand, or stop `now`. */
  #end(now: boolean): void {
    const { queue, stopMs } = this.#options
    queue.close()
    for (const timer of this.#restarts) clearTimeout(timer)
    this.#restarts.clear()
    if (!this.#ending || now) {
      for (const { worker } of this.#slots) worker.send({ kind: 'stop', now })
      setTimeout(() => this.#killAll(), now ? STOP_NOW_MS : stopMs).unref()
    }
    this.#ending = true
    if (this.#slots.size === 0) this.#finished()
  }

  #killAll(): void {
    for (const { worker } of this.#slots) worker.kill()
  }

  /** Kills workers that gave no sign of life. Where this process itself stood still, nobody is to blame. */
  #watch(): void {
    const now = performance.now()
    const stoodStill = now - this.#checkedMs > 4 * WATCH_MS
    this.#checkedMs = now
    for (const slot of this.#slots) {
      if (stoodStill) slot.lastSignMs = now
      const quietMs = now - slot.lastSignMs
      if (quietMs < this.#options.hungMs) continue
      this.#options.hooks?.onHung?.(slot.worker.pid, slot.unit, quietMs)
      slot.lastSignMs = now
      slot.worker.kill()
    }
  }
}

const doNotStart = (how: string): PipelineError =>
  new PipelineError(`workers do not start: the last one ended by ${how} before it was ready`, {
    hint: 'Run the same with backfill, which needs no workers, or look at what they logged with -v.',
  })
