import { describe, expect, test } from 'vitest'
import { timeLeftMs, type Pace } from '../../src/cli/backfill-watch.ts'
import { createProgress, progressText } from '../../src/cli/progress.ts'
import { CollectingStream } from '../support/cli.ts'

class TerminalLike extends CollectingStream {
  readonly isTTY = true
  readonly columns = 120
  cursorTo(): boolean {
    return true
  }
  moveCursor(): boolean {
    return true
  }
  clearLine(): boolean {
    return true
  }
  clearScreenDown(): boolean {
    return true
  }
}

describe('progress', () => {
  test('tells rows, sessions, calls and the time left, as far as they are known', () => {
    expect(progressText({ rows: 12_345, sessions: 3, calls: 2, etaMs: 65_000, at: 'SPY' })).toBe(
      '12,345 rows · 3 sessions · 2 calls · 1 min 5 s left · SPY',
    )
    expect(progressText({ rows: 0 })).toBe('0 rows')
    expect(progressText({})).toBe('')
  })

  test('without a terminal is a line every ten seconds, and the last state at the end', async () => {
    const stream = new CollectingStream()
    let nowMs = 0
    const progress = await createProgress({
      enabled: true,
      total: 4,
      label: 'backfill SPY',
      stream,
      now: () => nowMs,
    })
    progress.update(1, { rows: 10 })
    nowMs = 10_000
    progress.update(2, { rows: 20 })
    nowMs = 19_999
    progress.setTotal(5)
    progress.update(3, { rows: 30 })
    progress.note('a word')
    progress.stop()
    progress.stop()
    expect(stream.text.split('\n')).toEqual([
      'backfill SPY: 2 of 4  20 rows',
      'a word',
      'backfill SPY: 3 of 5  30 rows',
      '',
    ])
  })

  test('on a terminal is a bar', async () => {
    const stream = new TerminalLike()
    const progress = await createProgress({ enabled: true, total: 4, label: 'backfill SPY', stream })
    progress.update(2, { rows: 20 })
    progress.setTotal(4)
    progress.note('a word')
    progress.stop()
    expect(stream.text).toContain('backfill SPY')
    expect(stream.text).toContain('█')
    expect(stream.text).toContain('2/4 20 rows')
    expect(stream.text).toContain('a word')
  })

  test('that is switched off writes nothing', async () => {
    const stream = new TerminalLike()
    const progress = await createProgress({ enabled: false, total: 4, label: 'x', stream })
    progress.update(2)
    progress.setTotal(3)
    progress.note('a word')
    progress.stop()
    expect(stream.text).toBe('')
  })
})

describe('the time left of a backfill', () => {
  const pace: Pace = {
    done: 100,
    planned: 400,
    calls: 8,
    seriesShare: 1,
    elapsedMs: 10_000,
    limitMs: (calls) => calls * 12_000,
  }

  test.each<[string, Partial<Pace>, number | undefined]>([
    ['is what the call limit asks for', {}, 72_000],
    ['is the pace so far where that is slower', { limitMs: () => 0 }, 30_000],
    ['counts the series to come like those planned', { seriesShare: 2 }, 168_000],
    ['counts requests of several pages until their sessions are recorded', { done: 0 }, 96_000],
    ['is not told before anything is known', { done: 0, limitMs: () => 0 }, undefined],
    ['is not told at the end', { done: 400 }, undefined],
    ['is not told where nothing is planned', { done: 0, planned: 0, calls: 0 }, undefined],
  ])('%s', (_, more, leftMs) => {
    expect(timeLeftMs({ ...pace, ...more })).toBe(leftMs)
  })
})
