import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { ledgerPath, type SeriesId } from '../../src/lake/layout.ts'
import type { SeriesWriter } from '../../src/lake/series-writer.ts'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import { interceptOperations } from '../support/crash/operations.js'
import {
  BARS,
  batchFor,
  COMPLETE,
  EMPTY,
  engine,
  engineOnce,
  openWriter,
  rowsFor,
  SESSIONS,
  settle,
  TRADES,
  unfinishedBelow,
  visibleRows,
} from '../support/lake.ts'

/** CRASH_LIVES: how many lives; the default is what CI asks for. Lives with more in them: pipeline/crash-points.test.ts. */
const RUNS = Number(process.env['CRASH_LIVES'] ?? 10)

/** What the lake is held to: the recording number of each session that has rows; 0 where it is known to have none. */
type Model = ReadonlyMap<string, number>

/** Recording that is cut short: the process dies, the machine does, or the disk refuses one operation. */
interface Mishap {
  readonly kind: 'crash' | 'copy' | 'refuse'
  readonly sessions: readonly string[]
  readonly value: number
  /** Number of the file operation at which it happens. */
  readonly at: number
  readonly how: 'before' | 'tear'
}

type Step =
  | { readonly kind: 'record' | 'abort'; readonly sessions: readonly string[]; readonly value: number }
  | { readonly kind: 'empty'; readonly sessions: readonly string[] }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'lose the ledger' }
  | Mishap

const sessions = fc.subarray([...SESSIONS], { minLength: 1 })
const value = fc.integer({ min: 1, max: 3 }) // few, so that the same is often recorded again
const mishap: fc.Arbitrary<Mishap> = fc.record({
  kind: fc.constantFrom('crash', 'refuse', 'copy'),
  sessions,
  value,
  at: fc.integer({ min: 1, max: 30 }),
  how: fc.constantFrom('before', 'tear'),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('record' as const), sessions, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), sessions, value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('empty' as const), sessions }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose the ledger' as const) }) },
  { weight: 5, arbitrary: mishap },
)
/** Some steps, two mishaps among them at least. */
const steps = fc
  .tuple(fc.array(step, { maxLength: 3 }), mishap, fc.array(step, { maxLength: 2 }), mishap)
  .map(([before, one, between, other]) => [...before, one, ...between, other])

const rowCount = (number: number) => 1 + number // so that recordings differ in length as well

async function recordStep(writer: SeriesWriter, dates: readonly string[], number: number) {
  const { series } = writer.options
  const sink = writer.openSink(dates)
  for (const date of dates)
    await sink.write(batchFor(series, rowsFor(series, date, number, rowCount(number))))
  return sink
}

const withRecorded = (model: Model, dates: readonly string[], number: number): Model =>
  new Map([...model, ...dates.map((date) => [date, number] as const)])

const expectedRows = (series: SeriesId, model: Model) =>
  SESSIONS.flatMap((date) => {
    const number = model.get(date) ?? 0
    return number === 0 ? [] : rowsFor(series, date, number, rowCount(number))
  })

/** The lake under test, one writer after the other, and what it is held to. */
class Life {
  readonly #series: SeriesId
  #root: string
  #model: Model = new Map()
  #writer: SeriesWriter | undefined
  mishaps = 0

  constructor(root: string, series: SeriesId) {
    this.#root = root
    this.#series = series
  }

