// Preloaded (`node --import`) into the program under test: counts its file operations and HTTP requests, writes
// them to CRASH_LOG, and kills the process with SIGKILL at the operation number CRASH_AT:
// CRASH_HOW=before (default), tear (half of a write is done), or a number of milliseconds after its start.
import { channel } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import { interceptOperations } from './operations.js'

const at = Number(process.env.CRASH_AT ?? Infinity)
const how = process.env.CRASH_HOW ?? 'before'
let count = 0

const note = (line) => appendFileSync(process.env.CRASH_LOG, `${JSON.stringify(line)}\n`)

function die() {
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) // nothing more happens, whenever the signal comes
}

function before(operation) {
  note(operation)
  if (++count !== at) return undefined
  if (how === 'tear' && operation.name === 'writeFile') return 'tear'
  if (how === 'before' || how === 'tear') die()
  setTimeout(die, Number(how))
  return undefined
}

await interceptOperations({ before, torn: die })
channel('http.client.request.start').subscribe(({ request }) =>
  before({ name: 'request', path: request.path }),
)
channel('http.client.response.finish').subscribe(({ request }) =>
  before({ name: 'answer', path: request.path }),
)
