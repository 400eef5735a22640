import type { HeldSession } from '../../lake/held-sessions.ts'
import { medianOf } from './plausible.ts'

/** What a daily bar says about the minutes of its session. */
export type Testimony = 'agrees' | 'differs' | 'unknown'

/** Sessions that must agree before a rule of the vendor's is taken from them. */
const ENOUGH_SESSIONS = 5
/** Volumes that are equal but for rounding. */
const EQUAL = 1e-6
/** Share by which a day's volume must exceed all of its minutes before one session alone is believed. */
const PLAIN_EXCESS = 0.001
/** Share of the volume that is expected in a hole: less than this is not it. */
const TELLING_SHARE = 0.25

/**
 * Compares the volume of daily bars with the sums of their minutes. Vendors differ in what a day counts (regular hours
 * or all), and in how exactly it adds up; both are learnt from the sessions of the series itself.
 */
export class DailyWitness {
  readonly #days: ReadonlyMap<string, number>
  readonly #sessions: ReadonlyMap<string, HeldSession>
  readonly #rule: Rule | undefined

  /**
   * @param days volume of the daily bar by session
   * @param sessions what is held, by session; only those whose rows are all there
   */
  constructor(days: ReadonlyMap<string, number>, sessions: ReadonlyMap<string, HeldSession>) {
    this.#days = days
    this.#sessions = sessions
    this.#rule = learn(days, sessions)
  }

  /** What the daily bar of `date` says of a hole in which `expectedVolume` would have traded. */
  testify(date: string, expectedVolume: number): Testimony {
    const day = this.#days.get(date)
    const session = this.#sessions.get(date)
    if (day === undefined || !session || !(day > 0)) return 'unknown'
    if (!this.#rule) return testifyAlone(day, session)
    const missing = day - this.#rule.sum(session)
    const noise = Math.max(this.#rule.noise, EQUAL) * day
    if (missing > noise && missing >= TELLING_SHARE * expectedVolume) return 'differs'
    return noise < TELLING_SHARE * expectedVolume || noise === EQUAL * day ? 'agrees' : 'unknown'
  }

  /** Shares by which the day exceeds its minutes; 0 where it does not, and where days never add up exactly anyway. */
  lacking(date: string): number {
    const day = this.#days.get(date)
    const session = this.#sessions.get(date)
    if (day === undefined || !session || !this.#rule || this.#rule.noise > EQUAL) return 0
    const missing = day - this.#rule.sum(session)
    return missing > EQUAL * day ? missing : 0
  }
}

/** How a day's volume follows from its minutes, and how far off it usually is, as a share. */
interface Rule {
  readonly sum: (session: HeldSession) => number
  readonly noise: number
}

const SUMS: readonly Rule['sum'][] = [({ regularVolume }) => regularVolume, ({ volume }) => volume]

function learn(
  days: ReadonlyMap<string, number>,
  sessions: ReadonlyMap<string, HeldSession>,
): Rule | undefined {
  const rules = SUMS.map((sum) => {
    const off = [...days].flatMap(([date, day]) => {
      const session = sessions.get(date)
      return session && day > 0 ? [Math.abs(sum(session) / day - 1)] : []
    })
    return { sum, noise: 4 * medianOf(off), sessions: off.length }
  })
  const best = rules.reduce((a, b) => (b.noise < a.noise ? b : a))
  return best.sessions >= ENOUGH_SESSIONS && best.noise < 0.05 ? best : undefined
}

function testifyAlone(day: number, session: HeldSession): Testimony {
  if (SUMS.some((sum) => Math.abs(sum(session) / day - 1) <= EQUAL)) return 'agrees'
  return day > session.volume * (1 + PLAIN_EXCESS) ? 'differs' : 'unknown'
}
