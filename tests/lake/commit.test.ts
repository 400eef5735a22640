import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Batch } from '../../src/core/batch.ts'
import { DiskError, IntegrityError } from '../../src/core/errors.ts'
import type { SegmentOptions, SegmentWriter } from '../../src/lake/engine.ts'
import { ledgerPath, nextLedgerPath, segmentPath } from '../../src/lake/layout.ts'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import { interceptOperations, type Operation } from '../support/crash/operations.js'
import {
  BARS,
  barRows,
  commitRows,
  engine,
  engineOnce,
  openWriter,
  record,
  rowsFor,
  SESSIONS,
  settle,
  testRoot,
  TRADES,
  unfinishedBelow,
  visibleRows,
} from '../support/lake.ts'

const [DEC30, DEC31, JAN2, JAN3] = SESSIONS
const december = segmentPath(BARS, '2024-12')
const january = segmentPath(BARS, '2025-01')
afterAll(() => engine.close())

const first = { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1) }
const second = { [DEC31]: barRows(DEC31, 2), [JAN3]: barRows(JAN3, 2) }
const oldRows = [...barRows(DEC31, 1), ...barRows(JAN2, 1)]
const newRows = [...barRows(DEC31, 2), ...barRows(JAN2, 1), ...barRows(JAN3, 2)]

/** The file operations of `work`; `refuse` may fail one of them as the operating system would. */
async function operationsOf(
  work: () => Promise<unknown>,
  refuse: (operation: Operation) => string | undefined,
) {
  const seen: Operation[] = []
  const restore = await interceptOperations({
    before: (operation) => {
      seen.push(operation)
      const code = refuse(operation)
      if (code !== undefined) throw Object.assign(new Error(`${code}: refused, ${operation.path}`), { code })
      return undefined
    },
    torn: () => {
      throw new Error('nothing is torn here')
    },
  })
  const result = await work().then(
    () => undefined,
    (error: unknown) => error,
  )
  restore()
  return { seen, error: result as Error | undefined }
}

const never = () => undefined

describe('the order of a commit', () => {
  test('each step is on the disk before the next one begins', async () => {
    const root = testRoot()
    await record(root, first)
    const writer = await openWriter(root)
    const { seen } = await operationsOf(() => commitRows(writer, second), never)
    await writer.close()
    const name = (path: string) => path.slice(root.length + 1)
    const at = (what: Operation['name'], path: string, from = 0) => {
      const index = seen.findIndex((one, i) => i >= from && one.name === what && name(one.path) === path)
      expect(index, `${what} ${path}`).toBeGreaterThanOrEqual(from)
      return index
    }
    const next = nextLedgerPath(BARS)
    const announced = at('rename', `${next}.tmp`)
    for (const path of [december, january]) {
      const content = at('sync', `${path}.tmp`)
      const entry = at('sync', dirname(path), content)
      expect(entry).toBeLessThan(at('writeFile', `${next}.tmp`))
      const renamed = at('rename', `${path}.tmp`, announced)
      expect(at('sync', dirname(next), announced)).toBeLessThan(renamed)
      expect(at('sync', dirname(path), renamed)).toBeLessThan(at('rename', next))
    }
    at('sync', dirname(next), at('rename', next))
  })
})

