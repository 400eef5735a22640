import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testRoot } from '../../support/lake.ts'
import { bytesOf, readBack } from './journal-files.ts'

const PAYLOADS = ['[{"ev":"AM","sym":"SPY"}]', '', 'x'.repeat(300), '[]'].map((text) => Buffer.from(text))
/** 8 bytes of file header, 21 of a record's. */
const ends = PAYLOADS.reduce<number[]>((all, { length }) => [...all, (all.at(-1) ?? 8) + 21 + length], [])

async function reading(bytes: Buffer) {
  const path = join(testRoot(), 'a.journal')
  await writeFile(path, bytes)
  return await readBack(path)
}

describe('a journal read back', () => {
  test('holds every record with kind, time and payload exactly, and is whole', async () => {
    const { records, tail } = await reading(await bytesOf(PAYLOADS))
    expect(records.map(({ payload }) => payload)).toEqual(PAYLOADS)
    expect(records.map(({ kind }) => kind)).toEqual([1, 2, 3, 4])
    expect(records.map(({ receivedMs }) => receivedMs - 1_735_916_400_000)).toEqual([0.25, 1.25, 2.25, 3.25])
    expect(tail).toEqual({ validBytes: ends.at(-1), lostBytes: 0, state: 'whole' })
  })

  test('gives, after a kill at any byte, exactly the records that were whole by then, and calls the rest torn', async () => {
    const bytes = await bytesOf(PAYLOADS)
    for (let length = 0; length <= bytes.length; length++) {
      const { records, tail } = await reading(bytes.subarray(0, length))
      const whole = ends.filter((end) => end <= length).length
      expect(records.map(({ payload }) => payload)).toEqual(PAYLOADS.slice(0, whole))
      const valid = length < 8 ? 0 : (ends[whole - 1] ?? 8)
      const state = valid === length ? 'whole' : 'torn'
      expect(tail).toEqual({ validBytes: valid, lostBytes: length - valid, state })
    }
  })

  test('never shows a record that was not written, whichever bit is turned', async () => {
    const bytes = await bytesOf(PAYLOADS)
    const place = fc.record({ at: fc.nat(bytes.length - 1), bit: fc.nat(7) })
    await fc.assert(
      fc.asyncProperty(place, async ({ at, bit }) => {
        const damaged = Buffer.from(bytes)
        damaged[at]! ^= 1 << bit
        const { records, tail } = await reading(damaged)
        const untouched = at < 8 ? 0 : ends.filter((end) => end <= at).length
        expect(records.map(({ payload }) => payload)).toEqual(PAYLOADS.slice(0, untouched))
        expect(tail).toMatchObject({ state: 'corrupt', validBytes: at < 8 ? 0 : (ends[untouched - 1] ?? 8) })
        expect(tail.validBytes + tail.lostBytes).toBe(bytes.length)
      }),
      { numRuns: 150 },
    )
  })

  test.each([
    ['an empty file', Buffer.alloc(0), 'whole'],
    ['a header cut short', Buffer.from('TLJR'), 'torn'],
    ['nothing but zeros', Buffer.alloc(5000), 'torn'],
    ['something else', Buffer.from('PAR1 this is not a journal'), 'corrupt'],
    ['a short something else', Buffer.from('abc'), 'corrupt'],
    ['a header and no record', Buffer.from('TLJRNL01'), 'whole'],
  ])('has no records where the file is %s', async (_name, bytes, state) => {
    const { records, tail } = await reading(bytes)
    expect(records).toEqual([])
    expect(tail.state).toBe(state)
  })

  test('ends before a tail of zeros, as some file systems leave it after a power cut, even a long one', async () => {
    const bytes = await bytesOf(PAYLOADS)
    const { records, tail } = await reading(Buffer.concat([bytes, Buffer.alloc(3 << 20)]))
    expect(records).toHaveLength(4)
    expect(tail).toEqual({ validBytes: bytes.length, lostBytes: 3 << 20, state: 'torn' })
  })

  test('calls it corrupt when something stands behind the zeros', async () => {
    const bytes = await bytesOf(PAYLOADS)
    const { records, tail } = await reading(Buffer.concat([bytes, Buffer.alloc(2 << 20), Buffer.from('x')]))
    expect(records).toHaveLength(4)
    expect(tail.state).toBe('corrupt')
  })

  test('is read in pieces without losing a record at their borders', async () => {
    const payloads = Array.from({ length: 40 }, (_, i) => Buffer.alloc(100_000 + i * 997, i + 1))
    const { records, tail } = await reading(await bytesOf(payloads))
    expect(records).toHaveLength(40)
    expect(records.every(({ payload }, i) => payload.equals(payloads[i]!))).toBe(true)
    expect(tail.state).toBe('whole')
  })

  test('that does not exist is an error naming it, not an empty journal', async () => {
    await expect(readBack(join(testRoot(), 'gone.journal'))).rejects.toThrow('gone.journal')
  })
})
