import type { Answer } from '../call.ts'
import { createRandom, hashText } from '../world/random.ts'
import { createChoice } from './choice.ts'
import { type Fault, type FaultContext, WHOLE, type Wire } from './kind.ts'
import { honourMarks } from './pages.ts'
import { kindOf } from './parse.ts'

/** An answer and how to send it. */
export interface Sent {
  readonly answer: Answer
  readonly wire: Wire
}

/** Lets faults act on one call: `target` is what was asked, `answer` the endpoint. */
export type Injector = (target: URL, requestId: string, answer: (target: URL) => Answer) => Sent

/**
 * Runs calls through `faults`, in their order: rewrites, then one that answers in place of the endpoint,
 * then edits of the answer; the last wire fault decides how it is sent. `onFired` hears of each that acted.
 */
export function createInjector(
  faults: readonly Fault[],
  seed: number,
  onFired: (name: string) => void,
): Injector {
  const armed = faults
    .map((fault, index) => ({ ...fault, kind: kindOf(fault), choice: createChoice(fault, index, seed) }))
    .filter(({ kind }) => kind.socket === undefined)

  return (target, requestId, answerTo) => {
    const request = requestOf(target)
    const acting = armed.filter(({ choice }) => choice.chooses(request))
    const base = { requestId, answer: answerTo, random: createRandom(hashText(request, seed)) }
    let asked = target
    let wire = WHOLE
    for (const { kind, choice, name, options } of acting) {
      const refused = kind.refuse?.(options, { ...base, target, random: choice.random() })
      if (refused) {
        onFired(name)
        return { answer: refused, wire }
      }
      const rewritten = kind.rewrite?.(options, asked)
      if (kind.wire) wire = kind.wire(options)
      if (rewritten || kind.wire) onFired(name)
      asked = rewritten ?? asked
    }
    const context: FaultContext = { ...base, target: asked }
    let answer = honourMarks(answerTo(asked), context)
    for (const { kind, choice, name, options } of acting) {
      const edited = kind.edit?.(options, answer, { ...context, random: choice.random() })
      if (edited) onFired(name)
      answer = edited ?? answer
    }
    return { answer, wire }
  }
}

function requestOf(target: URL): string {
  const query = new URLSearchParams(target.searchParams)
  query.delete('apiKey')
  return `${target.pathname.replaceAll('%3A', ':')}?${query.toString()}`
}
