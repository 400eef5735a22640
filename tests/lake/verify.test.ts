import { cp, mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { openLake } from '../../src/lake/index.ts'
import { ledgerPath, nextLedgerPath, quarantinePath, segmentPath } from '../../src/lake/layout.ts'
import { formatLedger, parseLedger, type Ledger } from '../../src/lake/ledger.ts'
import { quarantinedRows } from '../../src/lake/quarantine.ts'
import { verifySeries, type Finding } from '../../src/lake/verify.ts'
import {
  askDuckDb,
  BARS,
  barRows,
  batchFor,
  commitRows,
  engine,
  engineOnce,
  filesBelow,
  record,
  SESSIONS,
  settle,
  testRoot,
  TRADES,
  tradeRows,
  withWriter,
} from '../support/lake.ts'

const [, DEC31, JAN2, JAN3] = SESSIONS
const december = segmentPath(BARS, '2024-12')
const january = segmentPath(BARS, '2025-01')
afterAll(() => engine.close())

async function recorded(): Promise<string> {
  const root = testRoot()
  await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) })
  return root
}

const verify = (root: string, series = BARS) => verifySeries(root, series, engineOnce)
const problemsIn = async (root: string) => {
  const { findings } = await verify(root)
  return [...new Set(findings.map(({ problem }) => problem))].sort()
}

async function editLedger(root: string, edit: (ledger: Ledger) => Ledger): Promise<void> {
  const path = join(root, ledgerPath(BARS))
  await writeFile(path, formatLedger(edit(parseLedger(await readFile(path, 'utf8'), path, BARS))))
}

/** Puts another file in the place of a segment, with a ledger that knows its size and checksum. */
async function disguise(root: string, path: string, content: Buffer): Promise<void> {
  await writeFile(join(root, path), content)
  const sha256 = createHash('sha256').update(content).digest('hex')
  await editLedger(root, (ledger) => ({
    ...ledger,
    segments: ledger.segments.map((one) =>
      one.path === path ? { ...one, sha256, bytes: content.length } : one,
    ),
  }))
}

/** A session that keeps its rows, of which some were refused. */
async function refuse(root: string, session: string, count: number): Promise<void> {
  const batch = batchFor(BARS, barRows(session, 9, count))
  const refusals = Array.from({ length: count }, (_, row) => ({ row, rule: 'positive', reason: 'test' }))
  const refused = quarantinedRows(batch, refusals, 'run-1')
  await withWriter(root, BARS, (writer) =>
    writer.settle(new Map([[session, { state: 'complete', reason: 'recorded', refused }]])),
  )
}

/** A file like `path`, its rows changed by SQL over the table `rows`, its metadata kept. */
async function rewritten(root: string, path: string, sql: string): Promise<Buffer> {
  const { metadata } = await engine.inspect(join(root, path))
  const facts = Object.entries(metadata).map(([name, value]) => `'${name}': '${value.replaceAll("'", "''")}'`)
  const out = join(root, 'rewritten')
  await askDuckDb(
    `COPY (WITH rows AS (FROM read_parquet('${join(root, path)}', hive_partitioning = false)) ${sql})
     TO '${out}' (FORMAT parquet, KV_METADATA {${facts.join(', ')}})`,
  )
  const content = await readFile(out)
  await rm(out)
  return content
}

