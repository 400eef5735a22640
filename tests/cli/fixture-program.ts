import { createServer } from 'node:http'
import { once } from 'node:events'
import { createConnection, type AddressInfo } from 'node:net'
import type { Command } from 'commander'
import { sleep } from '../../src/core/abort.ts'
import type { Cli } from '../../src/cli/cli.ts'
import { startProgram } from '../../src/cli/start.ts'

/** Commands that behave in ways in which the real ones should not. */
function register(program: Command, cli: Cli): void {
  program
    .command('work')
    .option('--slow', 'the item takes for ever', false)
    .action(
      cli.action(
        async ({ out, signals }, { slow }: { readonly slow: boolean }) => {
          out.line('working')
          await sleep(60_000, signals.graceful).catch(() => undefined)
          if (slow) await sleep(60_000, signals.immediate)
          out.line('item finished')
        },
        { graceful: true },
      ),
    )
  program.command('deaf').action(
    cli.bareAction(async ({ out, signals }) => {
      signals.immediate.addEventListener('abort', () => out.line('first heard'))
      out.line('working')
      await sleep(60_000, new AbortController().signal)
    }),
  )
  program
    .command('flood')
    .argument('<mb>')
    .action(
      cli.bareAction(async ({ out }, _options, mb: string) => {
        for (let i = 0; i < Number(mb); i++) out.stream.write('x'.repeat(1024 * 1024))
        out.line('end')
      }),
    )
  program.command('hold').action(
    cli.bareAction(async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      await once(createConnection((server.address() as AddressInfo).port, '127.0.0.1'), 'connect')
    }),
  )
  program.command('broken').action(
    cli.bareAction(async () => {
      throw new TypeError('no such thing')
    }),
  )
  program.command('unwatched').action(
    cli.bareAction(async () => {
      void Promise.reject(new Error('lost apiKey=0123456789'))
      await sleep(60_000, new AbortController().signal)
    }),
  )
}

await startProgram(process, [register])
