import { cp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { LakeMismatchError } from '../../src/core/errors.ts'
import { ledgerPath, nextLedgerPath, quarantinePath, segmentPath } from '../../src/lake/layout.ts'
import { LEDGER_VERSION, type Ledger } from '../../src/lake/ledger.ts'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import {
  BARS,
  barRows,
  EMPTY,
  engine,
  engineOnce,
  filesBelow,
  record,
  SESSIONS,
  settle,
  testRoot,
  unfinishedBelow,
  visibleRows,
  withWriter,
} from '../support/lake.ts'

const [, DEC31, JAN2, JAN3] = SESSIONS
const paths = [segmentPath(BARS, '2024-12'), segmentPath(BARS, '2025-01')] as const
const ledger = ledgerPath(BARS)
const next = nextLedgerPath(BARS)
afterAll(() => engine.close())

const oldRows = [...barRows(DEC31, 1), ...barRows(JAN2, 1)]
const newRows = [...barRows(DEC31, 2), ...barRows(JAN2, 1), ...barRows(JAN3, 2)]

/** Two states of one lake, before and after a commit of two segments. */
async function twoStates(): Promise<{ before: string; after: string }> {
  const [before, after] = [testRoot(), testRoot()]
  await record(before, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1) })
  await cp(before, after, { recursive: true })
  await record(after, { [DEC31]: barRows(DEC31, 2), [JAN3]: barRows(JAN3, 2) }, BARS, 'run-2')
  return { before, after }
}

/** Puts the files of `after` into `before` as a commit would have left them when it was cut off. */
async function cutOff(
  { before, after }: { before: string; after: string },
  { renamed, announced }: { renamed: readonly string[]; announced: boolean },
): Promise<string> {
  for (const path of paths) {
    const place = renamed.includes(path) ? path : `${path}.tmp`
    await cp(join(after, path), join(before, place))
  }
  // Versions that give way are laid by before the commit is announced.
  if (announced) await cp(join(after, 'history'), join(before, 'history'), { recursive: true })
  if (announced) await cp(join(after, ledger), join(before, next))
  return before
}

/** Opens the series as the next run does. */
async function reopen(root: string): Promise<{ ledger: Ledger; notes: string[] }> {
  const notes: string[] = []
  const found = await withWriter(root, BARS, async (writer) => writer.ledger, {
    onMended: (note) => notes.push(note),
  })
  return { ledger: found, notes }
}

const findings = async (root: string) => (await verifySeries(root, BARS, engineOnce)).findings

