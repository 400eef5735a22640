import { expect, test } from 'vitest'
import { requireColumn, stringAt, stringColumn, type Batch } from '../../src/core/batch.ts'
import { collect, type Refusal } from '../../src/core/flow.ts'
import { optionSymbols } from '../../src/stages/option-symbols.ts'

const batchOf = (symbols: readonly (string | null)[]): Batch => ({
  dataset: 'option_contracts',
  length: symbols.length,
  schema: [{ name: 'contract', type: 'string' }],
  columns: { contract: stringColumn(symbols) },
})

test('rows whose symbol cannot be read are refused, the others pass in their order', async () => {
  async function* flow() {
    yield batchOf(['O:SPY250103C00585000', 'O:AAPL211022C000150000', null, 'O:AMD1250117P00121360'])
    yield batchOf(['nonsense'])
  }
  const refused: Refusal[] = []
  const kept = await collect(optionSymbols((_, refusals) => refused.push(...refusals))(flow()))
  expect(kept).toHaveLength(1)
  const symbols = requireColumn(kept[0]!, 'contract', 'string')
  expect([0, 1].map((row) => stringAt(symbols, row))).toEqual([
    'O:SPY250103C00585000',
    'O:AMD1250117P00121360',
  ])
  expect(refused.map(({ row, rule }) => [row, rule])).toEqual([
    [1, 'malformed_symbol'],
    [2, 'malformed_symbol'],
    [0, 'malformed_symbol'],
  ])
})
