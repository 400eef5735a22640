import { EntitlementError, isRequestFailure, messageOf } from '../core/errors.ts'
import type { CellVerdict } from '../lake/series-contract.ts'
import { claimLake, NOT_ENTITLED, stillWanted, type RecordContext } from './record-context.ts'
import { Recording } from './recording.ts'
import type { ItemResult, WorkItem } from './work-item.ts'

/**
 * Records one work item: fetches it, refines it, commits it, and settles every session of it with a reason.
 * Vendor failures end in the ledger as `failed` or `not_entitled`; they are not thrown.
 *
 * @throws {AuthenticationError | BudgetSpentError} no other request would fare better
 * @throws {UsageError} the vendor does not know the ticker
 * @throws what the disk, the lake or an abort throws
 */
export async function recordItem(item: WorkItem, context: RecordContext): Promise<ItemResult> {
  if (context.judge.refuses(item.to)) return await settleAll(item, context, NOT_ENTITLED)
  try {
    return await new Recording(item, context).record()
  } catch (error) {
    if (error instanceof EntitlementError) return await settleRefusal(item, context, error)
    if (!isRequestFailure(error)) throw error
    const result = await settleAll(item, context, {
      state: 'failed',
      reason: `${error.category}: ${messageOf(error)}`,
    })
    return { ...result, failure: error }
  }
}

async function settleAll(
  { sessions }: Pick<WorkItem, 'sessions'>,
  context: RecordContext,
  verdict: CellVerdict,
): Promise<ItemResult> {
  await claimLake(context)
  await context.writer.settle(
    new Map([...stillWanted(context), ...sessions.map((date) => [date, verdict] as const)]),
  )
  return { rows: 0, refused: 0, duplicates: 0, restated: [] }
}

/** Some plans serve a finished session of today only later; all other refusals stay. */
async function settleRefusal(
  item: WorkItem,
  context: RecordContext,
  error: EntitlementError,
): Promise<ItemResult> {
  const words = error.vendorMessage ?? messageOf(error)
  if (item.to !== context.newest || !/today's data|end of day/i.test(words)) {
    context.judge.noteRefused(item.to)
    const result = await settleAll(item, context, { state: 'not_entitled', reason: words })
    // Where rows are held the ledger keeps them, and would not show that they were refused now.
    const keepsRows = item.sessions.some((date) => (context.writer.ledger.cells[date]?.rows ?? 0) > 0)
    return keepsRows ? { ...result, failure: error } : result
  }
  const pending: CellVerdict = { state: 'pending', reason: `the vendor does not serve it yet: ${words}` }
  const today = await settleAll({ sessions: [item.to] }, context, pending)
  const earlier = item.sessions.filter((date) => date !== item.to)
  if (earlier.length === 0) return today
  return await recordItem({ from: item.from, to: earlier.at(-1)!, sessions: earlier }, context)
}
