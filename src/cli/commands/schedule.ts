import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { examples } from '../program-text.ts'
import type { ScheduleFlags } from '../schedule-run.ts'
import { addNightlyFlags } from './nightly.ts'

export function register(program: Command, cli: Cli): void {
  const command = addNightlyFlags(
    program.command('schedule').description('run nightly in this process, every night (nightly.at, UTC)'),
  )
    .option('--at <when>', 'a time like 02:00 or a crontab line like "0 2 * * 2-6", UTC')
    .option('--once', 'end after the next night')
    .action(
      cli.action(
        async (context: RunContext, flags: ScheduleFlags) =>
          await (await import('../schedule-run.ts')).runSchedule(context, flags),
        { graceful: true, reloads: true, endsBySignal: true, settings: { 'nightly.at': 'at' } },
      ),
    )
  examples(
    command,
    ['schedule', 'every night at nightly.at; a night that was missed is made up for'],
    ['schedule --tickers SPY,QQQ --at "30 1 * * 2-6"', 'after each session of the week'],
  )
}
