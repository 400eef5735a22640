import { UsageError } from '../../../core/errors.ts'
import type { Cluster, SubscriptionAction } from './feed-contract.ts'

/** Quotes are the one channel of options with a limit: contracts of one connection. */
export const MAX_OPTION_QUOTES = 1000

const PARAM = /^([A-Z]+)\.([^\s,]+)$/

/** What is wanted, in the order in which it was asked for; each parameter once. */
export class WantedParams {
  readonly #cluster: Cluster
  readonly #params = new Set<string>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  get params(): readonly string[] {
    return [...this.#params]
  }

  /**
   * Adds all of `params` or none; returns those that are new.
   *
   * @throws {UsageError} when one cannot be a parameter, or one connection may not have as many
   */
  add(params: readonly string[]): readonly string[] {
    for (const param of params) this.#check(param)
    const added = [...new Set(params)].filter((param) => !this.#params.has(param))
    this.#checkLimit(added)
    for (const param of added) this.#params.add(param)
    return added
  }

  /** Takes `params` off; returns those that were there. */
  remove(params: readonly string[]): readonly string[] {
    return params.filter((param) => this.#params.delete(param))
  }

  #check(param: string): void {
    const [, channel, symbol] = PARAM.exec(param) ?? []
    if (channel === undefined)
      throw new UsageError(`'${param}' is not a parameter of the live socket`, {
        hint: 'A parameter is a channel, a dot and a symbol: AM.SPY, T.*, A.O:SPY250103C00585000.',
      })
    if (this.#cluster === 'options' && channel === 'Q' && symbol === '*')
      throw new UsageError('the vendor does not send quotes of all options (Q.*)', {
        hint: `Name the contracts: at most ${MAX_OPTION_QUOTES} on one connection.`,
      })
  }

  #checkLimit(added: readonly string[]): void {
    if (this.#cluster !== 'options') return
    const quotes = [...this.#params, ...added].filter((param) => param.startsWith('Q.')).length
    if (quotes > MAX_OPTION_QUOTES)
      throw new UsageError(`${quotes} option contracts with quotes are more than one connection may have`, {
        hint: `The vendor allows ${MAX_OPTION_QUOTES}: narrow the strikes, or record bars (AM), which have no limit.`,
      })
  }
}

/** The messages that ask for `params`, a number of them in each. */
export function requestsFor(
  action: SubscriptionAction,
  params: readonly string[],
  perMessage: number,
): string[] {
  const messages: string[] = []
  for (let at = 0; at < params.length; at += perMessage)
    messages.push(JSON.stringify({ action, params: params.slice(at, at + perMessage).join(',') }))
  return messages
}
