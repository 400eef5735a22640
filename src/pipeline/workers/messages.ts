import type { ErrorCategory, ExitCode } from '../../core/errors.ts'
import { EXIT, PipelineError } from '../../core/errors.ts'
import type { ContractCounts } from '../backfill.ts'
import type { SessionRange } from '../range.ts'
import type { SilenceMemory } from '../silence.ts'

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
      readonly nowMs: number
      readonly force: boolean
      readonly lockWaitMs: number
    }
  /** End: after the unit in hand, or now. */
  | { readonly kind: 'stop'; readonly now: boolean }
  /** Read limits and log levels again. */
  | { readonly kind: 'reload' }

/** What a worker tells its run. Whatever it says is a sign of life. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'alive' }
  /** A request goes out, retries included. */
  | { readonly kind: 'call' }
  /** A request of the unit in hand was recorded. */
  | { readonly kind: 'item'; readonly sessions: number; readonly rows: number; readonly failure?: string }
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
