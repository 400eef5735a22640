import { randomUUID } from 'node:crypto'
import type { Database } from 'libsql'
import { BudgetFile } from './budget-file.ts'
import { count, get, prepare, put } from './file-tables.ts'
import {
  CALL_PRIORITIES,
  dayEndMs,
  handicapMs,
  utcDay,
  type BudgetClient,
  type BudgetLoad,
  type BudgetState,
  type BudgetStore,
  type BudgetTerms,
  type CallPriority,
  type ProcessShare,
  type Reply,
  type Turn,
} from './contract.ts'
import { machineClock, type MachineClock } from './machine-clock.ts'

export interface FileStoreOptions {
  /** The file; its folder exists. */
  readonly path: string
  readonly terms: BudgetTerms
  readonly client: BudgetClient
  /** Whether the process that `client` describes has ended: its calls are over then. */
  readonly hasEnded: (client: BudgetClient) => Promise<boolean>
  readonly clock?: MachineClock
}

/** Who waits asks again at least this often: calls end early, processes die, pauses begin. */
const ASK_AGAIN_MS = 500
/** Calls that may start now belong to others, who are about to come for them. */
const ASK_SOON_MS = 20
/** So much later than promised a waiting call may come and still find its place in the line. */
const GRACE_MS = 1500
/** How often processes that hold a call are looked at. */
const LOOK_MS = 1000
/** Calls are kept at least so long, for processes with another window. */
const KEPT_MS = 60_000

/**
 * The budget of an account on this machine: one small SQLite file that all processes of a user share. A call takes
 * its place in the window from before it is sent until a whole window after its answer; it reaches the vendor
 * somewhere in between, so the vendor never counts more than the limit in any window, whatever the network does.
 * All times are of a clock that cannot be set.
 */
export async function openFileStore(options: FileStoreOptions): Promise<BudgetStore> {
  const { clock = machineClock(), terms } = options
  const file = await BudgetFile.open({
    path: options.path,
    prepare: (database) => prepare(database, clock, terms),
    onLost: (database) => put(database, 'blocked_until', clock.monotonicMs() + terms.windowMs),
  })
  return new FileStore(file, options, clock)
}

class FileStore implements BudgetStore {
  readonly #file: BudgetFile
  readonly #terms: BudgetTerms
  readonly #clock: MachineClock
  readonly #hasEnded: FileStoreOptions['hasEnded']
  /** The client as it is written. */
  readonly #me: string
  #lookedMs = -Infinity

  constructor(file: BudgetFile, { terms, client, hasEnded }: FileStoreOptions, clock: MachineClock) {
    this.#file = file
    this.#terms = terms
    this.#clock = clock
    this.#hasEnded = hasEnded
    this.#me = JSON.stringify(client)
  }

  async reserve(turn: Turn): Promise<Reply> {
    const reply = await this.#file.change((database) => this.#reserve(database, turn))
    if (reply.kind !== 'wait' || !(await this.#endTheDead())) return reply
    return await this.#file.change((database) => this.#reserve(database, turn))
  }

  async settle(slot: string): Promise<void> {
    // a call whose slot was lost with the file gets a new one
    const sql = `INSERT INTO slots VALUES (?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET over = min(over, excluded.over)`
    const least = CALL_PRIORITIES.length - 1
    await this.#file.change((database) =>
      database.prepare(sql).run(slot, this.#me, least, this.#clock.monotonicMs()),
    )
  }

  async note(priority: CallPriority): Promise<void> {
    await this.#file.change((database) => {
      this.#forget(database, this.#clock.monotonicMs())
      this.#count(database, priority, this.#clock.monotonicMs())
    })
  }

  async leave({ id }: Turn): Promise<void> {
    await this.#file.change((database) => database.prepare('DELETE FROM turns WHERE id = ?').run(id))
  }