describe('verify', () => {
  test('finds nothing in a lake as it was recorded, and sums it up', async () => {
    const root = await recorded()
    const sizes = await Promise.all(
      [december, january].map(async (path) => (await stat(join(root, path))).size),
    )
    expect(await verify(root)).toEqual({
      ...{ dataset: 'equity_bars_1m', ticker: 'SPY', files: 2, rows: 9 },
      ...{ bytes: sizes[0]! + sizes[1]!, findings: [] },
    })
  })

  test('finds nothing wrong with ticks, empty sessions and a series that does not exist', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: tradeRows(JAN2, 1) }, TRADES)
    await withWriter(root, TRADES, (writer) =>
      writer.settle(settle([JAN3], { state: 'empty', reason: 'none' })),
    )
    expect(await verify(root, TRADES)).toMatchObject({ files: 1, rows: 3, findings: [] })
    expect(await verify(root)).toMatchObject({ files: 0, findings: [] })
  })

  test('finds a single flipped bit anywhere in a file', async () => {
    const root = await recorded()
    const path = join(root, january)
    const whole = await readFile(path)
    const anywhere = fc.record({ byte: fc.nat(whole.length - 1), bit: fc.nat(7) })
    await fc.assert(
      fc.asyncProperty(anywhere, async ({ byte, bit }) => {
        const flipped = Buffer.from(whole)
        flipped[byte]! ^= 1 << bit
        await writeFile(path, flipped)
        const { findings } = await verify(root)
        expect(findings.map(({ problem, file }) => `${problem} ${file}`)).toContain(`checksum ${january}`)
      }),
      { numRuns: 40 },
    )
  })

  test('finds a file cut short anywhere', async () => {
    const root = await recorded()
    const path = join(root, january)
    const whole = await readFile(path)
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        await writeFile(path, whole.subarray(0, length))
        expect(await problemsIn(root)).toEqual(['checksum', 'file_unreadable', 'size'])
      }),
      { numRuns: 20 },
    )
  })

  test('finds two files that changed places', async () => {
    const root = await recorded()
    await rename(join(root, december), join(root, 'aside'))
    await rename(join(root, january), join(root, december))
    await rename(join(root, 'aside'), join(root, january))
    const { findings } = await verify(root)
    const files = new Set(findings.filter(({ problem }) => problem === 'checksum').map(({ file }) => file))
    expect(files).toEqual(new Set([december, january]))
  })

  test('finds a file that is gone', async () => {
    const root = await recorded()
    await rm(join(root, january))
    expect((await verify(root)).findings).toMatchObject([{ problem: 'file_missing', file: january }])
  })

  test('finds a Parquet file that no ledger names', async () => {
    const root = await recorded()
    const stray = 'lake/equity_bars_1m/ticker=SPY/month=2025-01/copy.parquet'
    await cp(join(root, january), join(root, stray))
    expect((await verify(root)).findings).toMatchObject([{ problem: 'orphan', file: stray }])
  })

  const edits: readonly (readonly [string, Finding['problem'], (ledger: Ledger) => Ledger])[] = [
    ['rows of a segment', 'rows', (ledger) => withSegment(ledger, { rows: 7 })],
    ['bytes', 'size', (ledger) => withSegment(ledger, { bytes: 7 })],
    ['checksum', 'checksum', (ledger) => withSegment(ledger, { sha256: 'abc' })],
    ['digest of a segment', 'content', (ledger) => withSegment(ledger, { digest: '0'.repeat(16) })],
    ['first session', 'content', (ledger) => withSegment(ledger, { first: '2024-12-30' })],
    ['last session', 'content', (ledger) => withSegment(ledger, { last: '2025-01-31' })],
    ['partition', 'content', (ledger) => withSegment(ledger, { partition: '2024-11' })],
    ['rows of a session', 'cell', (ledger) => withCell(ledger, { rows: 2 })],
    ['digest of a session', 'cell', (ledger) => withCell(ledger, { digest: '0'.repeat(16) })],
    ['a session taken out', 'cell', (ledger) => withoutCell(ledger)],
    ['a session without rows made to have some', 'cell', (ledger) => withExtraCell(ledger)],
  ]
  const withSegment = (ledger: Ledger, change: object): Ledger => ({
    ...ledger,
    segments: ledger.segments.map((one) => (one.path === december ? { ...one, ...change } : one)),
  })
  const withCell = (ledger: Ledger, change: object): Ledger => ({
    ...ledger,
    cells: { ...ledger.cells, [JAN2]: { ...ledger.cells[JAN2]!, ...change } },
  })
  const withoutCell = ({ cells: { [JAN2]: _gone, ...cells }, ...ledger }: Ledger): Ledger => ({
    ...ledger,
    cells,
  })
  const withExtraCell = (ledger: Ledger): Ledger => ({
    ...ledger,
    cells: { ...ledger.cells, '2025-01-07': ledger.cells[JAN2]! },
  })

  test.each(edits)('finds a ledger edited in the %s', async (_, problem, edit) => {
    const root = await recorded()
    await editLedger(root, edit)
    expect(await problemsIn(root)).toEqual([problem])
  })

  test('finds keys that come twice and rows out of order, though the checksum is right', async () => {
    const root = await recorded()
    const twice = '(FROM rows UNION ALL (FROM rows LIMIT 1)) ORDER BY timestamp'
    await disguise(root, january, await rewritten(root, january, twice))
    expect(await problemsIn(root)).toEqual(['cell', 'content', 'order', 'rows'])
    await disguise(
      root,
      january,
      await rewritten(root, january, 'SELECT DISTINCT * FROM rows ORDER BY timestamp DESC'),
    )
    expect(await problemsIn(root)).toEqual(['order'])
  })

  test('finds one changed value, though the checksum is right', async () => {
    const root = await recorded()
    const changed = 'SELECT * REPLACE (if(volume = 101.5, volume + 1e-9, volume) AS volume) FROM rows'
    await disguise(root, january, await rewritten(root, january, changed))
    expect(await problemsIn(root)).toEqual(['cell', 'content'])
  })

  test('finds rows in a partition that is not theirs, and rows of no session', async () => {
    const root = await recorded()
    const moved = "SELECT * REPLACE (timestamp + INTERVAL '35 days' AS timestamp) FROM rows"
    await disguise(root, january, await rewritten(root, january, moved))
    const details = (await verify(root)).findings.map(({ detail }) => detail).join('\n')
    expect(details).toContain('partition of 2025-02-06: the ledger says 2025-01, the file has 2025-02')
    const night = "SELECT * REPLACE (timestamp + INTERVAL '14 hours' AS timestamp) FROM rows"
    await disguise(root, december, await rewritten(root, december, night))
    expect((await verify(root)).findings.map(({ detail }) => detail)).toContain('3 rows belong to no session')
  })

  test('finds a file that is of another ticker or not of tapelake by its footer', async () => {
    const root = await recorded()
    const other = testRoot()
    const qqq = { ...BARS, ticker: 'QQQ' }
    await record(other, { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) }, qqq)
    await disguise(root, january, await readFile(join(other, segmentPath(qqq, '2025-01'))))
    expect((await verify(root)).findings).toMatchObject([
      { problem: 'metadata', detail: 'ticker: the ledger says SPY, the file has QQQ' },
    ])
    const bare = join(root, 'bare')
    await askDuckDb(`COPY (FROM read_parquet('${join(root, december)}')) TO '${bare}' (FORMAT parquet)`)
    await disguise(root, december, await readFile(bare))
    expect(await problemsIn(root)).toContain('metadata')
  })

  test('finds a column that is missing, of another type or not of the dataset', async () => {
    const root = await recorded()
    const changed = 'SELECT * EXCLUDE (vwap) REPLACE (open::FLOAT AS open), 1 AS more FROM rows'
    await disguise(root, january, await rewritten(root, january, changed))
    const { findings } = await verifySeries(root, BARS, engineOnce, { deep: false })
    expect(findings.map(({ problem, detail }) => `${problem}: ${detail}`)).toEqual([
      'schema: column open is FLOAT, not double',
      'schema: column vwap is missing',
      'schema: column more is not one of equity_bars_1m',
    ])
  })

  test('not deep, reads no rows but finds every other damage: bytes, sizes, places, sums', async () => {
    const root = await recorded()
    const quick = async () =>
      (await verifySeries(root, BARS, engineOnce, { deep: false })).findings.map(({ problem }) => problem)
    expect(await quick()).toEqual([])
    const path = join(root, january)
    const whole = await readFile(path)
    for (const byte of [4, whole.length >> 1, whole.length - 6]) {
      const flipped = Buffer.from(whole)
      flipped[byte]! ^= 1
      await writeFile(path, flipped)
      expect(await quick()).toContain('checksum')
    }
    await writeFile(path, whole)
    await editLedger(root, (ledger) => withCell(ledger, { rows: 2 }))
    expect(await quick()).toEqual(['cell'])
    await editLedger(root, (ledger) => withSegment(withCell(ledger, { rows: 3 }), { rows: 7 }))
    expect((await quick()).sort()).toEqual(['cell', 'rows'])
  })

  test('names the ledger that is lost, torn or was changed by something else', async () => {
    const root = await recorded()
    const path = join(root, ledgerPath(BARS))
    const text = await readFile(path, 'utf8')
    const damages = [text.slice(0, -20), text.replace('"rows":3', '"rows":4'), text.replaceAll('\n', ' ')]
    for (const damaged of damages) {
      await writeFile(path, damaged)
      expect((await verify(root)).findings).toMatchObject([
        { problem: 'ledger_lost', file: ledgerPath(BARS), detail: expect.stringContaining(path) as string },
      ])
    }
    await rm(path)
    expect((await verify(root)).findings).toMatchObject([{ problem: 'ledger_lost', file: ledgerPath(BARS) }])
  })

  test('finds refused rows that are gone, torn or too few', async () => {
    const root = await recorded()
    await refuse(root, JAN2, 3)
    expect(await verify(root)).toMatchObject({ findings: [] })
    const file = quarantinePath(BARS, JAN2)
    const whole = await readFile(join(root, file), 'utf8')
    const lines = whole.split('\n')
    for (const [text, problem] of [
      [`${whole}garbage`, 'file_unreadable'],
      [lines.slice(1).join('\n'), 'rows'],
      [undefined, 'file_missing'],
    ] as const) {
      if (text === undefined) await rm(join(root, file))
      else await writeFile(join(root, file), text)
      expect((await verify(root)).findings).toMatchObject([{ file, problem }])
    }
    await writeFile(join(root, file), `${lines[0]}\n${whole}`) // a crash in a commit may leave one too many
    expect(await verify(root)).toMatchObject({ findings: [] })
  })

  test('finds a list of changes that somebody edited', async () => {
    const root = await recorded()
    await record(root, { [JAN2]: barRows(JAN2, 2) })
    const [diff] = (await filesBelow(join(root, 'history'))).filter((name) => name.endsWith('.jsonl'))
    const path = join(root, 'history', diff!)
    await writeFile(path, (await readFile(path, 'utf8')).replace('"close":2', '"close":3'))
    expect((await verify(root)).findings).toMatchObject([{ file: `history/${diff}`, problem: 'checksum' }])
    await rm(path)
    expect((await verify(root)).findings).toMatchObject([
      { file: `history/${diff}`, problem: 'file_missing' },
    ])
  })

  test('finds Parquet files that lie in the folder of no series', async () => {
    const root = await recorded()
    const lake = await openLake(root)
    expect(await lake.strays()).toEqual([])
    const strays = ['lake/copy.parquet', 'lake/equity_bars_1m/copy.parquet', 'lake/mine/ticker=SPY/x.parquet']
    for (const path of strays) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await cp(join(root, january), join(root, path))
    }
    expect(await lake.strays()).toEqual(strays)
    await lake.close()
  })

  test('changes nothing, whatever it finds', async () => {
    const root = await recorded()
    await truncate(join(root, january), 100)
    await writeFile(join(root, nextLedgerPath(BARS)), 'torn')
    await mkdir(join(root, 'lake/equity_bars_1m/ticker=SPY/month=2025-02'))
    const shape = async () => [
      await readFile(join(root, ledgerPath(BARS)), 'utf8'),
      await readFile(join(root, nextLedgerPath(BARS)), 'utf8'),
      (await stat(join(root, january))).mtimeMs,
    ]
    const before = await shape()
    expect((await verify(root)).findings).not.toEqual([])
    expect(await shape()).toEqual(before)
  })

  test('beside a writer that commits all the time finds nothing', async () => {
    const root = await recorded()
    let writing = true
    const writer = withWriter(root, BARS, async (open) => {
      for (let value = 2; value < 30; value++) await commitRows(open, { [JAN2]: barRows(JAN2, value) })
      writing = false
    })
    const findings: Finding[] = []
    while (writing) findings.push(...(await verify(root)).findings)
    await writer
    expect(findings).toEqual([])
  })
})
