import { createRandom, hash32, hashText } from '../world/random.ts'
import type { Fault } from './kind.ts'

/** Distinct requests whose asks are counted; the oldest is forgotten first. */
const REMEMBERED_REQUESTS = 10_000

/** Decides for every call whether a fault acts on it. */
export interface Choice {
  /** Called once a call, in the order of arrival. `request` is path and query without the key. */
  chooses(request: string): boolean
  /** Uniform numbers for what the fault does to the call last chosen. */
  random(): () => number
}

/** The choice of `fault`, the `index`th of a simulator of `seed`; see CHOICE_OPTIONS. */
export function createChoice(fault: Fault, index: number, seed: number): Choice {
  const { path, after = 0, first = Infinity, every = 1, each, ask, rate = 1, burst = 1 } = fault.options
  const faultSeed = hash32(seed, hashText(fault.name), index)
  const asks = new Map<string, number>()
  let seen = 0
  let acted = 0
  let inBurst = 0

  const eligible = (request: string): boolean => {
    const nth = countAsk(asks, request)
    if (seen++ < Number(after)) return false
    if (inBurst > 0) return true
    if (acted >= Number(first)) return false
    if (each !== undefined && nth > Number(each)) return false
    if (ask !== undefined && nth < Number(ask)) return false
    if ((seen - 1 - Number(after)) % Math.max(1, Number(every)) !== 0) return false
    return createRandom(hash32(faultSeed, seen))() < Number(rate)
  }
  return {
    chooses: (request) => {
      if (path !== undefined && !request.includes(String(path))) return false
      if (!eligible(request)) return false
      acted++
      inBurst = (inBurst > 0 ? inBurst : Number(burst)) - 1
      return true
    },
    random: () => createRandom(hash32(faultSeed, seen, 1)),
  }
}

function countAsk(asks: Map<string, number>, request: string): number {
  const nth = (asks.get(request) ?? 0) + 1
  asks.set(request, nth)
  if (asks.size > REMEMBERED_REQUESTS) asks.delete(asks.keys().next().value ?? '')
  return nth
}
