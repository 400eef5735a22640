import { createInterface } from 'node:readline/promises'
import { UsageError } from '../core/errors.ts'

/** Who is asked. */
interface Asked {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/**
 * Asks on the terminal whether to go on.
 *
 * @param question what would happen, ending in a question mark
 * @returns true for yes
 * @throws {UsageError} where nobody can be asked: then `--yes` must be given
 */
export async function confirm(
  question: string,
  signal: AbortSignal,
  { stdin, stderr }: Asked = process,
): Promise<boolean> {
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new UsageError(question.replace(/\?$/, ': nobody can be asked here'), {
      hint: 'Nothing was changed. Say --yes to do it without being asked.',
    })
  }
  const reader = createInterface({ input: stdin, output: stderr })
  try {
    const answer = await reader.question(`${question} [y/N] `, { signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    reader.close()
  }
}
