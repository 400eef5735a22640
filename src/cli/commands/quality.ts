import { InvalidArgumentError, type Command } from 'commander'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'
import type { QualityFlags } from '../quality-run.ts'
import { addSeriesFlags } from '../series-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('quality')
    .description('a score from 0 to 1 for every session, and what it is made of; the worst first')
    .option('--from <date>', 'first session, YYYY-MM-DD (default: the first that was recorded)')
    .option('--to <date>', 'last session, inclusive (default: the last that was recorded)')
    .option('--min <score>', 'exit 5 where a session scores less; show those', score)
    .action(
      cli.action(async (context: RunContext, flags: QualityFlags) => {
        const { quality } = await import('../quality-run.ts')
        return await quality(context, flags)
      }),
    )
  addSeriesFlags(command)
  examples(
    command,
    ['quality --ticker SPY', 'the worst sessions of one ticker'],
    ['quality --ticker SPY --from 2025-01-02 --json', 'every session with its parts, as JSON'],
    ['quality --min 0.8', 'for scripts: exit 5 where a session is worse'],
  )
}

/** Reads a score from 0 to 1. */
export function score(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text)
  if (value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a number from 0 to 1.')
}
