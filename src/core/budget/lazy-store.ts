import { existsSync } from 'node:fs'
import type { BudgetStore } from './contract.ts'

export interface LazyStoreOptions {
  /** The file that is there once somebody has something to share. */
  readonly path: string
  readonly open: () => Promise<BudgetStore>
  /** Called once, when the store cannot be opened. */
  readonly onProblem: (error: unknown) => void
}

/**
 * A store for who has no limit and only wants to hear of pauses: a look for the file before every call, until there
 * is one. Nothing is ever reserved in it.
 */
export function lazyStore({ path, open, onProblem }: LazyStoreOptions): BudgetStore {
  let opening: Promise<BudgetStore | undefined> | undefined
  let store: BudgetStore | undefined
  const opened = async (): Promise<BudgetStore | undefined> => {
    opening ??= open().catch((error: unknown) => {
      onProblem(error)
      return undefined
    })
    return (store ??= await opening)
  }
  const state = { freeInMs: [], pauseMs: 0, waiting: 0, usedToday: 0, byProcess: [] }
  return {
    reserve: () => Promise.resolve({ kind: 'granted', slot: '' }),
    settle: () => Promise.resolve(),
    leave: () => Promise.resolve(),
    pause: async (ms) => await (await opened())?.pause(ms),
    pauseLeftMs: async () => (store || existsSync(path) ? ((await (await opened())?.pauseLeftMs()) ?? 0) : 0),
    load: () => store?.load() ?? state,
    read: async () => (existsSync(path) ? ((await (await opened())?.read()) ?? state) : state),
    close: async () => await (await opening)?.close(),
  }
}
