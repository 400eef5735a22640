import type { ExitCode } from '../core/errors.ts'
import { flushed } from './output.ts'
import { isBrokenPipe, runCli } from './run.ts'

const { stdout, stderr } = process
let exitCode: ExitCode = 0

// A reader that goes away ends the program quietly; whatever was committed stays.
stdout.on('error', (error) => {
  if (!isBrokenPipe(error)) throw error
  process.exit(exitCode)
})
stderr.on('error', () => undefined)

exitCode = await runCli({
  terminal: { argv: process.argv.slice(2), env: process.env, cwd: process.cwd(), stdout, stderr },
  onStuck: (code) => process.exit(code),
})
await flushed(stdout)
await flushed(stderr)
// Not left to the event loop: an idle keep-alive socket must not hold the program.
process.exit(exitCode)
