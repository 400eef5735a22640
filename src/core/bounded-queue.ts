/** How a {@link BoundedQueue} measures itself and whom it tells. */
export interface BoundedQueueOptions<T> {
  /** Weight of one item, e.g. its bytes. */
  readonly weigh: (item: T) => number
  /** The queue is full once it holds this weight or this many items; it is no longer at half of both. */
  readonly maxWeight: number
  readonly maxItems: number
  /** Called when the queue becomes full: the producer should stop. */
  readonly onFull?: () => void
  /** Called when a full queue has half emptied: the producer may go on. */
  readonly onRoom?: () => void
}

/**
 * Turns pushes into pulls, in order. It is bounded by telling the producer to stop, never by dropping: what is
 * pushed into a full queue is kept all the same, because a producer cannot always stop at once.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #options: BoundedQueueOptions<T>
  #items: (T | undefined)[] = []
  /** Places before this one were taken; they are cut off together. */
  #taken = 0
  #weight = 0
  #highestWeight = 0
  #full = false
  #ended = false
  #failure: Error | undefined
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void } | undefined

  constructor(options: BoundedQueueOptions<T>) {
    this.#options = options
  }

  /** Items waiting. */
  get length(): number {
    return this.#items.length - this.#taken
  }

  get weight(): number {
    return this.#weight
  }

  /** The most weight that ever waited. */
  get highestWeight(): number {
    return this.#highestWeight
  }

  get full(): boolean {
    return this.#full
  }

  /** Adds `item`; false when the queue is full now. What is pushed after the end is dropped. */
  push(item: T): boolean {
    if (this.#ended) return false
    if (this.#waiting) {
      const { resolve } = this.#waiting
      this.#waiting = undefined
      resolve({ done: false, value: item })
      return !this.#full
    }
    this.#items.push(item)
    this.#weight += this.#options.weigh(item)
    if (this.#weight > this.#highestWeight) this.#highestWeight = this.#weight
    if (!this.#full && this.#isFull()) {
      this.#full = true
      this.#options.onFull?.()
    }
    return !this.#full
  }

  /** No more items will come: the reader gets what is left, then the end, or `failure` thrown. */
  end(failure?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    const waiting = this.#waiting
    this.#waiting = undefined
    if (!waiting) return
    if (failure) waiting.reject(failure)
    else waiting.resolve({ done: true, value: undefined })
  }

  /** Throws `failure` at the reader at once, and drops what is left. */
  fail(failure: Error): void {
    this.#items = []
    this.#taken = 0
    this.#weight = 0
    this.end(failure)
    this.#failure = failure
  }

  /** The one reader; a reader that stops early leaves the rest in the queue. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.#next() }
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    if (this.length > 0) return Promise.resolve({ done: false, value: this.#take() })
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    if (this.#waiting) return Promise.reject(new Error('a queue has one reader'))
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve: resolve as (result: IteratorResult<T>) => void, reject }
    })
  }

  #take(): T {
    const item = this.#items[this.#taken] as T
    this.#items[this.#taken++] = undefined
    this.#weight -= this.#options.weigh(item)
    if (this.#taken * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#taken)
      this.#taken = 0
    }
    if (this.#full && this.#hasRoom()) {
      this.#full = false
      this.#options.onRoom?.()
    }
    return item
  }

  #isFull(): boolean {
    return this.#weight >= this.#options.maxWeight || this.length >= this.#options.maxItems
  }

  #hasRoom(): boolean {
    return this.#weight <= this.#options.maxWeight / 2 && this.length <= this.#options.maxItems / 2
  }
}
