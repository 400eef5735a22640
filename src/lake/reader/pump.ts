import type { Writable } from 'node:stream'

/**
 * Writes `content` to `out` piece by piece, waiting whenever `out` is full, and resolves once `out` has passed on
 * the last byte. `out` stays open, and no listener stays on it.
 *
 * @throws what `content` throws, and what `out` fails with (EPIPE where the reader has gone)
 */
export async function pump(content: AsyncIterable<string | Uint8Array>, out: Writable): Promise<void> {
  const outlet = new Outlet(out)
  try {
    for await (const piece of content) await outlet.write(piece)
    await outlet.flush()
  } finally {
    outlet.leave()
  }
}

/** Listens to a stream while something is written to it. */
class Outlet {
  readonly #out: Writable
  #failed: Error | undefined
  #resolve = (): void => undefined
  #reject: (error: Error) => void = () => undefined

  constructor(out: Writable) {
    this.#out = out
    out.on('drain', this.#onDrain).on('error', this.#onError).on('close', this.#onClose)
    if (out.destroyed) this.#onClose()
  }

  readonly #onDrain = (): void => this.#resolve()
  readonly #onError = (error: Error): void => {
    this.#failed ??= error
    this.#reject(this.#failed)
  }
  readonly #onClose = (): void =>
    this.#onError(Object.assign(new Error('EPIPE: the output was closed'), { code: 'EPIPE' }))

  async write(piece: string | Uint8Array): Promise<void> {
    if (this.#failed) throw this.#failed
    if (this.#out.write(piece)) return
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Resolves once everything written was passed on. */
  async flush(): Promise<void> {
    if (this.#failed) throw this.#failed
    await new Promise<void>((resolve, reject) => {
      this.#reject = reject
      this.#out.write('', (error) => (error ? reject(error) : resolve()))
    })
  }

  leave(): void {
    this.#out.off('drain', this.#onDrain).off('error', this.#onError).off('close', this.#onClose)
  }
}
