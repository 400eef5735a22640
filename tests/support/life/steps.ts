import { existsSync, mkdtempSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { UsageError } from '../../../src/core/errors.ts'
import { createBackup } from '../../../src/lake/backup/backup.ts'
import { restoreBackup } from '../../../src/lake/backup/restore.ts'
import { compactSeries } from '../../../src/lake/compact.ts'
import { openJournal, journalFolder, RECORD_KIND } from '../../../src/lake/journal/index.ts'
import { mergeLate } from '../../../src/lake/late-rows.ts'
import { ledgerPath, type SeriesId } from '../../../src/lake/layout.ts'
import { quarantineEntries } from '../../../src/lake/quarantine-entries.ts'
import type { QuarantinedRow } from '../../../src/lake/quarantine.ts'
import { calendarOf } from '../../../src/market/calendar/index.ts'
import { importFiles } from '../../../src/pipeline/import/import.ts'
import { ReleaseRefusedError, releaseEntry } from '../../../src/pipeline/quarantine.ts'
import { commitCell } from '../../../src/pipeline/stream/cell.ts'
import { recoverJournals } from '../../../src/pipeline/stream/recover.ts'
import { SessionBook } from '../../../src/pipeline/stream/session-book.ts'
import type { StreamVendor } from '../../../src/pipeline/stream/contract.ts'
import { createFrameParser } from '../../../src/sources/polygon/socket/frame-parser.ts'
import type { Row } from '../../lake/engines/samples.ts'
import { BARS, batchFor, COMPLETE, engine, rowsFor, SESSIONS, settle, withWriter } from '../lake.ts'

/** Rows of a session that arrive when they do. */
interface Arrival {
  readonly session: string
  readonly value: number
  /** Minutes of the rows received: from `first` on, `count` of them. */
  readonly first: number
  readonly count: number
  /** Whether it is too late for the lake, where the session is complete. */
  readonly beyond: boolean
}

/** What may be done to a series, by the code that the commands run. */
export type Step =
  | {
      readonly kind: 'record'
      readonly sessions: readonly string[]
      readonly value: number
      readonly refused: boolean
    }
  | { readonly kind: 'settle'; readonly sessions: readonly string[]; readonly state: 'failed' | 'empty' }
  | (Arrival & { readonly kind: 'stream' })
  | (Arrival & { readonly kind: 'late' })
  | {
      readonly kind: 'import'
      readonly sessions: readonly string[]
      readonly value: number
      readonly force: boolean
    }
  | { readonly kind: 'release'; readonly which: number; readonly force: boolean }
  | { readonly kind: 'merge' | 'drop' | 'backup' | 'restore' | 'lose the ledger' | 'reopen' }

/** A series in a data directory, and the folder of its backups. */
export interface World {
  readonly root: string
  readonly backups: string
  readonly series: SeriesId
}

/** In memory where that is possible: thousands of fsyncs are not what is tested here. */
export const HOME = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tapelake-lives-'))

const value = fc.integer({ min: 1, max: 3 }) // few, so that the same is often recorded again
const sessions = fc.subarray([...SESSIONS], { minLength: 1, maxLength: 3 })
const alone = <K extends string>(kind: K) => fc.record({ kind: fc.constant(kind) })
const arriving = <K extends 'stream' | 'late'>(kind: K) =>
  fc.record({
    ...{ kind: fc.constant(kind), session: fc.constantFrom(...SESSIONS), value, beyond: fc.boolean() },
    ...{ first: fc.integer({ min: 0, max: 4 }), count: fc.integer({ min: 1, max: 4 }) },
  })

/** Any step; a live recording only of bars, whose live rows are final rows. */
export const stepOf = (series: SeriesId): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('record' as const), sessions, value, refused: fc.boolean() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...{ kind: fc.constant('settle' as const), sessions },
        state: fc.constantFrom('failed' as const, 'empty' as const),
      }),
    },
    { weight: series === BARS ? 3 : 0, arbitrary: arriving('stream') },
    { weight: 3, arbitrary: arriving('late') },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('import' as const), sessions, value, force: fc.boolean() }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        ...{ kind: fc.constant('release' as const), which: fc.nat({ max: 9 }), force: fc.boolean() },
      }),
    },
    { weight: 2, arbitrary: alone('merge') },
    { weight: 1, arbitrary: alone('drop') },
    { weight: 2, arbitrary: alone('backup') },
    { weight: 2, arbitrary: alone('restore') },
    { weight: 1, arbitrary: alone('lose the ledger') },
  )

