/** Tells whoever has to know that settings of a run have changed under way. */
export class Reloads {
  readonly #listeners = new Set<() => void>()

  /** Calls `listener` after every change; returns what ends that. */
  follow(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
