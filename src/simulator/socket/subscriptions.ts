import type { Plan } from '../plans.ts'
import { accessTo, type Channel, type Cluster, MOST_OPTION_QUOTES } from './clusters.ts'
import { refused, type StatusEvent, subscribed, unsubscribed } from './status.ts'

/** Stands for every symbol. */
export const EVERYTHING = '*'

/** What one connection wants. Symbols are not checked, as at the vendor: an unknown one is just quiet. */
export class Subscriptions {
  private readonly cluster: Cluster
  private readonly plan: Plan
  private readonly byChannel = new Map<Channel, Map<string, number>>()

  constructor(cluster: Cluster, plan: Plan) {
    this.cluster = cluster
    this.plan = plan
  }

  get empty(): boolean {
    return this.byChannel.size === 0
  }

  has(channel: Channel): boolean {
    return this.byChannel.has(channel)
  }

  /** Symbols of `channel` ({@link EVERYTHING} among them) → market time of the subscription, ms. */
  symbols(channel: Channel): ReadonlyMap<string, number> {
    return this.byChannel.get(channel) ?? NOTHING
  }

  /** One status per parameter of a comma-separated list; none for what is subscribed already. */
  subscribe(params: string, nowMs: number): StatusEvent[] {
    return namesIn(params).flatMap((param) => this.subscribeOne(param, nowMs) ?? [])
  }

  /** One status per parameter. */
  unsubscribe(params: string): StatusEvent[] {
    return namesIn(params).map((param) => {
      const { channel, symbol } = parts(param)
      const symbols = this.byChannel.get(channel)
      symbols?.delete(symbol)
      if (symbols?.size === 0) this.byChannel.delete(channel)
      return unsubscribed(param)
    })
  }

  private subscribeOne(param: string, nowMs: number): StatusEvent | undefined {
    const { channel, symbol } = parts(param)
    const access = accessTo(this.cluster, channel, this.plan)
    if (access === 'unknown' || symbol === '') return refused(`unknown channel: ${param}`)
    if (access === 'not-entitled') return refused(`not authorized to subscribe to: ${param}`)
    const symbols = this.byChannel.get(channel) ?? new Map<string, number>()
    if (symbols.has(symbol)) return undefined
    if (this.cluster === 'options' && channel === 'Q') {
      if (symbol === EVERYTHING) return refused(`quotes of all options cannot be had: ${param}`)
      if (symbols.size >= MOST_OPTION_QUOTES) {
        return refused(`at most ${MOST_OPTION_QUOTES} option contracts per connection: ${param}`)
      }
    }
    this.byChannel.set(channel, symbols.set(symbol, nowMs))
    return subscribed(param)
  }
}

const NOTHING: ReadonlyMap<string, number> = new Map()

const namesIn = (params: string): string[] =>
  params
    .split(',')
    .map((param) => param.trim())
    .filter((param) => param !== '')

/** `T.BRK.B` → T and BRK.B: tickers have dots, channels have none. */
function parts(param: string): { readonly channel: Channel; readonly symbol: string } {
  const dot = param.indexOf('.')
  if (dot < 0) return { channel: param as Channel, symbol: '' }
  return { channel: param.slice(0, dot) as Channel, symbol: param.slice(dot + 1) }
}
