// Runs the checks of package.json (`check:*`), two at a time, each with its output in one piece.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const waiting = Object.keys(scripts).filter((name) => name.startsWith('check:'))
const failed = []

async function work() {
  for (let name = waiting.shift(); name; name = waiting.shift()) {
    const child = spawn('npm', ['run', '--silent', name], { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part))
    const code = await new Promise((resolve) => child.on('close', resolve))
    process.stdout.write(`\n> ${name}${code === 0 ? '' : `: failed with exit code ${code}`}\n${text}`)
    if (code !== 0) failed.push(name)
  }
}

await Promise.all([work(), work()])
if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`)
process.exit(failed.length > 0 ? 1 : 0)
