import { Option, type Command } from 'commander'
import type { SourceName } from '../../pipeline/open-source.ts'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { addMetricsFlags } from '../metrics-flags.ts'
import type { NightlyFlags } from '../nightly-run.ts'
import { examples } from '../program-text.ts'
import { addUniverseFlags } from './backfill-all.ts'

export function register(program: Command, cli: Cli): void {
  const command = addNightlyFlags(
    program
      .command('nightly')
      .description(
        'what cron runs at night: record what is missing, check what is new again, repair, verify, report',
      ),
  ).action(
    cli.action(
      async (context: RunContext, flags: NightlyFlags) =>
        await (await import('../nightly-run.ts')).runNightly(context, flags),
      { batch: true, graceful: true, reloads: true },
    ),
  )
  examples(
    command,
    ['nightly', 'the configured universe (sources.polygon.equities)'],
    ['nightly --tickers SPY,QQQ --json', 'two tickers; the report as JSON'],
    ['nightly --tickers SPY --source simulator', 'synthetic data, no key needed'],
  )
}

/** The flags that `nightly` and `schedule` share. */
export function addNightlyFlags(command: Command): Command {
  return addMetricsFlags(addUniverseFlags(command)).addOption(
    new Option('--source <name>', 'where the data comes from')
      .choices(['polygon', 'simulator'] satisfies SourceName[])
      .default('polygon'),
  )
}
