import type { Command } from 'commander'

/**
 * Puts examples before everything else that --help shows. Each is a command line without the
 * program's name, and what it does.
 */
export function examples(
  command: Command,
  ...pairs: readonly (readonly [line: string, what: string])[]
): Command {
  const width = Math.max(...pairs.map(([line]) => line.length))
  const lines = pairs.map(([line, what]) => `  tapelake ${line.padEnd(width)}   # ${what}`)
  return command.addHelpText('before', `Examples:\n${lines.join('\n')}\n`)
}

/** The command that `argv` was about, as far as it can be made out: `tapelake config show`. */
export function usageOf(program: Command, argv: readonly string[]): string {
  let command = program
  const path = [program.name()]
  for (const word of argv) {
    const next = command.commands.find((candidate) => candidate.name() === word)
    if (!next) continue
    command = next
    path.push(word)
  }
  return path.join(' ')
}
