/**
 * What a call is for, the most urgent first: closing a hole of a live session, finding today's contracts, recording
 * the newest session, recording the past.
 */
export const CALL_PRIORITIES = ['repair', 'discovery', 'today', 'history'] as const
export type CallPriority = (typeof CALL_PRIORITIES)[number]

/** What an account may spend. */
export interface BudgetTerms {
  /** Most calls in any window; 0 = no limit. */
  readonly callsPerMinute: number
  /** Length of the window, milliseconds. */
  readonly windowMs: number
  /** Most calls in a day of the UTC calendar; 0 = no limit. */
  readonly callsPerDay: number
  /** After this time a call that was not reported as over is taken to be, milliseconds. */
  readonly leaseMs: number
}

/** Whether calls have to be reserved at all. */
export const isLimited = ({ callsPerMinute, callsPerDay }: BudgetTerms): boolean =>
  callsPerMinute > 0 || callsPerDay > 0

/** Who asks. */
export interface BudgetClient {
  readonly pid: number
  /** Tells processes apart after a pid is used again; empty where the system does not tell. */
  readonly started: string
  readonly host: string
  /** For people: `backfill SPY`. */
  readonly label: string
}

/** A call that stands in line. */
export interface Turn {
  /** Unique among all turns of all processes. */
  readonly id: string
  readonly priority: CallPriority
}

/** The answer to a turn. */
export type Reply =
  | { readonly kind: 'granted'; readonly slot: string }
  | {
      readonly kind: 'wait'
      /** When to ask again, milliseconds from now. */
      readonly askAgainMs: number
      /** When the call can probably start, milliseconds from now. */
      readonly waitMs: number
      /** `budget`: the account's calls are used up; `pause`: the vendor asked everyone to wait. */
      readonly reason: 'budget' | 'pause'
    }
  /** The day's calls are used up. */
  | { readonly kind: 'spent'; readonly renewsAtMs: number }

/** How full the window is. */
export interface BudgetLoad {
  /** Milliseconds until each used call leaves the window, ascending. */
  readonly freeInMs: readonly number[]
  /** Milliseconds that everybody has to wait because the vendor said so; 0: nothing to wait for. */
  readonly pauseMs: number
  /** Processes with a call that stands in line. */
  readonly waiting: number
}

/** What one process has of the budget. */
export interface ProcessShare extends BudgetClient {
  /** Calls in the window. */
  readonly calls: number
  /** Calls among them that have no answer yet. */
  readonly inFlight: number
  /** Calls that stand in line. */
  readonly waiting: number
  /** The most urgent of these calls. */
  readonly priority: CallPriority
}

/** All that is known about an account's budget. */
export interface BudgetState extends BudgetLoad {
  /** Calls of this UTC day. */
  readonly usedToday: number
  readonly byProcess: readonly ProcessShare[]
}

/** The budget of one account, shared by everybody who uses its key. Every method may be called at any time. */
export interface BudgetStore {
  /**
   * One call for `turn`, if there is one for it. Who is told to wait keeps its place in the line by asking again
   * in time; who does not is forgotten.
   *
   * @throws {DiskError | NetworkError} when the store cannot be used; then nothing was granted
   */
  reserve(turn: Turn): Promise<Reply>
  /** The call of `slot` is over: it leaves the window a whole window from now, even where the store forgot it. */
  settle(slot: string): Promise<void>
  /** A call of who has no limit is over: it counts for the others as one that was reserved. */
  note(priority: CallPriority): Promise<void>
  /** `turn` does not want to wait any more. */
  leave(turn: Turn): Promise<void>
  /** Lets nothing start for `ms` milliseconds; a longer pause stays. */
  pause(ms: number): Promise<void>
  /** Milliseconds that are left of a pause; made to be asked before every call. */
  pauseLeftMs(): Promise<number>
  /** What is known without asking anybody who is far away. */
  load(): BudgetLoad
  read(): Promise<BudgetState>
  close(): Promise<void>
}

/** The UTC day of an instant (epoch milliseconds), YYYY-MM-DD. */
export const utcDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

const DAY_MS = 86_400_000

/** When the day of an instant ends and a new budget begins, epoch milliseconds. */
export const dayEndMs = (ms: number): number => (Math.floor(ms / DAY_MS) + 1) * DAY_MS

/**
 * How much later a less urgent call takes its place in the line, in windows: a live repair goes first, but a call
 * that has waited that much longer goes before it, so that nobody waits for ever.
 */
export const handicapMs = (priority: CallPriority, windowMs: number): number =>
  CALL_PRIORITIES.indexOf(priority) * windowMs
