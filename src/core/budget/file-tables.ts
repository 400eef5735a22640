import type { Database } from 'libsql'
import { utcDay, type BudgetTerms } from './contract.ts'
import type { MachineClock } from './machine-clock.ts'

const KEPT_DAYS = 8

const TABLES = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value);
  CREATE TABLE IF NOT EXISTS slots (id TEXT PRIMARY KEY, client TEXT, priority INTEGER, over REAL);
  CREATE INDEX IF NOT EXISTS slots_over ON slots (over);
  CREATE TABLE IF NOT EXISTS turns (id TEXT PRIMARY KEY, client TEXT, priority INTEGER, rank REAL, until REAL);
  CREATE TABLE IF NOT EXISTS days (day TEXT PRIMARY KEY, calls INTEGER);`

/** Makes the tables; after a start of the machine, what was spent counts as spent now. */
export function prepare(database: Database, clock: MachineClock, { windowMs }: BudgetTerms): void {
  database.exec(TABLES)
  const nowMs = clock.monotonicMs()
  const known = database.prepare('SELECT value FROM meta WHERE name = ?').get('boot') as
    { value: string } | undefined
  if (known?.value !== clock.boot) {
    const pauseMs = Math.max(0, get(database, 'pause_until_wall') - clock.wallMs())
    put(database, 'pause_until', nowMs + pauseMs)
    put(database, 'boot', clock.boot)
    database.prepare('UPDATE slots SET over = ?').run(nowMs)
    database.exec('DELETE FROM turns')
  }
  if (get(database, 'blocked_until') > nowMs + windowMs) put(database, 'blocked_until', nowMs + windowMs)
  database.prepare('DELETE FROM days WHERE day < ?').run(utcDay(clock.wallMs() - KEPT_DAYS * 86_400_000))
}

/** A number of the file by its name; 0 where it has none. */
export function get(database: Database, name: string): number {
  const row = database.prepare('SELECT value FROM meta WHERE name = ?').get(name) as
    { value: number } | undefined
  return row?.value ?? 0
}

export function put(database: Database, name: string, value: number | string): void {
  database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(name, value)
}

/** The one number `n` that `sql` asks for. */
export function count(database: Database, sql: string, ...values: (number | string)[]): number {
  return (database.prepare(sql).get(...values) as { n: number }).n
}
