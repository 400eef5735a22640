import { Option, type Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import type { GapFlags } from '../gaps-run.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags } from '../series-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('gaps')
    .description(
      'what should be held and is not, minute by minute, and why; exit 3 where that is not explained',
    )
    .option('--from <date>', 'first session, YYYY-MM-DD (default: the first that was recorded)')
    .option('--to <date>', 'last session, inclusive (default: the last that was recorded)')
    .option(
      '--repair',
      'ask the vendor again for what can be closed, however late; note what it confirms',
      false,
    )
    .option('--all', 'list what is explained, too: minutes and sessions without a trade', false)
    .addOption(
      new Option('--source <name>', 'where --repair asks (default: where the rows came from)').choices([
        'polygon',
        'simulator',
      ]),
    )
    .option('--wait <seconds>', 'how long --repair waits for another run of the series', wholeNumber(0))
    .action(
      cli.action(
        async (context: RunContext, flags: GapFlags) => {
          const { gaps } = await import('../gaps-run.ts')
          return await gaps(context, flags)
        },
        { batch: true, graceful: true },
      ),
    )
  addSeriesFlags(command)
  examples(
    command,
    ['gaps', 'everything that was recorded'],
    ['gaps --ticker SPY --from 2025-01-02 --json', 'one ticker, as JSON'],
    ['gaps --ticker SPY --repair', 'fetch what is missing'],
  )
}