const NEVER = new AbortController().signal
const DAY_MS = 86_400_000
const LATE_DAYS = 5
const SEGMENTS = { engine, compression: 'zstd', rowGroupRows: 122_880 } as const
const HOW = { ...SEGMENTS, runId: 'run-1', lockWaitMs: 0 } as const

/** Rows of a recording: the higher its value, the more. */
export const recordedRows = (series: SeriesId, date: string, number: number): Row[] =>
  rowsFor(series, date, number, 1 + number)

type Arriving = Extract<Step, { kind: 'stream' | 'late' }>

/** Rows that arrive: as the socket tells them, which counts no trades. */
export function arrivingRows(series: SeriesId, { kind, session, value, first, count }: Arriving): Row[] {
  const rows = rowsFor(series, session, value, first + count).slice(first)
  return kind === 'late' ? rows : rows.map((row) => ({ ...row, vwap: value + 0.125, trade_count: null }))
}

/** A row that breaks a rule of its dataset. */
export function brokenRow(series: SeriesId, date: string): Row {
  const row = rowsFor(series, date, 1, 9)[8]!
  return series === BARS ? { ...row, high: 0.25 } : { ...row, price: -1 }
}

export const BROKEN = 'refused_in_test'

/** Values as quarantine keeps them. */
const plain = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, one]) => [name, typeof one === 'bigint' ? String(one) : one]),
  )

const refusedOf = (series: SeriesId, date: string): QuarantinedRow => ({
  ...{ rule: BROKEN, reason: 'test', row: plain(brokenRow(series, date)), run: 'run-1' },
  ...{ source: 'simulator', request: '/test', requestId: null },
})

/** What is released, decided before anything happens: the same step again must mean the same entry. */
export async function target({ root, series }: World, step: Step): Promise<string | undefined> {
  if (step.kind !== 'release') return undefined
  const filter = { datasets: [series.dataset.name], tickers: [series.ticker] }
  const ids: string[] = []
  for await (const { id } of quarantineEntries(root, filter)) ids.push(id)
  return ids[step.which % Math.max(1, ids.length)]
}

/**
 * Carries `step` out.
 *
 * @param released the entry to release, see {@link target}
 */
export async function carryOut(world: World, step: Step, released?: string): Promise<void> {
  const { root, series, backups } = world
  switch (step.kind) {
    case 'record':
      return await record(world, step)
    case 'settle':
      return await withWriter(root, series, async (writer) => {
        await writer.settle(settle(step.sessions, { state: step.state, reason: 'test' }))
      })
    case 'stream':
      return await stream(world, step)
    case 'late':
      return await late(world, step)
    case 'import':
      return await importAll(world, step)
    case 'release':
      return await release(world, released, step.force)
    case 'merge':
    case 'drop': {
      const nowMs = Date.now() + (step.kind === 'drop' ? 2 * DAY_MS : 0)
      await compactSeries(series, { root, ...HOW, keepDays: 1, nowMs }, NEVER)
      return
    }
    case 'backup':
      await createBackup({ root, folder: backups, nowMs: Date.now(), waitMs: 0, signal: NEVER })
      return
    case 'restore':
      await restoreBackup({ root, folder: backups, nowMs: Date.now(), waitMs: 0, signal: NEVER })
      return
    case 'lose the ledger':
      await rm(join(root, ledgerPath(series)), { force: true })
      return await withWriter(root, series, async () => undefined)
    case 'reopen':
      return await withWriter(root, series, async () => undefined)
  }
}

type Of<K extends Step['kind']> = Extract<Step, { kind: K }>

async function record({ root, series }: World, step: Of<'record'>): Promise<void> {
  await withWriter(root, series, async (writer) => {
    const sink = writer.openSink(step.sessions)
    for (const date of step.sessions) {
      await sink.write(batchFor(series, recordedRows(series, date, step.value)))
    }
    const verdicts = step.sessions.map((date) => {
      return [date, { ...COMPLETE, refused: step.refused ? [refusedOf(series, date)] : [] }] as const
    })
    await sink.commit(new Map(verdicts))
  })
}

