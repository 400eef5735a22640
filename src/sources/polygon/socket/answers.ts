import type { LiveFeedEvents, SubscriptionAction } from './feed-contract.ts'
import { ackedParams, type StatusEvent } from './status.ts'

/**
 * Follows which parameters the vendor has answered on one connection. Nothing waits for an answer for ever: a
 * duplicate is not answered at all, and some refusals do not say what they refuse.
 */
export class Answers {
  readonly #events: LiveFeedEvents
  readonly #ackMs: number
  readonly #pending: Readonly<Record<SubscriptionAction, Set<string>>> = {
    subscribe: new Set(),
    unsubscribe: new Set(),
  }
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(events: LiveFeedEvents, ackMs: number) {
    this.#events = events
    this.#ackMs = ackMs
  }

  /** `params` were just asked for. */
  expect(action: SubscriptionAction, params: readonly string[]): void {
    const pending = this.#pending[action]
    for (const param of params) pending.add(param)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      const missing = params.filter((param) => pending.delete(param))
      if (missing.length > 0) this.#events.onUnanswered?.({ params: missing })
    }, this.#ackMs)
    this.#timers.add(timer)
  }

  /** Takes `event` if it answers something; false when it is about something else. */
  take({ status, message }: StatusEvent): boolean {
    const acked = status === 'success' ? ackedParams(message) : undefined
    if (acked) {
      for (const param of acked.params) {
        this.#pending[acked.action].delete(param)
        this.#events.onAck?.({ param, action: acked.action })
      }
      return true
    }
    if (status !== 'error' && status !== 'auth_required' && !this.#isRefusal(status)) return false
    const refused = this.#named(message)
    for (const param of refused) this.#pending.subscribe.delete(param)
    for (const param of refused.length > 0 ? refused : ['']) this.#events.onRefused?.({ param, message })
    return true
  }

  /** The connection is over: nothing more will be answered. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  /** Words that are not documented but name a parameter that was just asked for. */
  #isRefusal(status: string): boolean {
    return /denied|not_?authorized|failed|refused/i.test(status)
  }

  /** The pending parameters that `message` names. */
  #named(message: string): readonly string[] {
    const words = new Set(message.split(/[\s,;"'()[\]]+/).map((word) => word.replace(/[.:]+$/, '')))
    return [...this.#pending.subscribe].filter((param) => words.has(param))
  }
}
