import type { Command } from 'commander'
import { EXIT, type ExitCode } from '../../core/errors.ts'
import { wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { examples } from '../program-text.ts'
import { addSeriesFlags } from '../series-flags.ts'
import type { RunContext } from '../context.ts'
import type * as Run from '../quarantine-run.ts'

export function register(program: Command, cli: Cli): void {
  const quarantine = program
    .command('quarantine')
    .description('rows that broke a rule: see them, release them into the lake, or drop them')
    .helpCommand(false)
  examples(
    quarantine,
    ['quarantine list', 'what was refused, and why'],
    ['quarantine show 3f9a1c2b7d', 'the rows of one entry, as they were sent'],
    ['quarantine release 3f9a1c2b7d', 'check them again and merge them'],
    ['quarantine drop 3f9a1c2b7d --yes', 'remove them for good'],
  )
  const list = quarantine
    .command('list')
    .description('one entry per session and rule')
    .action(cli.action(later((run) => run.list)))
  addSeriesFlags(list)
  examples(list, ['quarantine list --ticker SPY --json', 'of one ticker, as JSON'])
  const show = quarantine
    .command('show')
    .argument('<id>')
    .description('the rows of an entry with their values exactly as sent, and the request that brought them')
    .action(cli.action(later((run) => run.show)))
  examples(show, ['quarantine show 3f9a1c2b7d --json', 'as JSON; integers beyond 2^53 are text'])
  addChanges(quarantine, cli)
}

function addChanges(quarantine: Command, cli: Cli): void {
  const wait = ['--wait <seconds>', 'wait for another writer of the same series instead of exit 6'] as const
  const release = quarantine
    .command('release')
    .argument('<id>')
    .description('check the rows again and merge them into their sessions; all of them or none')
    .option('--force', 'take them as sent, even where they break a rule or replace a row that is held')
    .option(...wait, wholeNumber(0))
    .action(cli.action(later((run) => run.release)))
  examples(release, ['quarantine release 3f9a1c2b7d', 'refused, with the rule, where a row still breaks one'])
  const drop = quarantine
    .command('drop')
    .argument('<id>')
    .description('remove the rows of an entry for good; asks first')
    .option('--yes', 'do not ask')
    .option(...wait, wholeNumber(0))
    .action(cli.action(later((run) => run.drop)))
  examples(drop, ['quarantine drop 3f9a1c2b7d --yes', 'without being asked, for scripts'])
}

type Work<Options> = (
  context: RunContext,
  options: Options,
  id: string,
) => Promise<ExitCode | undefined | void>

/** What a subcommand does, loaded when it is called. */
const later =
  <Options>(pick: (run: typeof Run) => Work<Options>): Work<Options> =>
  async (context, options, id) =>
    (await pick(await import('../quarantine-run.ts'))(context, options, id)) ?? EXIT.ok
