import type { Command } from 'commander'
import { AuthenticationError } from '../../core/errors.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatNumber } from '../format.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('budget')
    .description("what is left of the account's calls, and which processes used them")
    .action(cli.action(budget))
  examples(
    command,
    ['budget', 'calls left in this minute, who used the others, a pause'],
    ['budget --json', 'the same for scripts'],
  )
}

async function budget(context: RunContext): Promise<void> {
  const { config, out, flags } = context
  if (config.secrets.polygonApiKey === undefined) {
    throw new AuthenticationError('no API key: POLYGON_API_KEY (or MASSIVE_API_KEY) is not set', {
      hint: 'A budget belongs to a key: set the one whose budget you want to see.',
    })
  }
  const { readBudget } = await import('../../pipeline/budget.ts')
  const { budgetLines } = await import('../budget-text.ts')
  const view = await readBudget(config)
  if (flags.json) return out.json('tapelake.budget', 1, view)
  for (const line of budgetLines(view)) out.line(line)
  if (view.byProcess.length === 0) return
  await out.table(
    ['pid', 'process', 'calls', 'under way', 'waiting', 'priority'],
    view.byProcess.map(({ pid, label, calls, inFlight, waiting, priority }) => [
      ...[String(pid), label, formatNumber(calls), formatNumber(inFlight), formatNumber(waiting), priority],
    ]),
    { right: [0, 2, 3, 4] },
  )
}
