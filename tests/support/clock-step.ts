import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshFolder } from './cli.ts'

/**
 * The wall clock of other processes, which can be stepped while they run: what an administrator or a time daemon does.
 * It is done inside those processes (`Date`), by a file that all of them look at; clocks that cannot be set, those of
 * `performance` and `process.hrtime`, go on undisturbed as they do on a real machine.
 */
export interface SteppedClock {
  /** For the environment of these processes and, through it, of their workers. */
  readonly env: { readonly NODE_OPTIONS: string }
  /** Sets the clock of all of them `ms` milliseconds before (negative) or ahead of the machine's. */
  step(ms: number): void
}

export function steppedClock(): SteppedClock {
  const path = join(freshFolder(), 'offset')
  writeFileSync(path, '0')
  const code = `
    import { readFileSync } from 'node:fs'
    const RealDate = Date
    let offset = 0
    const look = () => { try { offset = Number(readFileSync(${JSON.stringify(path)}, 'utf8')) || 0 } catch {} }
    look()
    setInterval(look, 50).unref()
    globalThis.Date = class extends RealDate {
      constructor(...given) { given.length === 0 ? super(RealDate.now() + offset) : super(...given) }
      static now() { return RealDate.now() + offset }
    }`
  return {
    env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(code)}` },
    step: (ms) => writeFileSync(path, String(ms)),
  }
}
