import { describe, expect, test } from 'vitest'
import { rowsFor, BARS, SESSIONS } from '../../support/lake.ts'
import { SessionBook } from '../../../src/pipeline/stream/session-book.ts'
import { createFrameParser } from '../../../src/sources/polygon/socket/frame-parser.ts'

const [, , JAN2] = SESSIONS
const START_MS = Number(rowsFor(BARS, JAN2, 1)[0]!['timestamp']) / 1000
const bar = (minute: number, low: string) =>
  `{"ev":"AM","sym":"SPY","v":9007199254740993,"o":1,"h":2,"l":${low},"c":1.50,"s":${START_MS + minute * 60_000}}`

describe('rows received', () => {
  test('that break a rule are kept as they were sent, digit for digit, whatever frame brought them', async () => {
    const parser = createFrameParser({ source: 'polygon', request: 'live stocks' })
    const [good, bad, worse] = [bar(0, '0.50'), bar(1, '3.10'), bar(2, '4')]
    parser.add(Buffer.from(`[${good}, ${bad}]`), START_MS)
    parser.add(Buffer.from(`[${good},\n${worse} ]`), START_MS)
    const book = new SessionBook('run-1')
    for (const { dataset, batch } of parser.take().rows) await book.take(dataset, batch)
    const series = book.open(BARS, JAN2)
    expect(series.rows()).toMatchObject({ length: 1 })
    expect(series.rows()!.sentText).toBeUndefined() // what is kept does not keep the frames
    expect(series.refused).toMatchObject([
      { rule: 'high_below_low', sent: bad },
      { rule: 'high_below_low', sent: worse },
    ])
  })
  test('outside of every session are handed on as they were sent, with the time they came', async () => {
    const parser = createFrameParser({ source: 'polygon', request: 'live stocks' })
    const night = bar(0, '0.50').replace(String(START_MS), String(START_MS - 14 * 3_600_000))
    parser.add(Buffer.from(`[${night},${bar(0, '0.50')}]`), START_MS)
    const kept: unknown[] = []
    const book = new SessionBook('run-1', (events) => kept.push(...events))
    for (const { dataset, batch, receivedMs } of parser.take().rows)
      await book.take(dataset, batch, receivedMs)
    expect(book.strays).toBe(1)
    expect(kept).toMatchObject([{ rule: 'outside_session', raw: night, receivedMs: START_MS }])
    expect(book.open(BARS, JAN2).rows()).toMatchObject({ length: 1 })
  })
})