describe('a commit cut off', () => {
  test.each([
    ['none renamed', []],
    ['the first renamed', [paths[0]]],
    ['the second renamed', [paths[1]]],
    ['all renamed', [...paths]],
  ])(
    'behind the point of no return, %s: readers see it whole, the next run finishes it',
    async (_, renamed) => {
      const root = await cutOff(await twoStates(), { renamed, announced: true })
      const view = await viewSeries(root, BARS, engineOnce)
      expect(view.ledger.cells[JAN3]).toMatchObject({ state: 'complete', rows: 3 })
      expect(view.files.filter((file) => file.endsWith('.tmp'))).toHaveLength(2 - renamed.length)
      expect(await findings(root)).toEqual([])
      const { ledger: found, notes } = await reopen(root)
      expect(found).toEqual(view.ledger)
      expect(notes).toEqual(['equity_bars_1m/SPY: finished a commit that was cut off'])
      expect(await visibleRows(root, BARS)).toEqual(newRows)
      expect(await unfinishedBelow(root)).toEqual([])
      expect(await findings(root)).toEqual([])
    },
  )

  test('just before its last step, when old and new ledger say the same', async () => {
    const { after } = await twoStates()
    await cp(join(after, ledger), join(after, next))
    expect(await findings(after)).toEqual([])
    await reopen(after)
    expect(await visibleRows(after, BARS)).toEqual(newRows)
    expect(await unfinishedBelow(after)).toEqual([])
  })

  test('the first one of a series, when there is no ledger yet', async () => {
    const { after } = await twoStates()
    await rename(join(after, ledger), join(after, next))
    await rename(join(after, paths[1]), join(after, `${paths[1]}.tmp`))
    expect((await viewSeries(after, BARS, engineOnce)).rebuilt).toBe(false)
    await reopen(after)
    expect(await visibleRows(after, BARS)).toEqual(newRows)
  })

  test('before the point of no return never happened: the temporary files go, the old truth stands', async () => {
    const root = await cutOff(await twoStates(), { renamed: [], announced: false })
    await writeFile(join(root, `${next}.tmp`), '{"schema": {"na')
    await writeFile(join(root, `${ledger}.tmp`), '')
    const quarantine = join(root, quarantinePath(BARS, JAN2))
    await cp(join(root, ledger), `${quarantine}.tmp`)
    expect(await findings(root)).toEqual([])
    const { notes } = await reopen(root)
    expect(notes).toEqual([])
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test('a stale temporary file of the same size is not taken for the new segment', async () => {
    const root = await cutOff(await twoStates(), { renamed: [...paths], announced: true })
    const whole = await readFile(join(root, paths[1]))
    await writeFile(join(root, `${paths[1]}.tmp`), Buffer.alloc(whole.length))
    await reopen(root)
    expect(await readFile(join(root, paths[1]))).toEqual(whole)
    expect(await visibleRows(root, BARS)).toEqual(newRows)
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test('whose files were taken away afterwards is put aside, and what is on the disk is the truth', async () => {
    const root = await cutOff(await twoStates(), { renamed: [paths[0]], announced: true })
    await rm(join(root, `${paths[1]}.tmp`))
    const { notes, ledger: found } = await reopen(root)
    expect(notes.join()).toContain('.next was damaged; it is kept as')
    expect(found.cells[DEC31]).toMatchObject({ state: 'complete', rows: 3 })
    expect(await visibleRows(root, BARS)).toEqual([...barRows(DEC31, 2), ...barRows(JAN2, 1)])
    expect(await findings(root)).toEqual([])
    expect((await filesBelow(root)).filter((name) => name.includes('.damaged-'))).toHaveLength(2)
  })
})

describe('a ledger', () => {
  const recorded = async () => {
    const root = testRoot()
    await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1) })
    await withWriter(root, BARS, (writer) => writer.settle(settle([JAN3], EMPTY)))
    return root
  }

  test('that is lost is rebuilt from the segments, for readers at once and on the disk by the next run', async () => {
    const root = await recorded()
    await rm(join(root, ledger))
    const view = await viewSeries(root, BARS, engineOnce)
    expect(view).toMatchObject({ rebuilt: true })
    expect(await findings(root)).toMatchObject([{ problem: 'ledger_lost' }])
    const { ledger: found, notes } = await reopen(root)
    expect(notes).toEqual(['equity_bars_1m/SPY: the ledger was lost; it was rebuilt from the segments'])
    expect(Object.entries(found.cells).map(([date, { state, rows }]) => [date, state, rows])).toEqual([
      [DEC31, 'complete', 3],
      [JAN2, 'complete', 3],
    ])
    expect(found.segments.map(({ origins }) => origins[0]!.request)).toEqual([
      '/v2/aggs/test',
      '/v2/aggs/test',
    ])
    expect(await findings(root)).toEqual([])
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
  })

  test.each([
    ['torn', (text: string) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['edited', (text: string) => text.replace('"complete"', '"splendid"')],
    ["another series'", (text: string) => text.replace('"ticker": "SPY"', '"ticker": "QQQ"')],
  ])('that is %s is put aside, never deleted, and rebuilt', async (_, damage) => {
    const root = await recorded()
    const damaged = damage(await readFile(join(root, ledger), 'utf8'))
    await writeFile(join(root, ledger), damaged)
    expect(await findings(root)).toMatchObject([{ problem: 'ledger_lost' }])
    const { notes } = await reopen(root)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain(`${ledger} was damaged; it is kept as ${ledger}.damaged-20`)
    const [aside] = (await readdir(join(root, dirname(ledger)))).filter((name) => name.includes('damaged'))
    expect(await readFile(join(root, dirname(ledger), aside!), 'utf8')).toBe(damaged)
    expect(await findings(root)).toEqual([])
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
  })

  test('that is torn although it holds no rows is told and begun anew', async () => {
    const root = testRoot()
    await withWriter(root, BARS, (writer) => writer.settle(settle([JAN3], EMPTY)))
    await truncate(join(root, ledger), 30)
    expect(await findings(root)).toMatchObject([{ problem: 'ledger_lost' }])
    const { ledger: found, notes } = await reopen(root)
    expect([found.cells, notes.length]).toEqual([{}, 1])
    expect(await findings(root)).toEqual([])
  })

  test('to be that is damaged is put aside with the one before it, and all is rebuilt', async () => {
    const root = await recorded()
    await writeFile(join(root, next), '{"schema"')
    expect(await findings(root)).toEqual([])
    expect((await reopen(root)).notes).toHaveLength(2)
    expect(await findings(root)).toEqual([])
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
  })

  test.each([ledger, next])('of a newer tapelake (%s) is refused, and nothing is touched', async (path) => {
    const root = await recorded()
    const text = await readFile(join(root, ledger), 'utf8')
    const newer = text.replace(`"version": ${LEDGER_VERSION}`, `"version": ${LEDGER_VERSION + 1}`)
    await writeFile(join(root, path), newer)
    await writeFile(join(root, `${paths[1]}.tmp`), 'theirs')
    const before = await filesBelow(root)
    await expect(reopen(root)).rejects.toThrow(LakeMismatchError)
    await expect(viewSeries(root, BARS, engineOnce)).rejects.toThrow(LakeMismatchError)
    expect((await filesBelow(root)).filter((name) => !name.includes('locks'))).toEqual(
      before.filter((name) => !name.includes('locks')),
    )
  })

  test('is rebuilt without files that cannot be read, are copies, or are not of this series', async () => {
    const root = await recorded()
    const folder = dirname(join(root, paths[1]))
    await cp(join(root, paths[1]), join(folder, 'copy.parquet'))
    await writeFile(join(folder, 'note.parquet'), 'not Parquet at all')
    await cp(
      join(root, paths[1]),
      join(dirname(folder), 'month=2025-02', 'equity_bars_1m-SPY-2025-02.parquet'),
    )
    const other = testRoot()
    await record(other, { [JAN2]: barRows(JAN2, 1) }, { ...BARS, ticker: 'QQQ' })
    await cp(
      join(other, segmentPath({ ...BARS, ticker: 'QQQ' }, '2025-01')),
      join(folder, 'equity_bars_1m-QQQ-2025-01.parquet'),
    )
    await rm(join(root, ledger))
    const { ledger: found } = await reopen(root)
    expect(found.segments.map(({ path }) => path)).toEqual([...paths])
    expect(await findings(root)).toMatchObject(Array.from({ length: 4 }, () => ({ problem: 'orphan' })))
  })

  test('is rebuilt without a segment that is damaged: its sessions are asked for again', async () => {
    const root = await recorded()
    await truncate(join(root, paths[1]), 700)
    await rm(join(root, ledger))
    expect(Object.keys((await reopen(root)).ledger.cells)).toEqual([DEC31])
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    expect(await visibleRows(root, BARS)).toEqual(oldRows)
    expect(await findings(root)).toEqual([])
  })
})
