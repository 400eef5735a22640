/** What the listeners of {@link together} are: optional functions, or groups of them. */
type Listener = (...args: readonly unknown[]) => unknown

/**
 * One set of hooks that calls all of `listeners`, in order. A hook may be a function or a group of hooks; names that
 * no listener has stay absent.
 */
export function together<Hooks extends object>(...listeners: readonly (Hooks | undefined)[]): Hooks {
  const given = listeners.filter((one) => one !== undefined) as unknown as readonly Record<string, unknown>[]
  const names = new Set(given.flatMap((one) => Object.keys(one)))
  const entries = [...names].map((name) => {
    const hooks = given.map((one) => one[name]).filter((hook) => hook !== undefined)
    if (typeof hooks[0] === 'object') return [name, together(...(hooks as object[]))]
    const call: Listener = (...args) => {
      for (const hook of hooks as unknown as readonly Listener[]) hook(...args)
    }
    return [name, call]
  })
  return Object.fromEntries(entries) as Hooks
}
