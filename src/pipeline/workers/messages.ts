import type { ErrorCategory, ExitCode } from '../../core/errors.ts'
import type { LiveSettings } from '../../core/config/reload.ts'
import { EXIT, PipelineError } from '../../core/errors.ts'
import type { ContractCounts, SeriesOutcome } from '../backfill.ts'
import type { SessionRange } from '../range.ts'
import type { SilenceMemory } from '../silence.ts'
import type { CellState } from '../../lake/ledger.ts'
import type { SourceEvents } from '../../sources/polygon/options.ts'
import type { ItemResult, WorkItem } from '../work-item.ts'

/** What a run tells a worker. Plain JSON: it goes through a pipe. */
export type ToWorker =
  | {
      readonly kind: 'unit'
      readonly id: number
      readonly dataset: string
      readonly ticker: string
      readonly range: SessionRange
      /** All sessions of the series in this run, and what was found out about them. */
      readonly whole: SessionRange
      readonly memory: SilenceMemory
      /** Every session that the run is to record of the series. */
      readonly wanted: readonly string[]
      readonly nowMs: number
      readonly force: boolean
      /** Exactly these sessions, held or not; default: what the ledger says is missing. */
      readonly only?: readonly string[]
      readonly lockWaitMs: number
    }
  /** Settings of the run have changed under way. */
  | { readonly kind: 'settings'; readonly live: LiveSettings }
  /** End: after the unit in hand, or now. */
  | { readonly kind: 'stop'; readonly now: boolean }

/** Work for a worker. */
export type UnitMessage = Extract<ToWorker, { kind: 'unit' }>

/** What a worker tells its run. Whatever it says is a sign of life. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'alive' }
  /** Something that the source tells its watchers; an error in it is a {@link WireError}. */
  | { readonly kind: 'event'; readonly name: keyof SourceEvents; readonly event: object }
  /** A request of the unit in hand was recorded. */
  | ({ readonly kind: 'item'; readonly item: WorkItem } & Omit<ItemResult, 'failure'>)
  /** Sessions of the unit in hand were settled: their states by date. */
  | { readonly kind: 'settled'; readonly states: Readonly<Record<string, CellState>> }
  | { readonly kind: 'done'; readonly id: number; readonly result: UnitResult }
  /** The unit could not be begun: locked, unknown, or something worse. */
  | { readonly kind: 'refused'; readonly id: number; readonly error: WireError }
  /** The worker itself cannot work. */
  | { readonly kind: 'failed'; readonly error: WireError }
  /** Somebody told this worker to end, not the run. */
  | { readonly kind: 'leaving' }

/** What became of a unit. */
export interface UnitResult {
  readonly rows: number
  readonly refused: number
  readonly duplicates: number
  readonly failures: number
  readonly restated: SeriesOutcome['restated']
  readonly late?: SeriesOutcome['late']
  readonly lost?: SeriesOutcome['lost']
  /** Why sessions were left unasked, where some were. */
  readonly stopped?: string
  readonly fatal?: WireError
  readonly memory: SilenceMemory
  readonly contracts?: readonly (readonly [date: string, counts: ContractCounts])[]
}

/** An error on its way through a pipe. */
export interface WireError {
  readonly code: string
  readonly category: ErrorCategory
  readonly exitCode: ExitCode
  readonly message: string
  readonly hint?: string
}

export function toWire(error: unknown): WireError {
  const known = error instanceof PipelineError ? error : undefined
  return {
    code: known?.code ?? 'PIPELINE',
    category: known?.category ?? 'internal',
    exitCode: known?.exitCode ?? EXIT.failed,
    message: error instanceof Error ? error.message : String(error),
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  }
}

/** An error that a worker had, as if it had happened here. */
export class WorkerError extends PipelineError {
  override readonly code: string
  override readonly category: ErrorCategory
  override readonly exitCode: ExitCode

  constructor({ code, category, exitCode, message, hint }: WireError) {
    super(message, hint === undefined ? {} : { hint })
    this.code = code
    this.category = category
    this.exitCode = exitCode
  }
}

/** Source events as messages: what happens in a worker, for the watchers of its run. */
export function relayEvents(send: (message: FromWorker) => void): SourceEvents {
  const pass = (name: keyof SourceEvents) => (event: object) => {
    const error: unknown = 'error' in event ? toWire(event.error) : undefined
    send({ kind: 'event', name, event: error === undefined ? event : { ...event, error } })
  }
  return {
    onCall: pass('onCall'),
    onAnswer: pass('onAnswer'),
    onRows: pass('onRows'),
    onSuccess: pass('onSuccess'),
    onBreaker: pass('onBreaker'),
    onFailure: pass('onFailure'),
    onRetry: pass('onRetry'),
  }
}

/** Tells `events` what the worker `pid` relayed. */
export function replayEvent(
  events: SourceEvents | undefined,
  { name, event }: Extract<FromWorker, { kind: 'event' }>,
  pid: number,
): void {
  const listener = events?.[name] as ((event: object) => void) | undefined
  const error = 'error' in event ? { error: new WorkerError(event.error as WireError) } : {}
  listener?.({ ...event, ...error, ...(name === 'onBreaker' && { worker: pid }) })
}