  async pause(ms: number): Promise<void> {
    await this.#file.change((database) => {
      const untilMs = this.#clock.monotonicMs() + ms
      if (untilMs <= get(database, 'pause_until')) return
      put(database, 'pause_until', untilMs)
      put(database, 'pause_until_wall', this.#clock.wallMs() + ms)
    })
  }

  pauseLeftMs(): Promise<number> {
    return Promise.resolve(this.#file.look((database) => this.#pauseMs(database)) ?? 0)
  }

  load(): BudgetLoad {
    return this.#file.look((database) => this.#load(database)) ?? { freeInMs: [], pauseMs: 0, waiting: 0 }
  }

  async read(): Promise<BudgetState> {
    await this.#endTheDead()
    return await this.#file.change((database) => ({
      ...this.#load(database),
      usedToday: this.#usedToday(database),
      byProcess: this.#byProcess(database),
    }))
  }

  close(): Promise<void> {
    this.#file.close()
    return Promise.resolve()
  }

  #reserve(database: Database, turn: Turn): Reply {
    const nowMs = this.#clock.monotonicMs()
    const { callsPerMinute, windowMs, callsPerDay, leaseMs } = this.#terms
    this.#forget(database, nowMs)
    if (callsPerDay > 0 && this.#usedToday(database) >= callsPerDay) {
      return { kind: 'spent', renewsAtMs: dayEndMs(this.#clock.wallMs()) }
    }
    const blockedMs = get(database, 'blocked_until') - nowMs
    const pauseMs = this.#pauseMs(database)
    const used = count(database, 'SELECT count(*) AS n FROM slots WHERE over > ?', nowMs - windowMs)
    const rank = this.#rankOf(database, turn, nowMs)
    const free = (callsPerMinute || Infinity) - used
    const ahead = count(
      database,
      'SELECT count(*) AS n FROM turns WHERE id <> ? AND until >= ? AND (rank < ? OR (rank = ? AND id < ?))',
      ...[turn.id, nowMs, rank, rank, turn.id],
    )
    if (blockedMs <= 0 && pauseMs <= 0 && ahead < free) return this.#grant(database, turn, nowMs + leaseMs)
    const budgetMs = Math.max(blockedMs, this.#freeInMs(database, ahead - free, nowMs))
    const askAgainMs = Math.min(ASK_AGAIN_MS, Math.max(budgetMs, pauseMs, ahead > 0 ? ASK_SOON_MS : 1))
    database
      .prepare(
        'INSERT INTO turns VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET until = excluded.until',
      )
      .run(turn.id, this.#me, CALL_PRIORITIES.indexOf(turn.priority), rank, nowMs + askAgainMs + GRACE_MS)
    const reason = pauseMs >= budgetMs ? 'pause' : 'budget'
    return { kind: 'wait', askAgainMs, waitMs: Math.max(budgetMs, pauseMs), reason }
  }

  #grant(database: Database, { id, priority }: Turn, leaseEndMs: number): Reply {
    database.prepare('DELETE FROM turns WHERE id = ?').run(id)
    return { kind: 'granted', slot: this.#count(database, priority, leaseEndMs) }
  }

  /** One more call in the window and of the day, over at `overMs`. */
  #count(database: Database, priority: CallPriority, overMs: number): string {
    const slot = randomUUID()
    database
      .prepare('INSERT INTO slots VALUES (?, ?, ?, ?)')
      .run(slot, this.#me, CALL_PRIORITIES.indexOf(priority), overMs)
    database
      .prepare('INSERT INTO days VALUES (?, 1) ON CONFLICT (day) DO UPDATE SET calls = calls + 1')
      .run(utcDay(this.#clock.wallMs()))
    return slot
  }

  #forget(database: Database, nowMs: number): void {
    const keptMs = Math.max(KEPT_MS, this.#terms.windowMs)
    database.prepare('DELETE FROM slots WHERE over <= ?').run(nowMs - keptMs)
    database.prepare('DELETE FROM turns WHERE until < ?').run(nowMs)
  }

  /** The place of a turn in the line: the lower, the sooner. */
  #rankOf(database: Database, { id, priority }: Turn, nowMs: number): number {
    const known = database.prepare('SELECT rank FROM turns WHERE id = ?').get(id) as
      { rank: number } | undefined
    return known?.rank ?? nowMs + handicapMs(priority, this.#terms.windowMs)
  }

  /** When the `n`th used call from now (0: the next) leaves the window; a call under way counts as just over. */
  #freeInMs(database: Database, n: number, nowMs: number): number {
    const { windowMs, callsPerMinute } = this.#terms
    if (n < 0) return 0
    const row = database
      .prepare('SELECT over FROM slots WHERE over > ? ORDER BY over LIMIT 1 OFFSET ?')
      .get(nowMs - windowMs, n % callsPerMinute) as { over: number } | undefined
    const wholeMs = Math.floor(n / callsPerMinute) * windowMs
    return Math.min(row?.over ?? nowMs, nowMs) + windowMs - nowMs + wholeMs
  }

  #pauseMs(database: Database): number {
    return Math.max(0, get(database, 'pause_until') - this.#clock.monotonicMs())
  }

  #usedToday(database: Database): number {
    const day = utcDay(this.#clock.wallMs())
    return count(database, 'SELECT coalesce(sum(calls), 0) AS n FROM days WHERE day = ?', day)
  }

  #load(database: Database): BudgetLoad {
    const nowMs = this.#clock.monotonicMs()
    const { windowMs } = this.#terms
    const rows = database
      .prepare('SELECT over FROM slots WHERE over > ? ORDER BY over')
      .all(nowMs - windowMs) as { over: number }[]
    const blockedMs = Math.max(0, get(database, 'blocked_until') - nowMs)
    const others = 'SELECT count(DISTINCT client) AS n FROM turns WHERE until >= ?'
    return {
      freeInMs: rows.map(({ over }) => Math.max(blockedMs, Math.min(over, nowMs) + windowMs - nowMs)),
      pauseMs: this.#pauseMs(database),
      waiting: count(database, others, nowMs),
    }
  }

  #byProcess(database: Database): ProcessShare[] {
    const nowMs = this.#clock.monotonicMs()
    const sql = `
      SELECT client, sum(calls) AS calls, sum(flying) AS flying, sum(waiting) AS waiting, min(priority) AS priority
      FROM (
        SELECT client, 1 AS calls, over > ? AS flying, 0 AS waiting, priority FROM slots WHERE over > ?
        UNION ALL SELECT client, 0, 0, 1, priority FROM turns WHERE until >= ?
      ) GROUP BY client ORDER BY calls DESC, client`
    const rows = database.prepare(sql).all(nowMs, nowMs - this.#terms.windowMs, nowMs) as ShareRow[]
    return rows.map(({ client, calls, flying, waiting, priority }) => ({
      ...(JSON.parse(client) as BudgetClient),
      ...{ calls, inFlight: flying, waiting },
      priority: CALL_PRIORITIES[priority] ?? ('history' satisfies CallPriority),
    }))
  }

  /** Ends the calls of processes that ended before they could; true where there were any. */
  async #endTheDead(): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lookedMs < LOOK_MS) return false
    this.#lookedMs = nowMs
    const flying = this.#file.look(
      (database) =>
        database.prepare('SELECT DISTINCT client FROM slots WHERE over > ?').all(nowMs) as {
          client: string
        }[],
    )
    const dead: string[] = []
    for (const { client } of flying ?? []) {
      if (client !== this.#me && (await this.#hasEnded(JSON.parse(client) as BudgetClient))) dead.push(client)
    }
    if (dead.length === 0) return false
    await this.#file.change((database) => {
      const end = database.prepare('UPDATE slots SET over = min(over, ?) WHERE client = ?')
      for (const client of dead) end.run(this.#clock.monotonicMs(), client)
    })
    return true
  }
}

interface ShareRow {
  readonly client: string
  readonly calls: number
  readonly flying: number
  readonly waiting: number
  readonly priority: number
}
