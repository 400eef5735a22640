import type { Command } from 'commander'
import { collect, wholeNumber } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import type { ImportFlags } from '../import-run.ts'
import { examples } from '../program-text.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('import')
    .argument('<files...>', "the vendor's day files (CSV, gzipped or not), its answers as JSON, or Parquet")
    .description('take rows from files into the lake; no vendor is asked, and held rows stay')
    .option('--dataset <name>', 'the dataset of the rows (default: told by the files)')
    .option('--ticker <symbol>', 'only this ticker, of options this underlying (repeatable)', collect)
    .option('--dry-run', 'check everything and tell what would change; change nothing')
    .option('--force', 'rows of the files take the place of those that the lake holds')
    .option('--synthetic', 'the files hold made-up data (they enter a synthetic lake only)')
    .option('--wait <seconds>', 'wait for another writer of a series instead of exit 6', wholeNumber(0))
    .action(
      cli.action(
        async (context: RunContext, flags: ImportFlags, files: readonly string[]) =>
          await (await import('../import-run.ts')).importCommand(context, flags, files),
        { batch: true, graceful: true },
      ),
    )
  examples(
    command,
    ['import 2025-06-02.csv.gz', 'a day of minute bars of all stocks'],
    ['import 2025-06-02.csv.gz --ticker SPY --dry-run', 'what would change of one of them'],
    ['import pages/*.json --ticker SPY', 'answers of the REST API'],
    ['import other/lake/equity_bars_1d/*/*.parquet', 'files of another lake'],
  )
}
