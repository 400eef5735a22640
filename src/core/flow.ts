import type { Batch } from './batch.ts'

/** Pulled by the consumer: back-pressure is simply a consumer that has not asked yet. */
export type Batches = AsyncIterable<Batch>

/** Where rows come from. `read` ends when the request is covered, or throws soon after `signal` aborts. */
export interface Source<Request> {
  readonly name: string
  read(request: Request, signal: AbortSignal): Batches
}

/** Turns one flow into another. State lives inside the returned iterable, so a stage can run twice. */
export type Stage = (batches: Batches) => Batches

/** A row that a stage refused: where it was in its batch, and which rule it broke. */
export interface Refusal {
  readonly row: number
  /** Stable name of the rule, e.g. `high_below_low`. */
  readonly rule: string
  /** One sentence with the values that broke it. */
  readonly reason: string
}

/** Where refused rows go. Called once per batch that has any. */
export type RefusalSink = (batch: Batch, refusals: readonly Refusal[]) => void

/** Where rows go. Nothing of it is visible until `commit` resolves; then all of it is, durably. */
export interface Sink<Settlement, Receipt> {
  write(batch: Batch): Promise<void>
  /**
   * Makes what was written, and what `settlement` says about it, the truth.
   *
   * @param permit nothing is committed unless it resolves; until then rows are made ready
   */
  commit(settlement: Settlement, permit?: Promise<void>): Promise<Receipt>
  /** Drops what was written. Never throws. */
  abort(): Promise<void>
}

/** Stages in the order the rows pass them. */
export const compose =
  (...stages: readonly Stage[]): Stage =>
  (batches) =>
    stages.reduce((flow, stage) => stage(flow), batches)

/** A flow of one batch; of none where it has no rows. */
export async function* flowOf(batch: Batch): AsyncGenerator<Batch> {
  if (batch.length > 0) yield await Promise.resolve(batch)
}

/** All batches of a flow; for tests and for small answers. */
export async function collect(batches: Batches): Promise<Batch[]> {
  const out: Batch[] = []
  for await (const batch of batches) out.push(batch)
  return out
}
