import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Cli, Register } from './cli.ts'
import type { Terminal } from './output.ts'

/** The whole command line: global flags and `commands`. */
export function createProgram(cli: Cli, terminal: Terminal, commands: readonly Register[]): Command {
  const program = new Command('tapelake')
    .description('Records market data into a Parquet lake that can be trusted, and plays it back.')
    .usage('<command> [flags]')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .exitOverride()
    .allowExcessArguments()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      outputError: () => undefined, // shown by failure.ts, which knows --json
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  addGlobalFlags(program)
  for (const register of commands) register(program, cli)
  return program
}

function addGlobalFlags(program: Command): void {
  program
    .option('--config <dir>', 'directory of config files (default ./config, then ~/.config/tapelake)')
    .option('--data-dir <dir>', 'data directory (default ./data)')
    .option('--json', 'one JSON document on stdout', false)
    .option('--quiet', 'errors only', false)
    .option('--no-progress', 'no progress on stderr')
    .option(
      '-v, --verbose',
      'more on stderr; twice for everything',
      (_: string, times: number) => times + 1,
      0,
    )
    .option('--no-color', 'no colours (NO_COLOR works too)')
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