/** The instant at which rows of `step` arrive, UTC epoch milliseconds. */
function arrivalMs({ dataset }: SeriesId, { session, beyond }: Arriving): number {
  const { extendedCloseMs } = calendarOf(dataset.calendar).on(session)!
  return extendedCloseMs + (beyond ? LATE_DAYS + 1 : 1) * DAY_MS
}

/** What a recorder does from one flush to the next: what a journal holds first, then what it receives. */
async function stream({ root, series }: World, step: Of<'stream'>): Promise<void> {
  const journal = await openJournal({ folder: journalFolder(root, 'stocks'), fsyncEveryMs: 1 }, NEVER)
  try {
    const createParser = () => createFrameParser({ source: 'simulator', request: 'live stocks' })
    const book = new SessionBook('run-1')
    const found = await recoverJournals(journal, book, { createParser } as StreamVendor)
    const parser = createParser()
    const frame = frameOf(arrivingRows(series, step))
    journal.append(RECORD_KIND.frame, arrivalMs(series, step), frame)
    parser.add(frame, arrivalMs(series, step))
    await journal.sync()
    for (const { dataset, batch } of parser.take().rows) await book.take(dataset, batch)
    const cut = await journal.cut()
    for (const rows of book.all.filter(({ isChanged }) => isChanged)) {
      const lake = {
        ...{ root, ...HOW, sourceName: 'simulator', lateDays: LATE_DAYS },
        ...{ provenance: () => 'synthetic' as const, now: () => arrivalMs(series, step) },
      }
      await commitCell(lake, rows, { state: 'pending', reason: 'the session goes on' }, NEVER)
    }
    await found.discard()
    await cut.discard()
  } finally {
    await journal.close().catch(() => undefined) // what the disk refused was told already
  }
}

function frameOf(rows: readonly Row[]): Buffer {
  const events = rows.map(({ timestamp, open, high, low, close, volume, vwap }) => {
    const startMs = Number(timestamp) / 1000
    return {
      ...{ ev: 'AM', sym: 'SPY', v: volume, vw: vwap, o: open, h: high, l: low, c: close },
      ...{ s: startMs, e: startMs + 60_000 },
    }
  })
  return Buffer.from(JSON.stringify(events))
}

/** What a backfill does with rows of a session that it was not asked for. */
async function late({ root, series }: World, step: Of<'late'>): Promise<void> {
  await withWriter(root, series, async (writer) => {
    const state = writer.ledger.cells[step.session]?.state
    if (state !== 'complete' && state !== 'empty') return
    const rows = batchFor(series, arrivingRows(series, step))
    await mergeLate(writer, step.session, rows, { lateDays: LATE_DAYS, nowMs: arrivalMs(series, step) })
  })
}

async function importAll({ root, series }: World, step: Of<'import'>): Promise<void> {
  const file = await parquetFile(series, step)
  try {
    const { dataset } = series
    await importFiles({
      ...{ root, ...HOW, files: [file], dataset, tickers: undefined, provenance: 'synthetic' },
      ...{ dryRun: false, force: step.force, graceful: NEVER, immediate: NEVER },
    })
  } finally {
    await rm(dirname(file), { recursive: true })
  }
}

/** Somebody else's Parquet file: no metadata of ours. */
async function parquetFile(series: SeriesId, { sessions, value }: Of<'import'>): Promise<string> {
  const path = join(await mkdtemp(join(HOME, 'import-')), 'rows.parquet')
  const options = { dataset: series.dataset, path, compression: 'zstd', rowGroupRows: 1000 } as const
  const segment = await engine.openSegment({ ...options, metadata: {} })
  await segment.append(
    batchFor(
      series,
      sessions.flatMap((date) => recordedRows(series, date, value)),
    ),
  )
  await segment.finish()
  return path
}

async function release({ root }: World, id: string | undefined, force: boolean): Promise<void> {
  if (id === undefined) return
  try {
    await releaseEntry(id, { root, ...HOW, force, signal: NEVER })
  } catch (error) {
    const isGone = error instanceof UsageError // a crash came after the rows had left quarantine
    if (!isGone && !(error instanceof ReleaseRefusedError)) throw error
  }
}
