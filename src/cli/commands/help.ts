import type { Command } from 'commander'
import { suggest } from '../../core/config/suggest.ts'
import { UsageError } from '../../core/errors.ts'
import type { Cli } from '../cli.ts'
import { exitCodesText } from '../exit-codes.ts'

/** Help that belongs to no command. */
const TOPICS: Readonly<Record<string, () => Promise<string>>> = {
  'exit-codes': async () => exitCodesText(),
  faults: async () => {
    const { describeFaults } = await import('../../simulator/index.ts')
    return `Faults of tapelake simulator --fault:\n\n${describeFaults()}\n`
  },
}

export function register(program: Command, cli: Cli): void {
  program
    .command('help')
    .argument('[topic...]', `a command, or one of: ${Object.keys(TOPICS).join(', ')}`)
    .description('show help on a command or a topic')
    .action(
      cli.bareAction(async ({ out }, _options, path: readonly string[]) => {
        const topic = path.length === 1 ? TOPICS[path[0]!] : undefined
        out.stream.write(topic ? await topic() : commandAt(program, path).helpInformation())
      }),
    )
}

function commandAt(program: Command, path: readonly string[]): Command {
  return path.reduce((command, word) => {
    const found = command.commands.find((candidate) => candidate.name() === word)
    if (found) return found
    const known = [...command.commands.map((candidate) => candidate.name()), ...Object.keys(TOPICS)]
    const meant = suggest(word, known)
    throw new UsageError(`no help on '${word}'`, {
      hint: `${meant ? `Did you mean ${meant}? ` : ''}Known: ${known.join(', ')}.`,
    })
  }, program)
}
