import type { Command } from 'commander'
import { suggest } from '../core/config/suggest.ts'
import { ConfigError } from '../core/errors.ts'
import type { Lake } from '../lake/index.ts'
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

/** The flags as they were given, for messages; empty where none was. */
export const flagsText = ({ dataset = [], ticker = [] }: SeriesFlags): string =>
  [...dataset.map((word) => `--dataset ${word}`), ...ticker.map((word) => `--ticker ${word}`)].join(' ')

/** Series named in a message; `status` lists them all. */
const MAX_NAMED = 10

/** One sentence on the series that `lake` holds, for when the flags matched none of them. */
export async function heldText(lake: Lake): Promise<string> {
  const held = (await lake.series()).map(({ dataset, ticker }) => `${dataset.name} ${ticker}`)
  if (held.length === 0) return `Nothing is held in ${lake.root}.`
  const more = held.length > MAX_NAMED ? ` and ${held.length - MAX_NAMED} more, see tapelake status` : ''
  return `Held: ${held.slice(0, MAX_NAMED).join(', ')}${more}.`
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
