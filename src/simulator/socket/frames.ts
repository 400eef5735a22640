import { JsonWriter } from '../json-writer.ts'

/** A stretch of market time, (fromMs, toMs], ms since the epoch. */
export interface Window {
  readonly fromMs: number
  readonly toMs: number
}

/** Keeps a frame of the longest events below half of the vendor's megabyte. */
const MOST_EVENTS = 1000
const USUAL_BYTES = 2000

/** Gathers events into frames: JSON arrays of mixed events and symbols. */
export class FrameBuilder {
  /** Where the next event is written, with a comma behind it. */
  json = new JsonWriter(USUAL_BYTES).raw('[')
  /** Events written. */
  events = 0
  private inFrame = 0
  private readonly done: Buffer[] = []

  /** Call after every event. */
  wrote(): void {
    this.events++
    if (++this.inFrame >= MOST_EVENTS) this.endFrame()
  }

  /** The frames; the builder must not be used afterwards. */
  finish(): Buffer[] {
    if (this.inFrame > 0) this.endFrame()
    return this.done
  }

  private endFrame(): void {
    this.done.push(this.json.dropComma().raw(']').finish())
    this.json = new JsonWriter(USUAL_BYTES).raw('[')
    this.inFrame = 0
  }
}
