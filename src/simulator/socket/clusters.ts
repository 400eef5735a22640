import type { Plan, Product } from '../plans.ts'

/** One socket per asset class. */
export const CLUSTERS = ['stocks', 'options', 'indices'] as const
export type Cluster = (typeof CLUSTERS)[number]

/** Kinds of events the simulator sends. */
export type Channel = 'AM' | 'A' | 'T' | 'Q' | 'V'

/** Lag of the delayed host behind the market, milliseconds. */
export const DELAYED_LAG_MS = 15 * 60_000

/** Quotes are the only channel of options with a limit: contracts of one connection. */
export const MOST_OPTION_QUOTES = 1000

type Needs = Product | 'business'
const NEEDS: Readonly<Record<Cluster, Readonly<Record<string, Needs>>>> = {
  stocks: {
    AM: 'bars',
    A: 'second_bars',
    T: 'trades',
    Q: 'quotes',
    LULD: 'business',
    NOI: 'business',
    FMV: 'business',
  },
  options: { AM: 'bars', A: 'second_bars', T: 'trades', Q: 'quotes', FMV: 'business' },
  indices: { AM: 'bars', A: 'second_bars', V: 'bars' },
}

/** What `channel` of `cluster` is to a plan: unknown, one of the vendor's that it lacks, or its own. */
export function accessTo(
  cluster: Cluster,
  channel: string,
  plan: Plan,
): 'unknown' | 'not-entitled' | 'entitled' {
  const needs = Object.hasOwn(NEEDS[cluster], channel) ? NEEDS[cluster][channel] : undefined
  if (needs === undefined) return 'unknown'
  return needs !== 'business' && plan.products.includes(needs) ? 'entitled' : 'not-entitled'
}

/** Where a client knocked: `/stocks` on the real-time host, `/delayed/stocks` on the delayed one. */
export interface Place {
  readonly cluster: Cluster
  readonly delayed: boolean
}

/** The place at `path`, or undefined. */
export function placeAt(path: string): Place | undefined {
  const words = path.split('/').filter((word) => word !== '')
  const delayed = words[0] === 'delayed'
  const [name, ...rest] = delayed ? words.slice(1) : words
  const cluster = CLUSTERS.find((known) => known === name)
  return cluster !== undefined && rest.length === 0 ? { cluster, delayed } : undefined
}
