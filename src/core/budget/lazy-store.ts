import { existsSync } from 'node:fs'
import { isLimited, type BudgetStore, type BudgetTerms } from './contract.ts'

export interface LazyStoreOptions {
  /** The file that is there once somebody has something to share. */
  readonly path: string
  /** What may be spent now; it may change at any time. */
  readonly terms: BudgetTerms
  readonly open: () => Promise<BudgetStore>
  /** Called once, when the store cannot be opened. */
  readonly onProblem: (error: unknown) => void
}

/**
 * A store that is opened when it is needed first. Who has no limit looks for the file before every call, to hear of
 * pauses, reserves nothing, and notes its calls when they are over. Under a limit a store that cannot be opened throws.
 */
export function lazyStore({ path, terms, open, onProblem }: LazyStoreOptions): BudgetStore {
  let opening: Promise<BudgetStore> | undefined
  let store: BudgetStore | undefined
  const must = async (): Promise<BudgetStore> => {
    opening ??= open().catch((error: unknown) => {
      onProblem(error)
      throw error
    })
    return (store ??= await opening)
  }
  const may = (): Promise<BudgetStore | undefined> => must().catch(() => undefined)
  const nothing = { freeInMs: [], pauseMs: 0, waiting: 0, usedToday: 0, byProcess: [] }
  return {
    reserve: async (turn) =>
      isLimited(terms) ? await (await must()).reserve(turn) : { kind: 'granted', slot: '' },
    settle: async (slot) => void (slot !== '' && (await (await may())?.settle(slot))),
    note: async (priority) => await (await may())?.note(priority),
    leave: async (turn) => await store?.leave(turn),
    pause: async (ms) => await (await may())?.pause(ms),
    pauseLeftMs: async () => (store || existsSync(path) ? ((await (await may())?.pauseLeftMs()) ?? 0) : 0),
    load: () => store?.load() ?? nothing,
    read: async () => (isLimited(terms) || existsSync(path) ? await (await must()).read() : nothing),
    close: async () => await (await opening?.catch(() => undefined))?.close(),
  }
}
