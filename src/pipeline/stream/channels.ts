import { UsageError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import { equityBars1m, equityBars1s } from '../../market/datasets/equity-bars.ts'
import { equityQuotes, equityTrades } from '../../market/datasets/equity-ticks.ts'
import { optionBars1m } from '../../market/datasets/options.ts'

/** Minute bars, second bars, trades, quotes. */
export const CHANNEL_NAMES = ['AM', 'A', 'T', 'Q'] as const
export type ChannelName = (typeof CHANNEL_NAMES)[number]

/** What can be recorded live. */
export type LiveCluster = 'stocks' | 'options'

/** One kind of live event, and where its rows go. */
export interface Channel {
  readonly name: ChannelName
  readonly dataset: DatasetDefinition
  /** Length of a bar; of ticks, the step by which their silence is judged. Milliseconds. */
  readonly stepMs: number
  /**
   * A silence that had a smaller chance than this is taken for a hole. One REST call tells for sure of a bar; of
   * seconds there are many more silences in a session to be mistaken about, and of ticks REST tells at its end only.
   */
  readonly leastChance: number
  /**
   * False for ticks: the socket tells their time in ms, REST in ns, so that a live row and its final row do not
   * share a key. REST then replaces the session as a whole.
   */
  readonly sharesKeys: boolean
  /** Of ticks: columns that tell an event from the others of its millisecond, live and in the final rows alike. */
  readonly identity?: readonly string[]
}

const TICKS = { stepMs: 1000, leastChance: 1e-6, sharesKeys: false }
const STOCKS: Readonly<Record<ChannelName, Channel>> = {
  AM: { name: 'AM', dataset: equityBars1m, stepMs: 60_000, leastChance: 0.05, sharesKeys: true },
  A: { name: 'A', dataset: equityBars1s, stepMs: 1000, leastChance: 1e-3, sharesKeys: true },
  T: { name: 'T', dataset: equityTrades, ...TICKS, identity: ['sequence_number', 'exchange', 'id'] },
  Q: { name: 'Q', dataset: equityQuotes, ...TICKS, identity: ['sequence_number'] },
}
const OPTIONS: Readonly<Partial<Record<ChannelName, Channel>>> = {
  AM: { name: 'AM', dataset: optionBars1m, stepMs: 60_000, leastChance: 0.05, sharesKeys: true },
}

/** Columns by which a live row of `dataset` is found among final rows, where that is not its key. */
export const liveIdentity = (dataset: DatasetDefinition): readonly string[] | undefined =>
  Object.values(STOCKS).find((channel) => channel.dataset === dataset)?.identity

/** @throws {UsageError} for a channel that is not recorded of this cluster */
export function channelOf(name: ChannelName, cluster: LiveCluster): Channel {
  const channel = (cluster === 'stocks' ? STOCKS : OPTIONS)[name]
  if (channel) return channel
  throw new UsageError(`the channel ${name} is not recorded of ${cluster}`, {
    hint: 'Minute bars (AM) are recorded of options.',
  })
}
