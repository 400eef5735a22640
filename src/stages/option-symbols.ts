import { requireColumn, stringAt, takeRows, type Batch } from '../core/batch.ts'
import { UsageError } from '../core/errors.ts'
import type { Refusal, RefusalSink, Stage } from '../core/flow.ts'
import { parseOptionSymbol } from '../market/symbols.ts'

/**
 * Refuses rows whose `contract` is no option symbol, as `malformed_symbol`; the other rows of their batch pass.
 *
 * Shape: columns and row order are kept; a batch left without rows is not yielded.
 * State: none.
 */
export function optionSymbols(onRefused: RefusalSink): Stage {
  return async function* optionSymbols(batches) {
    for await (const batch of batches) {
      const refusals = malformed(batch)
      if (refusals.length > 0) onRefused(batch, refusals)
      if (refusals.length < batch.length) yield without(batch, refusals)
    }
  }
}

function malformed(batch: Batch): Refusal[] {
  const symbols = requireColumn(batch, 'contract', 'string')
  const refusals: Refusal[] = []
  for (let row = 0; row < batch.length; row++) {
    const reason = faultOf(stringAt(symbols, row) ?? '')
    if (reason !== undefined) refusals.push({ row, rule: 'malformed_symbol', reason })
  }
  return refusals
}

function faultOf(symbol: string): string | undefined {
  try {
    parseOptionSymbol(symbol)
    return undefined
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
}

function without(batch: Batch, refusals: readonly Refusal[]): Batch {
  if (refusals.length === 0) return batch
  const refused = new Set(refusals.map(({ row }) => row))
  return takeRows(
    batch,
    Array.from({ length: batch.length }, (_, row) => row).filter((row) => !refused.has(row)),
  )
}
