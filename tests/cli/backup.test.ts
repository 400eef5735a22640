import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { createBackup } from '../../src/lake/backup/backup.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { interceptOperations } from '../support/crash/operations.js'
import { expectVerified } from '../support/crash/witness.ts'
import { BARS, commitRows, filesBelow, barRows, unfinishedBelow, withWriter } from '../support/lake.ts'

const HEADER = 'ticker,volume,open,close,high,low,window_start,transactions'
const OPEN_NS = 1_748_871_000_000_000_000n

/** Three minute bars of a day file, the last of which breaks a rule where `bad`. */
function lines(ticker: string, price: number, bad = false): string[] {
  return [0, 1, 2].map((minute) => {
    const high = bad && minute === 2 ? price - 2 : price + 1
    return `${ticker},100,${price},${price},${high},${price - 1},${OPEN_NS + BigInt(minute) * 60_000_000_000n},7`
  })
}

const run = (root: string, ...args: string[]) => runCliJson([...args, '--data-dir', root], { here: true })

async function importInto(root: string, rows: readonly string[], ...more: string[]): Promise<void> {
  const path = join(freshFolder(), 'day.csv')
  writeFileSync(path, `${[HEADER, ...rows].join('\n')}\n`)
  expect((await run(root, 'import', path, '--synthetic', ...more)).code).toBe(0)
}

/** Everything that a lake consists of, by checksum; not the notes of runs, locks and backups made by themselves. */
async function contentOf(root: string): Promise<Record<string, string>> {
  const names = (await filesBelow(root)).filter((name) => !/^(state|backups)\//.test(name))
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(root, name)))
        .digest('hex'),
    ]),
  )
}

let lake: string
let folder: string
let backedUp: Record<string, unknown>
beforeAll(async () => {
  lake = freshFolder()
  folder = join(freshFolder(), 'backups')
  await importInto(lake, [...lines('A', 10, true), ...lines('B', 20)])
  await importInto(lake, lines('B', 21), '--force') // a version that gave way
  mkdirSync(join(lake, 'raw/options'), { recursive: true })
  writeFileSync(join(lake, 'raw/options/contracts.json'), '{"synthetic":true}')
  mkdirSync(join(lake, 'journal/stocks'), { recursive: true })
  writeFileSync(join(lake, 'journal/stocks/20250602T000000000Z-0001.journal'), 'not yet in any segment')
  const { code, document } = await run(lake, 'backup', folder)
  expect(code).toBe(0)
  backedUp = document
})

describe('the drill: a lake is lost', () => {
  test('a backup holds ledgers, segments, history, quarantine, what was received and the stamp', async () => {
    const content = await contentOf(lake)
    expect(backedUp).toMatchObject({
      schema: { name: 'tapelake.backup', version: 1 },
      ...{ provenance: 'synthetic', series: 2, verified: true, folder },
    })
    expect(Object.keys(content).map((name) => name.split('/')[0])).toEqual(
      expect.arrayContaining(['history', 'journal', 'lake', 'lake.json', 'ledger', 'quarantine', 'raw']),
    )
    expect(backedUp['files']).toBeGreaterThanOrEqual(Object.keys(content).length)
  })

  test('restored into an empty folder it is equal, file by file, and in order', async () => {
    const root = freshFolder()
    const { code, document } = await run(root, 'restore', folder)
    expect([code, document]).toEqual([
      0,
      expect.objectContaining({ equal: true, digest: backedUp['digest'], before: null, whole: true }),
    ])
    expect(await contentOf(root)).toEqual(await contentOf(lake))
    await expectVerified(root)
    const { document: quarantine } = await run(root, 'quarantine', 'list')
    expect(quarantine['entries']).toMatchObject([{ rule: expect.any(String) as string, ticker: 'A' }])
    const again = await run(root, 'restore', folder)
    expect(again.document).toMatchObject({ written: 0, equal: true })
  })

  test('restored over another lake it is equal too, and what was there can be had back', async () => {
    const root = freshFolder()
    await importInto(root, [...lines('A', 99), ...lines('C', 5)])
    writeFileSync(join(root, 'lake/equity_bars_1m/ticker=A/stray.parquet'), 'nobody names this')
    const before = await contentOf(root)
    const { code, document } = await run(root, 'restore', folder)
    expect([code, document['equal']]).toEqual([0, true])
    expect(await contentOf(root)).toEqual(await contentOf(lake))
    expect(await unfinishedBelow(root)).toEqual([])
    const back = await run(root, 'restore', join(root, 'backups'), '--at', String(document['before']))
    expect(back.code).toBe(0)
    const { 'lake/equity_bars_1m/ticker=A/stray.parquet': _, ...named } = before
    expect(await contentOf(root)).toEqual(named)
    expect(readFileSync(join(root, 'backups/aside/lake/equity_bars_1m/ticker=A/stray.parquet'), 'utf8')).toBe(
      'nobody names this',
    )
    await expectVerified(root)
  })

  test('cut off anywhere, the same restore again finishes it', async () => {
    let finished = false
    for (let at = 3; !finished; at = 3 * at + 1) {
      const root = freshFolder()
      await importInto(root, [...lines('A', 99), ...lines('C', 5)])
      finished = await dyingAt(at, () => run(root, 'restore', folder))
      expect((await run(root, 'restore', folder)).document).toMatchObject({ equal: true })
      expect(await contentOf(root)).toEqual(await contentOf(lake))
      expect(await unfinishedBelow(root)).toEqual([])
    }
  })

  test('never goes into a lake of the other provenance', async () => {
    const root = freshFolder()
    writeFileSync(
      join(root, 'lake.json'),
      JSON.stringify({ schema: { name: 'tapelake.lake', version: 1 }, provenance: 'real', createdAt: 'x' }),
    )
    expect((await run(root, 'restore', folder)).code).toBe(2)
    expect(await filesBelow(join(root, 'lake'))).toEqual([])
  })
})

