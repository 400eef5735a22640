import { requireColumn, type Batch } from '../core/batch.ts'
import { bucketsOf, type Buckets } from '../market/buckets.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { US_PER_MS } from '../market/time.ts'

/** Which stretches of the regular hours of one session have rows. */
export class Presence {
  readonly buckets: Buckets
  /** Rows of each stretch. */
  readonly rows: Uint32Array
  readonly #column: string

  private constructor(buckets: Buckets, column: string) {
    this.buckets = buckets
    this.rows = new Uint32Array(buckets.count)
    this.#column = column
  }

  /** Undefined where rows of `dataset` do not fill a session evenly, and where `date` is no session. */
  static of(dataset: DatasetDefinition, date: string): Presence | undefined {
    const buckets = bucketsOf(dataset, date)
    return buckets && new Presence(buckets, dataset.eventColumn)
  }

  /** Takes rows of the session; those outside its regular hours count nowhere. */
  add(batch: Batch): void {
    const { rows } = this
    const { startMs, lengthMs } = this.buckets
    const values = requireColumn(batch, this.#column, 'timestamp')
    const startUs = startMs * US_PER_MS
    const lengthUs = lengthMs * US_PER_MS
    for (let row = 0; row < batch.length; row++) {
      const place = Math.floor((values[row]! - startUs) / lengthUs)
      if (place >= 0 && place < rows.length) rows[place]!++
    }
  }

  /** Places without a row, ascending. */
  absent(): number[] {
    const places: number[] = []
    this.rows.forEach((rows, place) => {
      if (rows === 0) places.push(place)
    })
    return places
  }
}

/**
 * Which stretches of a session's regular hours have no row, as the ledger keeps it: their places as runs (`3,17-19`),
 * or, where that is longer, as a bitmap (`~` and base64). The empty text: every stretch has rows.
 */
export function encodePlaces(places: readonly number[]): string {
  const runs = runsOf(places)
    .map(([first, last]) => (first === last ? String(first) : `${first}-${last}`))
    .join(',')
  if (runs.length <= MAX_RUNS_TEXT) return runs
  const bitmap = Buffer.alloc(((places.at(-1) ?? 0) >> 3) + 1)
  for (const place of places) bitmap[place >> 3]! |= 1 << (place & 7)
  const packed = `~${bitmap.toString('base64')}`
  return packed.length < runs.length ? packed : runs
}

const MAX_RUNS_TEXT = 24

/** The places that `text` stands for, ascending. Places that make no sense are left out: a ledger may be edited. */
export function decodePlaces(text: string): number[] {
  if (text === '') return []
  if (text.startsWith('~')) {
    const bitmap = Buffer.from(text.slice(1), 'base64')
    return Array.from({ length: bitmap.length * 8 }, (_, place) => place).filter(
      (place) => (bitmap[place >> 3]! >> (place & 7)) & 1,
    )
  }
  return text.split(',').flatMap((run) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(run) ?? []
    const length = Number(last) - Number(first) + 1
    if (!(length > 0 && Number(last) < MAX_PLACES)) return []
    return Array.from({ length }, (_, i) => Number(first) + i)
  })
}

/** More minutes than any session has. */
const MAX_PLACES = 100_000

/** Neighbouring places as one: first and last, both inclusive. `places` ascend. */
export function runsOf(places: readonly number[]): (readonly [first: number, last: number])[] {
  const runs: [number, number][] = []
  for (const place of places) {
    const open = runs.at(-1)
    if (open && place === open[1] + 1) open[1] = place
    else runs.push([place, place])
  }
  return runs
}
