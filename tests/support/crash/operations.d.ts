/** A file operation that is about to happen. */
export interface Operation {
  readonly name: 'mkdir' | 'rm' | 'unlink' | 'link' | 'rename' | 'writeFile' | 'open' | 'sync' | 'write'
  /** Path as the caller gave it; of a file handle, that of its `open`. */
  readonly path: string
  /** Where `rename` puts it, or `link` names it anew. */
  readonly to?: string
}

export interface OperationHooks {
  /**
   * May throw instead of the operation, end the process, or return `tear`: half of the content is written; or, before
   * a `write`, `short`: half of the bytes are taken, and the system says so.
   */
  readonly before: (operation: Operation) => 'tear' | 'short' | undefined
  /** Called behind the torn write. It throws or ends the process. */
  readonly torn: () => never
  /** Writes of parts of a file (`write`) and `datasync`, too. */
  readonly handles?: boolean
}

/**
 * Puts a hook before every file operation that writes, in this process, whoever calls it: those of node:fs/promises, and
 * of node:fs those that the lake uses.
 *
 * @returns what takes the hook away again
 */
export function interceptOperations(hooks: OperationHooks): Promise<() => void>
