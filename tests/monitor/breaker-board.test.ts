import { expect, test } from 'vitest'
import { BreakerBoard } from '../../src/monitor/breaker-board.ts'

test('the worst of several processes counts, whoever speaks last, until it recovers or ends', () => {
  const board = new BreakerBoard()
  board.note('aggregates', 11, 'open')
  board.note('aggregates', 12, 'half_open')
  board.note('aggregates', 13, 'closed')
  board.note('trades', 13, 'closed')
  expect(board.worst()).toEqual({ aggregates: 'open', trades: 'closed' })
  expect(board.levels()).toEqual({ aggregates: 2, trades: 0 })
  expect(board.troubled()).toEqual({ aggregates: { 11: 'open', 12: 'half_open' } })
  board.note('aggregates', 11, 'closed')
  expect(board.worst()['aggregates']).toBe('half_open')
  for (const pid of [11, 12, 13]) board.forget(pid)
  expect(board.worst()).toEqual({ aggregates: 'closed', trades: 'closed' })
  expect(board.troubled()).toEqual({})
})
