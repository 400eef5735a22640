import type { Batch } from '../core/batch.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { heldRows } from './held-rows.ts'
import { eventsOf } from './row-names.ts'
import type { SinkHost } from './series-contract.ts'

/**
 * What the lake holds of one session of a series of one ticker, looked up stretch by stretch: the rows are read once
 * where the stretches follow one another in time, and from the beginning again where one goes back. Holds the batches
 * in which the last stretch ended, no more.
 */
export class HeldWindow {
  readonly #host: SinkHost
  readonly #date: string
  readonly #dataset: DatasetDefinition
  #rows: AsyncGenerator<Batch>
  #near: { readonly batch: Batch; readonly last: number }[] = []
  /** Event of the last row read. */
  #read = -Infinity
  /** Events up to here may be among the rows that were let go. */
  #gone = -Infinity
  #isOver = false

  constructor(host: SinkHost, date: string) {
    this.#host = host
    this.#date = date
    this.#dataset = host.options.series.dataset
    this.#rows = heldRows(host, date)
  }

  /**
   * Every held batch that may have a row of `first` to `last`, and perhaps others. Take all of it before the next
   * stretch is asked for.
   *
   * @param first event as {@link eventsOf} tells it, inclusive; `last` as well
   * @throws {IntegrityError} when the end is reached and the rows are not what was recorded
   */
  async *between(first: number, last: number): AsyncGenerator<Batch> {
    if (first <= this.#gone) await this.#restart()
    for (const { batch } of this.#near.slice()) yield batch
    while (!this.#isOver && this.#read <= last) {
      const next = await this.#rows.next()
      if (next.done === true) {
        this.#isOver = true
        break
      }
      const batch = next.value
      this.#read = eventsOf(batch, { dataset: this.#dataset })(batch.length - 1)
      this.#near.push({ batch, last: this.#read })
      this.#letGo(last)
      if (this.#read >= first) yield batch
    }
    this.#letGo(last)
  }

  #letGo(before: number): void {
    while (this.#near.length > 0 && this.#near[0]!.last < before) this.#gone = this.#near.shift()!.last
  }

  async #restart(): Promise<void> {
    await this.close()
    this.#rows = heldRows(this.#host, this.#date)
    this.#near = []
    this.#read = this.#gone = -Infinity
    this.#isOver = false
  }

  /** Ends the reading. */
  async close(): Promise<void> {
    await this.#rows.return(undefined)
  }
}
