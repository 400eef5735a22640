import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DiskError, InterruptedError, LockedError, PipelineError } from '../../../src/core/errors.ts'
import { discardJournals, journalFolder, listJournals, openJournal } from '../../../src/lake/journal/index.ts'
import { JournalWriter } from '../../../src/lake/journal/journal-writer.ts'
import { killHard, startOther } from '../../support/holder.ts'
import { testRoot } from '../../support/lake.ts'
import { never, newJournal, readBack, textsIn } from './journal-files.ts'
import { eventually } from '../../support/eventually.ts'

/** Runs TypeScript that follows as the next argument. */
const RUN = ['--import', 'tsx', '--input-type=module', '--eval']
const text = (value: string | number) => Buffer.from(String(value))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))

describe('a journal', () => {
  test('has on the disk everything that was appended before durable() resolved', async () => {
    const { journal, folder } = await newJournal()
    for (const word of range(0, 500)) journal.append(1, 1, text(word))
    await journal.durable()
    expect(await textsIn(folder)).toEqual(range(0, 500))
    expect(journal.stats()).toMatchObject({ records: 500, pendingBytes: 0, files: 1, fsyncs: 1 })
  })

  test('makes records durable within the interval without being asked', async () => {
    const { journal, folder } = await newJournal()
    journal.append(1, 1, text('a'))
    await eventually(() => textsIn(folder)).toEqual(['a'])
  })

  test('waits for the interval, so that many records share an fsync, and not when told to sync', async () => {
    const { journal, folder } = await newJournal({ fsyncEveryMs: 3_600_000 })
    journal.append(1, 1, text('a'))
    let durable = false
    const waiting = journal.durable().then(() => (durable = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(durable).toBe(false)
    await journal.sync()
    await waiting
    expect(await textsIn(folder)).toEqual(['a'])
  })

  test('keeps the order under load, with any mixture of appends, waits and cuts', async () => {
    const { journal, folder } = await newJournal({ fsyncEveryMs: 1, maxFileBytes: 2000 })
    for (let i = 0; i < 2000; i++) {
      journal.append(1, i, text(i))
      if (i % 97 === 0) await journal.durable()
      if (i % 131 === 0) void journal.sync()
      if (i % 401 === 0) void journal.cut()
    }
    await journal.close()
    expect(await textsIn(folder)).toEqual(range(0, 2000))
  })

  test('asks the caller to wait when too much waits for the disk, and loses nothing of it', async () => {
    const { journal, folder } = await newJournal({ fsyncEveryMs: 3_600_000, maxPendingBytes: 500 })
    const answers = range(0, 30).map((word) => journal.append(1, 1, text(word)))
    expect(answers[0]).toBe(true)
    expect(answers.at(-1)).toBe(false)
    await journal.durable()
    expect(journal.append(1, 1, text(30))).toBe(true)
    await journal.close()
    expect(await textsIn(folder)).toEqual(range(0, 31))
  })

  test('goes on in a new file at a cut; what the cut names holds exactly what came before it', async () => {
    const { journal, folder } = await newJournal({ fsyncEveryMs: 3_600_000 })
    for (const word of range(0, 10)) journal.append(1, 1, text(word))
    const cutting = journal.cut()
    for (const word of range(10, 20)) journal.append(1, 1, text(word))
    const cut = await cutting
    await journal.sync()
    expect(cut.paths).toHaveLength(1)
    expect((await readBack(cut.paths[0]!)).records.map(({ payload }) => String(payload))).toEqual(
      range(0, 10),
    )
    await cut.discard()
    expect(await textsIn(folder)).toEqual(range(10, 20))
    expect(journal.stats().files).toBe(1)
  })

  test('names at the next cut the files of one that was not discarded: nothing is forgotten', async () => {
    const { journal, folder } = await newJournal()
    journal.append(1, 1, text('a'))
    const first = await journal.cut()
    journal.append(1, 1, text('b'))
    const second = await journal.cut()
    expect(second.paths).toEqual([...first.paths, second.paths[1]])
    await second.discard()
    await first.discard()
    expect(await listJournals(folder)).toEqual([])
    expect((await journal.cut()).paths).toEqual([])
  })

  test('begins another file when one has grown too large', async () => {
    const { journal, folder } = await newJournal({ maxFileBytes: 1000 })
    for (const word of range(0, 5)) {
      journal.append(1, 1, Buffer.alloc(600, word))
      await journal.durable()
    }
    expect((await listJournals(folder)).map(({ bytes }) => bytes)).toEqual([1250, 1250, 629])
  })

  test('leaves its files for the next start, which finds them, oldest first, and nothing else', async () => {
    const folder = journalFolder(testRoot(), 'stocks')
    for (const word of ['a', 'b']) {
      const journal = await openJournal({ folder }, never())
      journal.append(1, 1, text(word))
      await journal.close()
    }
    await writeFile(join(folder, 'notes.txt'), '')
    const { journal } = await newJournal({ folder })
    expect(journal.found).toHaveLength(2)
    expect(await textsIn(folder)).toEqual(['a', 'b'])
    expect(journal.found.map(({ bytes }) => bytes)).toEqual([30, 30])
    await discardJournals(journal.found.map(({ path }) => path))
    await discardJournals(journal.found.map(({ path }) => path))
    expect(await listJournals(folder)).toEqual([])
  })

  test('makes no file before there is a record', async () => {
    const { journal, folder } = await newJournal()
    await journal.sync()
    expect((await journal.cut()).paths).toEqual([])
    await journal.close()
    expect(await listJournals(folder)).toEqual([])
    expect(await listJournals(join(folder, 'missing'))).toEqual([])
  })

  test('belongs to one process', async () => {
    const { folder } = await newJournal()
    await expect(openJournal({ folder }, never())).rejects.toThrow(LockedError)
  })

  test('is not opened for a run that is interrupted', async () => {
    await expect(openJournal({ folder: testRoot() }, AbortSignal.abort())).rejects.toThrow(InterruptedError)
  })

  test('takes nothing after it was closed, nor what it could not read back', async () => {
    const { journal } = await newJournal()
    expect(() => journal.append(0, 1, text('a'))).toThrow(PipelineError)
    expect(() => journal.append(256, 1, text('a'))).toThrow('kind 256')
    await journal.close()
    expect(() => journal.append(1, 1, text('a'))).toThrow('closed')
    await expect(journal.cut()).rejects.toThrow('closed')
    await journal.close()
  })

  test('holds after a kill everything it had called durable', async () => {
    const folder = testRoot()
    const child = await startOther(`
      import { openJournal } from './src/lake/journal/index.ts'
      const journal = await openJournal({ folder: ${JSON.stringify(folder)}, fsyncEveryMs: 1 }, new AbortController().signal)
      for (let i = 0; ; i++) {
        journal.append(1, i, Buffer.from(String(i)))
        if (i % 50 === 49) { await journal.durable(); console.log(i === 499 ? 'ready' : i) }
      }
    `)
    onTestFinished(() => void child.kill('SIGKILL'))
    let out = ''
    child.stdout!.on('data', (chunk) => (out += String(chunk)))
    await eventually(() => out.split('\n').length).toBeGreaterThan(5)
    await killHard(child)
    const acknowledged = Math.max(...out.split('\n').slice(0, -1).map(Number)) + 1
    const found = await textsIn(folder)
    expect(found.length).toBeGreaterThanOrEqual(acknowledged)
    expect(found).toEqual(range(0, found.length))
  })
})

describe('a disk that refuses', () => {
  /** A journal whose folder is gone: the next file cannot be made. */
  async function refused() {
    const failures: unknown[] = []
    const { journal, folder } = await newJournal({ onFailure: (error) => failures.push(error) })
    await rm(folder, { recursive: true })
    await writeFile(folder, 'a file where the folder was')
    onTestFinished(() => rm(folder, { force: true }))
    return { journal, folder, failures }
  }

  test('is told to whoever waits, to the hook once, and to every append after it', async () => {
    const { journal, failures } = await refused()
    journal.append(1, 1, text('a'))
    const waiting = journal.durable()
    journal.append(1, 1, text('b'))
    await expect(waiting).rejects.toThrow(DiskError)
    expect(() => journal.append(1, 1, text('c'))).toThrow(DiskError)
    await expect(journal.durable()).rejects.toThrow(DiskError)
    await expect(journal.sync()).rejects.toThrow(DiskError)
    await expect(journal.cut()).rejects.toThrow(DiskError)
    expect(failures).toHaveLength(1)
    await expect(journal.close()).rejects.toThrow(DiskError)
  })

  test('is noticed even if nobody waits', async () => {
    const { journal, failures } = await refused()
    journal.append(1, 1, text('a'))
    await eventually(() => failures.length).toBe(1)
    expect(failures[0]).toBeInstanceOf(DiskError)
  })

  test('is noticed at the start', async () => {
    const parent = testRoot()
    await writeFile(join(parent, 'file'), '')
    await expect(openJournal({ folder: join(parent, 'file', 'stocks') }, never())).rejects.toThrow(DiskError)
  })

  test('in the middle of a group is told, and nothing that counted is lost', async () => {
    const folder = testRoot()
    const code = `
      import { openJournal } from './src/lake/journal/index.ts'
      process.on('SIGXFSZ', () => undefined)
      const journal = await openJournal({ folder: ${JSON.stringify(folder)}, fsyncEveryMs: 1 }, new AbortController().signal)
      try {
        for (let i = 0; ; i++) {
          journal.append(1, i, Buffer.from(String(i).padStart(1000)))
          await journal.durable()
          console.log('durable', i)
        }
      } catch (error) { console.log(error.name, error.message) }
      await journal.close().catch(() => undefined)
    `
    // A limit on the size of files stands for a full disk: the last write is cut short, then refused.
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -f 64; exec "$@"',
      'sh',
      process.execPath,
      ...RUN,
      code,
    ])
    const durable = stdout.match(/durable/g)!.length
    expect(stdout).toMatch(/DiskError cannot write /)
    const found = await textsIn(folder)
    expect(found.length).toBeGreaterThanOrEqual(durable)
    expect(found.map(Number)).toEqual(range(0, found.length).map(Number))
    const [file] = await listJournals(folder)
    expect((await readBack(file!.path)).tail.state).toBe('torn')
  })

  test('does not count a record of which the file took only a part', async () => {
    const folder = testRoot()
    const writer = new JournalWriter(folder, 1e9)
    await writer.commit(Buffer.from('not a record, but bytes behind the header'))
    const [path] = await writer.closeFile()
    await truncate(path!, 20)
    expect((await readBack(path!)).records).toEqual([])
  })

  test.skipIf(process.getuid?.() === 0)(
    'is noticed at the start of a folder that may not be written',
    async () => {
      const folder = join(testRoot(), 'stocks')
      await mkdir(folder)
      await chmod(folder, 0o500)
      await expect(openJournal({ folder }, never())).rejects.toThrow(DiskError)
    },
  )

  test('leaves no trace of the journal but its lock', async () => {
    const { journal, folder } = await newJournal()
    await journal.close()
    expect((await readdir(folder)).map((name) => basename(name))).toEqual(['journal.lock'])
    expect((await stat(folder)).isDirectory()).toBe(true)
  })
})
