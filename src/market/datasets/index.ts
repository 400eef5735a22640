import { ConfigError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../dataset.ts'
import { dividends, splits } from './corporate-actions.ts'
import { equityBars1d, equityBars1h, equityBars1m, equityBars1s } from './equity-bars.ts'
import { equityQuotes, equityTrades } from './equity-ticks.ts'
import { futuresBars1m } from './futures.ts'
import { optionChain } from './option-chain.ts'
import { optionBars1d, optionBars1m, optionContracts } from './options.ts'

/** Every dataset that tapelake knows, in the order in which people meet them. */
export const DATASETS: readonly DatasetDefinition[] = [
  equityBars1m,
  equityBars1s,
  equityBars1h,
  equityBars1d,
  equityTrades,
  equityQuotes,
  optionContracts,
  optionBars1m,
  optionBars1d,
  optionChain,
  splits,
  dividends,
  futuresBars1m,
]

/**
 * The dataset called `name`.
 *
 * @throws {ConfigError} naming those that exist
 */
export function datasetNamed(name: string): DatasetDefinition {
  const found = DATASETS.find((dataset) => dataset.name === name)
  if (found) return found
  throw new ConfigError(`unknown dataset '${name}'`, {
    hint: `Known datasets: ${DATASETS.map((dataset) => dataset.name).join(', ')}.`,
  })
}
