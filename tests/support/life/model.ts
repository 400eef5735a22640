import type { SeriesId } from '../../../src/lake/layout.ts'
import type { CellState } from '../../../src/lake/ledger.ts'
import type { Row } from '../../lake/engines/samples.ts'
import { arrivingRows, BROKEN, brokenRow, recordedRows, type Step } from './steps.ts'

/** What is known of a session: its rows by time. */
export interface ModelCell {
  readonly state: CellState
  readonly rows: ReadonlyMap<number, Row>
}

export interface RefusedRow {
  readonly rule: string
  readonly row: Row
}

/** All that the lake is held to: a map of sessions and the rows that wait in quarantine. */
export interface Model {
  readonly cells: ReadonlyMap<string, ModelCell>
  readonly quarantine: ReadonlyMap<string, readonly RefusedRow[]>
  /** What the newest backup holds. */
  readonly backup?: Model | undefined
}

export const NOTHING: Model = { cells: new Map(), quarantine: new Map() }

const byTime = (rows: readonly Row[]): Map<number, Row> =>
  new Map(rows.map((row) => [Number(row['timestamp']), row]))
const textOf = (row: Row): string =>
  JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
const rowsIn = (model: Model, date: string): number => model.cells.get(date)?.rows.size ?? 0

/** The entry of quarantine that a step releases. */
export interface Entry {
  readonly session: string
  readonly rule: string
}

/** What `step` makes of `model`, as the documentation says. */
export function after(model: Model, series: SeriesId, step: Step, entry?: Entry): Model {
  switch (step.kind) {
    case 'record':
      return step.sessions.reduce((next, date) => {
        const refused = step.refused ? [{ rule: BROKEN, row: brokenRow(series, date) }] : []
        return replaced(next, date, recordedRows(series, date, step.value), refused)
      }, model)
    case 'settle':
      return step.sessions.reduce((next, date) => {
        if (rowsIn(next, date) > 0) return next // held rows are never given up for an answer without rows
        return withCell(next, date, { state: step.state, rows: new Map() })
      }, model)
    case 'import':
      return step.sessions.reduce((next, date) => {
        if (rowsIn(next, date) > 0 && !step.force) return next
        const rows = recordedRows(series, date, step.value)
        const held = next.cells.get(date)
        const same = held && allSame(held.rows, byTime(rows))
        return replaced(next, date, rows, [], same ? held.state : 'complete')
      }, model)
    case 'stream':
      return received(model, series, step)
    case 'late': {
      const state = model.cells.get(step.session)?.state
      return state === 'complete' || state === 'empty' ? lateRows(model, series, step) : model
    }
    case 'release':
      return entry ? released(model, entry, step.force) : model
    case 'backup':
      return { ...model, backup: model }
    case 'restore':
      return model.backup ? { ...model.backup, backup: model.backup } : model
    case 'lose the ledger':
      return { ...model, cells: rebuilt(model.cells) }
    default:
      return model
  }
}

const allSame = (a: ReadonlyMap<number, Row>, b: ReadonlyMap<number, Row>): boolean =>
  a.size === b.size && [...a].every(([time, row]) => b.has(time) && textOf(b.get(time)!) === textOf(row))

const withCell = (model: Model, date: string, cell: ModelCell): Model => ({
  ...model,
  cells: new Map([...model.cells, [date, cell]]),
})

const withRefused = (model: Model, date: string, rows: readonly RefusedRow[]): Model => ({
  ...model,
  quarantine: new Map([...model.quarantine, [date, rows] as const].filter(([, all]) => all.length > 0)),
})

function withoutRefused(model: Model, date: string): Model {
  return { ...model, quarantine: new Map([...model.quarantine].filter(([other]) => other !== date)) }
}

/** Recording a session anew replaces its rows and what its quarantine held. */
function replaced(
  model: Model,
  date: string,
  rows: readonly Row[],
  refused: readonly RefusedRow[],
  state: CellState = 'complete',
): Model {
  const next = withCell(model, date, { state, rows: byTime(rows) })
  return refused.length > 0 ? withRefused(next, date, refused) : withoutRefused(next, date)
}

type Arriving = Extract<Step, { kind: 'stream' | 'late' }>

/** Live rows: into a session that is complete only those that it lacks, elsewhere all. */
function received(model: Model, series: SeriesId, step: Arriving): Model {
  const held = model.cells.get(step.session)
  if (held?.state === 'complete') return lateRows(model, series, step)
  const rows = new Map([...(held?.rows ?? []), ...byTime(arrivingRows(series, step))])
  return withCell(model, step.session, { state: 'pending', rows })
}

function lateRows(model: Model, series: SeriesId, step: Arriving): Model {
  const { session, beyond } = step
  const held = model.cells.get(session)!
  const fresh = arrivingRows(series, step).filter((row) => !held.rows.has(Number(row['timestamp'])))
  if (fresh.length === 0) return model
  if (!beyond)
    return withCell(model, session, { state: 'complete', rows: new Map([...held.rows, ...byTime(fresh)]) })
  const before = model.quarantine.get(session) ?? []
  const known = new Set(before.map(({ rule, row }) => rule + textOf(row)))
  const late = fresh
    .map((row) => ({ rule: 'late', row }))
    .filter((one) => !known.has('late' + textOf(one.row)))
  return withRefused(model, session, [...before, ...late])
}

/** An entry enters the lake as a whole, or not at all. */
function released(model: Model, { session, rule }: Entry, force: boolean): Model {
  const all = model.quarantine.get(session) ?? []
  const mine = all.filter((one) => one.rule === rule)
  const held = model.cells.get(session)
  const takesPlace = mine.some(({ row }) => {
    const other = held?.rows.get(Number(row['timestamp']))
    return other && textOf(other) !== textOf(row)
  })
  if (!force && (rule === BROKEN || takesPlace)) return model
  const left = all.filter((one) => one.rule !== rule)
  const isRecorded = held && ['complete', 'empty', 'quarantined'].includes(held.state)
  const rows = new Map([...(held?.rows ?? []), ...byTime(mine.map(({ row }) => row))])
  const next = withCell(model, session, {
    state: isRecorded ? 'complete' : (held?.state ?? 'missing'),
    rows,
  })
  return left.length > 0 ? withRefused(next, session, left) : withoutRefused(next, session)
}

/** Of sessions without rows nothing is known, and what was not whole is not called complete. */
function rebuilt(cells: Model['cells']): Model['cells'] {
  const kept = [...cells].filter(([, { rows }]) => rows.size > 0)
  return new Map(
    kept.map(([date, { state, rows }]) => [
      date,
      { state: state === 'complete' ? 'complete' : 'pending', rows },
    ]),
  )
}

/** All rows of the lake in order of time. */
export const rowsOf = ({ cells }: Model): Row[] =>
  [...cells]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, { rows }]) => [...rows].sort(([a], [b]) => a - b).map(([, row]) => row))