  async take(step: Step): Promise<void> {
    const writer = (this.#writer ??= await this.#reopened())
    if (step.kind === 'record') {
      await (await recordStep(writer, step.sessions, step.value)).commit(settle(step.sessions, COMPLETE))
      this.#model = withRecorded(this.#model, step.sessions, step.value)
    } else if (step.kind === 'abort') {
      await (await recordStep(writer, step.sessions, step.value)).abort()
    } else if (step.kind === 'empty') {
      await writer.settle(settle(step.sessions, EMPTY))
      this.#model = new Map([...step.sessions.map((date) => [date, 0] as const), ...this.#model])
    } else if (step.kind === 'reopen') {
      await this.end()
      this.#writer = await this.#reopened()
    } else if (step.kind === 'lose the ledger') {
      await this.end()
      await rm(join(this.#root, ledgerPath(this.#series)), { force: true })
      this.#model = new Map([...this.#model].filter(([, number]) => number !== 0))
    } else if ('at' in step) await this.#suffer(writer, step)
    await this.check()
  }

  async #suffer(writer: SeriesWriter, step: Mishap): Promise<void> {
    const { finished, struck } = await this.#recordBadly(writer, step)
    const after = withRecorded(this.#model, step.sessions, step.value)
    if (struck) this.mishaps++
    if (finished && !struck) this.#model = after
    if (step.kind === 'refuse') {
      if (struck) await this.#settleOn(after)
      return await this.#goOn(writer, step.sessions)
    }
    const copy = `${this.#root}~`
    if (step.kind === 'copy') await cp(this.#root, copy, { recursive: true })
    await writer.close()
    this.#writer = undefined
    if (step.kind === 'copy') {
      await rm(this.#root, { recursive: true })
      this.#root = copy
    }
    if (struck) await this.#settleOn(after)
  }

  /** Records with an operation that fails: that one and all later ones, or, where the disk refuses, that one. */
  async #recordBadly(writer: SeriesWriter, step: Mishap): Promise<{ finished: boolean; struck: boolean }> {
    let count = 0
    let struck = false
    const stop = (): never => {
      struck = true
      throw Object.assign(new Error('EIO: the disk refuses, or the process is dead'), { code: 'EIO' })
    }
    const restore = await interceptOperations({
      before: () => {
        if (struck && step.kind !== 'refuse') return stop()
        if (++count !== step.at) return undefined
        return step.how === 'tear' ? 'tear' : stop()
      },
      torn: stop,
    })
    const finished = await recordStep(writer, step.sessions, step.value)
      .then((sink) => sink.commit(settle(step.sessions, COMPLETE)))
      .then(
        () => true,
        () => false,
      )
    restore()
    return { finished, struck }
  }

  /** The same writer goes on, unless it ended; then it must not touch what the next one has to finish. */
  async #goOn(writer: SeriesWriter, dates: readonly string[]): Promise<void> {
    const again = await recordStep(writer, dates, 3)
      .then((sink) => sink.commit(settle(dates, COMPLETE)))
      .then(
        () => true,
        () => false,
      )
    if (again) this.#model = withRecorded(this.#model, dates, 3)
    else await this.end()
  }

  /** After a crash the old truth stands or the new one, for all sessions alike. */
  async #settleOn(after: Model): Promise<void> {
    const { ledger } = await viewSeries(this.#root, this.#series, engineOnce)
    const rowsOf = (model: Model) => {
      const rows = (date: string) => (model.get(date) ? rowCount(model.get(date)!) : 0)
      return Object.fromEntries(SESSIONS.map((date) => [date, rows(date)]))
    }
    const found = Object.fromEntries(SESSIONS.map((date) => [date, ledger.cells[date]?.rows ?? 0]))
    expect([rowsOf(this.#model), rowsOf(after)]).toContainEqual(found)
    if (JSON.stringify(found) === JSON.stringify(rowsOf(after))) this.#model = after
    const report = await verifySeries(this.#root, this.#series, engineOnce)
    expect(report.findings).toEqual([])
  }

  async #reopened(): Promise<SeriesWriter> {
    const writer = await openWriter(this.#root, this.#series)
    expect(await unfinishedBelow(this.#root)).toEqual([])
    return writer
  }

  async check(): Promise<void> {
    if (!this.#writer) this.#writer = await this.#reopened()
    expect(await visibleRows(this.#root, this.#series)).toEqual(expectedRows(this.#series, this.#model))
    const report = await verifySeries(this.#root, this.#series, engineOnce)
    expect(report.findings).toEqual([])
    expect(report.rows).toBe(expectedRows(this.#series, this.#model).length)
    for (const [date, number] of this.#model) {
      const cell = this.#writer.ledger.cells[date]
      expect(cell).toMatchObject({
        state: number === 0 ? 'empty' : 'complete',
        rows: number === 0 ? 0 : rowCount(number),
      })
    }
  }

  async end(): Promise<void> {
    await this.#writer?.close()
    this.#writer = undefined
  }

  async destroy(): Promise<void> {
    await this.end()
    if (existsSync(this.#root)) await rm(this.#root, { recursive: true })
  }
}

afterAll(() => engine.close())

describe('the lake is what a map of sessions would be, whatever happens to it', () => {
  test.each([
    ['bars, which share a segment a month', BARS, RUNS],
    ['trades, a segment a session', TRADES, RUNS / 2],
  ])(
    '%s',
    async (_, series, runs) => {
      let mishaps = 0
      await fc.assert(
        fc.asyncProperty(steps, async (all) => {
          const life = new Life(await mkdtemp(join(tmpdir(), 'tapelake-model-')), series)
          try {
            for (const one of all) await life.take(one)
          } finally {
            mishaps += life.mishaps
            await life.destroy()
          }
        }),
        { numRuns: runs },
      )
      expect(mishaps).toBeGreaterThan(0)
    },
    600_000,
  )
})
