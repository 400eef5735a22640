import type { Batch } from '../core/batch.ts'
import type { Batches, Sink, Stage } from '../core/flow.ts'

/** A main path: where rows come from, what they pass through, where they go. */
export interface Route<Settlement, Receipt> {
  readonly batches: Batches
  readonly stage: Stage
  readonly sink: Sink<Settlement, Receipt>
  /** Sees each batch that the sink took. */
  readonly onWritten?: (batch: Batch) => void
  /** Called when all rows are in: what to record about them. It may ask for more rows first. */
  readonly settle: () => Promise<Settlement>
  /** What must come true before anything is committed; asked for with the settlement, awaited while rows are staged. */
  readonly permit?: () => Promise<void>
  /** Called with the time that the commit took. */
  readonly onCommit?: (ms: number) => void
}

/**
 * The main data path, whole: read, refine, write, settle, commit. Every runner ends here.
 *
 * @throws whatever a part throws; then nothing of this route was committed
 */
export async function run<S, R>(route: Route<S, R>): Promise<R> {
  const { sink } = route
  try {
    await pour(route, route.batches)
    const settlement = await route.settle()
    const startMs = performance.now()
    const receipt = await sink.commit(settlement, route.permit?.())
    route.onCommit?.(performance.now() - startMs)
    return receipt
  } catch (error) {
    await sink.abort()
    throw error
  }
}

/** Reads `batches` through the stage into the sink of `route`, without committing. */
export async function pour(
  {
    stage,
    sink,
    onWritten,
  }: Pick<Route<never, unknown>, 'stage' | 'onWritten'> & {
    readonly sink: { write(batch: Batch): Promise<void> }
  },
  batches: Batches,
): Promise<void> {
  for await (const batch of stage(batches)) {
    await sink.write(batch)
    onWritten?.(batch)
  }
}
