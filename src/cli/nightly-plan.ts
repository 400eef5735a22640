import { UsageError } from '../core/errors.ts'
import { datasetNamed } from '../market/datasets/index.ts'
import type { SeriesPlan } from '../pipeline/plan.ts'
import type { BackfillAllFlags } from './backfill-all-run.ts'
import { isOptionHistory, type BackfillFlags } from './backfill-flags.ts'
import { planAll, type Choose } from './backfill-plan.ts'
import type { RunContext } from './context.ts'

/** The flags of a night as those of the backfills in it. */
export type NightFlags = BackfillAllFlags & BackfillFlags

const isOption = (name: string): boolean => isOptionHistory(datasetNamed(name))

/** Plans what is configured of the universe's stocks. */
export async function planStocks(
  context: RunContext,
  { underlying: _, dataset = [], ...flags }: NightFlags,
  choose: Choose,
): Promise<SeriesPlan[]> {
  const names = dataset.filter((name) => !isOption(name))
  return names.length === 0 ? [] : await planAll(context, { ...flags, dataset: names }, choose)
}

/** Plans the bars of the contracts that nights have discovered; none yet, nothing to do. */
export async function planOptions(
  context: RunContext,
  { ticker: _, dataset = [], ...flags }: NightFlags,
): Promise<SeriesPlan[]> {
  const plans: SeriesPlan[] = []
  for (const name of dataset.filter(isOption)) {
    for (const underlying of context.config.settings.nightly.discover) {
      const one = { ...flags, dataset: [name], underlying: [underlying] }
      plans.push(...(await planAll(context, one).catch(unlessUndiscovered)))
    }
  }
  return plans
}

function unlessUndiscovered(error: unknown): [] {
  if (error instanceof UsageError) return []
  throw error
}
