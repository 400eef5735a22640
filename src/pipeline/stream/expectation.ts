import type { TradingSession } from '../../market/calendar/index.ts'
import type { Channel } from './channels.ts'

interface Evidence {
  /** Steps with an event, and steps without one between two events. */
  seen: number
  empty: number
}

/**
 * What of a channel's silence is to be expected, learnt from the channel itself and kept apart for regular and
 * extended hours: where every minute so far had a bar, one without is suspicious; where half of them had none,
 * several in a row are nothing. Before anything was seen, the chance of an empty step is one half.
 */
export class Expectation {
  readonly #session: TradingSession
  readonly #stepMs: number
  readonly #leastChance: number
  readonly #regular: Evidence = { seen: 0, empty: 0 }
  readonly #extended: Evidence = { seen: 0, empty: 0 }

  constructor(session: TradingSession, { stepMs, leastChance }: Pick<Channel, 'stepMs' | 'leastChance'>) {
    this.#session = session
    this.#stepMs = stepMs
    this.#leastChance = leastChance
  }

  /** An event in the step that begins at `startMs` (market time). */
  noteEvent(startMs: number): void {
    this.#at(startMs).seen++
  }

  /** Nothing happened from `fromMs` to `toMs` (exclusive), for sure. */
  noteEmpty(fromMs: number, toMs: number): void {
    const { regular, extended } = this.#steps(fromMs, toMs)
    this.#regular.empty += regular
    this.#extended.empty += extended
  }

  /** True when nothing from `fromMs` to `toMs` (exclusive) is more than chance. */
  isSurprising(fromMs: number, toMs: number): boolean {
    const { regular, extended } = this.#steps(fromMs, toMs)
    const chance = chanceOfEmpty(this.#regular) ** regular * chanceOfEmpty(this.#extended) ** extended
    return chance < this.#leastChance
  }

  #at(ms: number): Evidence {
    return ms >= this.#session.openMs && ms < this.#session.closeMs ? this.#regular : this.#extended
  }

  /** Whole steps in [fromMs, toMs), by the hours they lie in. */
  #steps(fromMs: number, toMs: number): { regular: number; extended: number } {
    const all = Math.max(0, toMs - fromMs)
    const { openMs, closeMs } = this.#session
    const inside = Math.max(0, Math.min(toMs, closeMs) - Math.max(fromMs, openMs))
    return {
      regular: Math.floor(inside / this.#stepMs),
      extended: Math.floor((all - inside) / this.#stepMs),
    }
  }
}

/** Laplace's rule of succession. */
const chanceOfEmpty = ({ seen, empty }: Evidence): number => (empty + 1) / (seen + empty + 2)