/** Runs `work` with all file operations failing from the one of number `at` on. @returns whether none did */
async function dyingAt(at: number, work: () => Promise<unknown>): Promise<boolean> {
  let count = 0
  const restore = await interceptOperations({
    before: () => {
      if (++count < at) return undefined
      throw Object.assign(new Error('EIO: dead'), { code: 'EIO' })
    },
    torn: () => {
      throw new Error('never torn')
    },
  })
  await work().finally(restore)
  return count < at
}

describe('backup', () => {
  test('writes only what is new, keeps the newest, and forgets what only older ones held', async () => {
    const [root, dir] = [freshFolder(), freshFolder()]
    await importInto(root, lines('A', 10))
    const first = await run(root, 'backup', dir)
    const second = await run(root, 'backup', dir)
    expect(second.document).toMatchObject({ newFiles: 1, digest: expect.any(String) as string }) // the note of the first run
    await importInto(root, lines('B', 20))
    const { document } = await run(root, 'backup', dir, '--keep', '1')
    expect(document['removed']).toEqual([first.document['id'], second.document['id']])
    const { document: listed } = await run(root, 'restore', dir, '--list')
    expect(listed['backups']).toMatchObject([{ id: document['id'], series: 2, whole: true }])
    const named = await filesBelow(join(dir, 'objects'))
    expect(named.length).toBeLessThanOrEqual(Number(document['files']))
    const target = freshFolder()
    expect((await run(target, 'restore', dir)).code).toBe(0)
    expect(await contentOf(target)).toEqual(await contentOf(root))
  })

  test('that was cut off leaves the older ones, and the next one is whole', async () => {
    const [root, dir] = [freshFolder(), freshFolder()]
    await importInto(root, lines('A', 10))
    const first = await run(root, 'backup', dir)
    await importInto(root, lines('B', 20))
    let finished = false
    for (let at = 4; !finished; at = 3 * at) {
      finished = await dyingAt(at, () => run(root, 'backup', dir))
      const { document } = await run(freshFolder(), 'restore', dir, '--at', String(first.document['id']))
      expect(document['equal']).toBe(true)
    }
    const target = freshFolder()
    expect((await run(root, 'backup', dir)).code).toBe(0)
    expect((await run(target, 'restore', dir)).code).toBe(0)
    expect(await contentOf(target)).toEqual(await contentOf(root))
  })

  test('damage to it is found before anything changes, and mended by --check', async () => {
    const [root, dir, target] = [freshFolder(), freshFolder(), freshFolder()]
    await importInto(root, lines('A', 10))
    await run(root, 'backup', dir)
    const ledger = JSON.parse(readFileSync(join(root, 'ledger/equity_bars_1m/A.json'), 'utf8')) as {
      segments: { path: string; sha256: string }[]
    }
    const { sha256, path } = ledger.segments[0]!
    const object = join(dir, 'objects', sha256.slice(0, 2), sha256)
    const bytes = readFileSync(object)
    bytes[100]! ^= 1
    writeFileSync(object, bytes)
    const { code, document } = await run(target, 'restore', dir)
    expect([code, JSON.stringify(document)]).toEqual([1, expect.stringContaining(path)])
    expect(await filesBelow(join(target, 'lake'))).toEqual([])
    await run(root, 'backup', dir, '--check')
    expect((await run(target, 'restore', dir)).code).toBe(0)
    rmSync(object)
    expect(JSON.stringify((await run(target, 'restore', dir)).document)).toContain('missing')
  })

  test('is of one instant of each series while writers go on', async () => {
    const [root, dir] = [freshFolder(), freshFolder()]
    const writing = withWriter(root, BARS, async (writer) => {
      for (let value = 1; value <= 8; value++) {
        await commitRows(writer, {
          '2025-01-02': barRows('2025-01-02', value),
          '2024-12-31': barRows('2024-12-31', value),
        })
      }
    })
    const signal = new AbortController().signal
    const ids: string[] = []
    for (let count = 0; count < 3; count++) {
      const { manifest } = await createBackup({ root, folder: dir, nowMs: Date.now(), waitMs: 0, signal })
      ids.push(manifest.id)
    }
    await writing
    for (const id of ids) {
      const target = freshFolder()
      expect((await run(target, 'restore', dir, '--at', id)).code).toBe(0)
      await expectVerified(target)
    }
  })

  test('refuses nothing, and another lake, which would push the good backups out', async () => {
    const kept = await filesBelow(folder)
    const nothing = await run(freshFolder(), 'backup', folder, '--keep', '1')
    expect([nothing.code, JSON.stringify(nothing.document)]).toEqual([
      2,
      expect.stringContaining('holds no lake'),
    ])
    const other = freshFolder()
    await importInto(other, lines('A', 3))
    const foreign = await run(other, 'backup', folder, '--keep', '1')
    expect([foreign.code, JSON.stringify(foreign.document)]).toEqual([
      2,
      expect.stringContaining('backups of another lake'),
    ])
    expect((await filesBelow(folder)).filter((name) => name.startsWith('snapshots/'))).toEqual(
      kept.filter((name) => name.startsWith('snapshots/')),
    )
    const restored = freshFolder()
    expect((await run(restored, 'restore', folder)).code).toBe(0)
    expect((await run(restored, 'backup', folder)).code).toBe(0) // the same lake, in another place
  })

  test('refuses a folder that is a part of the lake, and one without a backup to restore', async () => {
    const inside = await run(lake, 'backup', join(lake, 'lake/x'))
    expect([inside.code, JSON.stringify(inside.document)]).toEqual([
      2,
      expect.stringContaining('part of the lake'),
    ])
    expect((await run(freshFolder(), 'restore', freshFolder())).code).toBe(2)
    expect((await run(freshFolder(), 'restore', folder, '--at', 'never')).code).toBe(2)
    const { stderr } = await runHere(['restore', freshFolder(), '--list'])
    expect(stderr).toContain('holds no backup')
  })

  test('tells people what it did', async () => {
    const { stdout } = await runHere(['backup', folder, '--data-dir', lake])
    expect(stdout).toMatch(/^Backup \d{8}T\d+Z: 2 series, \d+ files, .*; new \d+ files?, .*, read back\.$/m)
    const listed = await runHere(['restore', folder, '--list'])
    expect(listed.stdout.split('\n').length).toBeGreaterThanOrEqual(4)
    const restored = await runHere(['restore', folder, '--data-dir', freshFolder()])
    expect(restored.stdout).toContain('equal to the backup, file by file')
  })
})

describe('before something is destroyed', () => {
  test('quarantine drop backs the series up; restoring that takes the rows back and leaves the others', async () => {
    const root = freshFolder()
    await importInto(root, [...lines('A', 10, true), ...lines('B', 20)])
    const before = await contentOf(root)
    const { document } = await run(root, 'quarantine', 'list')
    const [{ id }] = document['entries'] as [{ id: string }]
    expect((await run(root, 'quarantine', 'drop', id, '--yes')).code).toBe(0)
    expect((await run(root, 'quarantine', 'list')).document['count']).toBe(0)
    const { document: restored } = await run(root, 'restore', join(root, 'backups'))
    expect(restored).toMatchObject({ whole: false, series: 1, equal: true })
    expect(await contentOf(root)).toEqual(before)
  })
})