describe('a commit that the disk refuses', () => {
  const steps: readonly (readonly [string, (operation: Operation) => boolean])[] = [
    [
      'the segment cannot be made durable',
      ({ name, path }) => name === 'sync' && path.endsWith(`${january}.tmp`),
    ],
    ['the ledger-to-be cannot be opened', ({ name, path }) => name === 'open' && path.endsWith('.next.tmp')],
    [
      'the disk is full under the ledger',
      ({ name, path }) => name === 'writeFile' && path.endsWith('.next.tmp'),
    ],
    [
      'the ledger-to-be cannot get its name',
      ({ name, path }) => name === 'rename' && path.endsWith('.next.tmp'),
    ],
    [
      'its name cannot be made durable',
      ({ name, path }) => name === 'sync' && path.endsWith('ledger/equity_bars_1m'),
    ],
  ]
  test.each(steps)('before the point of no return changes nothing: %s', async (_, isIt) => {
    const root = testRoot()
    await record(root, first)
    const ledger = await readFile(join(root, ledgerPath(BARS)), 'utf8')
    const writer = await openWriter(root)
    const { error } = await operationsOf(
      () => commitRows(writer, second),
      (operation) => (isIt(operation) ? 'ENOSPC' : undefined),
    )
    expect(error).toBeInstanceOf(DiskError)
    expect(error).toMatchObject({ hint: expect.stringContaining('full') as string, exitCode: 1 })
    expect(await readFile(join(root, ledgerPath(BARS)), 'utf8')).toBe(ledger)
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
    expect(await unfinishedBelow(root)).toEqual([])
    await commitRows(writer, second) // and the same writer goes on when there is room again
    await writer.close()
    expect(await visibleRows(root, BARS)).toEqual(newRows)
  })

  const laterSteps: typeof steps = [
    ['the first segment', ({ name, path }) => name === 'rename' && path.endsWith(`${december}.tmp`)],
    ['the second segment', ({ name, path }) => name === 'rename' && path.endsWith(`${january}.tmp`)],
    ['a folder', ({ name, path }) => name === 'sync' && path.endsWith('month=2025-01')],
    ['the ledger', ({ name, path }) => name === 'rename' && path.endsWith('SPY.next')],
  ]
  test.each(laterSteps)(
    'behind it is true for every reader, and finished by the next writer: %s',
    async (_, isIt) => {
      const root = testRoot()
      await record(root, first)
      const writer = await openWriter(root)
      let announced = false
      const { error } = await operationsOf(
        () => commitRows(writer, second),
        (operation) => {
          announced ||= operation.name === 'rename' && operation.path.endsWith('.next.tmp')
          return announced && isIt(operation) ? 'EIO' : undefined
        },
      )
      expect(error).toBeInstanceOf(DiskError)
      await expect(commitRows(writer, first), 'this writer has ended').rejects.toBe(error)
      const { ledger, files } = await viewSeries(root, BARS, engineOnce)
      expect(ledger.cells[JAN3]).toMatchObject({ state: 'complete', rows: 3 })
      expect(files.every(existsSync)).toBe(true)
      expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
      await writer.close()
      const notes: string[] = []
      const nextWriter = await openWriter(root, BARS, { onMended: (note) => notes.push(note) })
      await nextWriter.close()
      expect(notes).toEqual(['equity_bars_1m/SPY: finished a commit that was cut off'])
      expect(await visibleRows(root, BARS)).toEqual(newRows)
      expect(await unfinishedBelow(root)).toEqual([])
    },
  )

  test('because a folder stands in the way, nothing is lost and it works once that is gone', async () => {
    const root = testRoot()
    await record(root, first)
    const obstacle = join(root, `${nextLedgerPath(BARS)}.tmp`)
    const writer = await openWriter(root)
    await mkdir(join(obstacle, 'full'), { recursive: true })
    await expect(commitRows(writer, second)).rejects.toThrow('SPY.next')
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
    await rm(obstacle, { recursive: true })
    await commitRows(writer, second)
    await writer.close()
    expect(await visibleRows(root, BARS)).toEqual(newRows)
  })

  test('because a file stands where a folder must be, names it and says what to do', async () => {
    const root = testRoot()
    const writer = await openWriter(root)
    await writeFile(join(root, 'lake'), 'not a folder')
    const refused = commitRows(writer, first)
    await expect(refused).rejects.toThrow(join(root, 'lake'))
    await expect(refused).rejects.toBeInstanceOf(DiskError)
    expect(writer.ledger.cells).toEqual({})
    await writer.close()
  })
})

test.each([
  ['bars', BARS, 'volume'],
  ['trades', TRADES, 'price'],
] as const)('%s: a segment that differs in one cell is not committed', async (_, series, column) => {
  const root = testRoot()
  const altered = (batch: Batch): Batch => {
    const values = (batch.columns[column] as Float64Array).map((value, row) => value + (row === 1 ? 1e-7 : 0))
    return { ...batch, columns: { ...batch.columns, [column]: values } }
  }
  const lying = new Proxy(engine, {
    get: (real, name) => {
      const value: unknown = Reflect.get(real, name)
      if (name !== 'openSegment') return typeof value === 'function' ? (value.bind(real) as unknown) : value
      return async (options: SegmentOptions): Promise<SegmentWriter> => {
        const writer = await real.openSegment(options)
        return {
          append: (batch) => writer.append(altered(batch)),
          finish: () => writer.finish(),
          abort: () => writer.abort(),
        }
      }
    },
  })
  const writer = await openWriter(root, series, { engine: lying })
  const refused = commitRows(writer, { [DEC30]: rowsFor(series, DEC30, 1, 3) })
  await expect(refused).rejects.toThrow('read back')
  await expect(refused).rejects.toBeInstanceOf(IntegrityError)
  expect(writer.ledger.cells).toEqual({})
  await writer.close()
  expect(await visibleRows(root, series)).toEqual([])
  expect(await unfinishedBelow(root)).toEqual([])
})

test('verdicts without rows are committed too, and saying the same again writes nothing', async () => {
  const root = testRoot()
  const writer = await openWriter(root)
  const failed = { state: 'failed', reason: 'server: 503' } as const
  await writer.settle(settle([JAN2, JAN3], failed))
  const { seen } = await operationsOf(() => writer.settle(settle([JAN2, JAN3], failed)), never)
  expect(seen).toEqual([])
  await writer.close()
  const { ledger } = await viewSeries(root, BARS, engineOnce)
  expect(Object.values(ledger.cells)).toMatchObject([failed, failed])
})
