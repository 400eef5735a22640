import type { Command } from 'commander'
import { suggest } from '../core/config/suggest.ts'
import { ConfigError } from '../core/errors.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { collect } from './arguments.ts'

/** The flags `--dataset` and `--ticker`, each repeatable; nothing given means all. */
export interface SeriesFlags {
  readonly dataset?: readonly string[]
  readonly ticker?: readonly string[]
}

export function addSeriesFlags(command: Command): Command {
  return command
    .option('--dataset <name>', 'only this dataset (repeatable)', collect)
    .option('--ticker <symbol>', 'only this ticker (repeatable)', collect)
}

/** What the flags mean to the lake. @throws {ConfigError} for a dataset that does not exist */
export async function seriesFilter({ dataset, ticker }: SeriesFlags): Promise<{
  datasets?: readonly string[]
  tickers?: readonly string[]
}> {
  const { DATASETS } = await import('../market/datasets/index.ts')
  return {
    ...(dataset && { datasets: dataset.map((word) => datasetCalled(word, DATASETS).name) }),
    ...(ticker && { tickers: ticker }),
  }
}

/**
 * The dataset called `word`; `equity_` may be left out (`trades`, `bars_1d`).
 *
 * @throws {ConfigError} naming those that exist
 */
export function datasetCalled(word: string, known: readonly DatasetDefinition[]): DatasetDefinition {
  const found = known.find(({ name }) => name === word) ?? known.find(({ name }) => name === `equity_${word}`)
  if (found) return found
  const names = known.map(({ name }) => name)
  const meant = suggest(word, [...names, ...names.map((name) => name.replace('equity_', ''))])
  throw new ConfigError(`unknown dataset '${word}'`, {
    hint: `${meant ? `Did you mean ${meant}? ` : ''}Known datasets: ${names.join(', ')}.`,
  })
}
