// Builds dist/ anew, unless it was built from the very files that are there now.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = join(root, 'dist', '.built')

/** SHA-256 over everything that the build reads, and over what compiles it. */
function fingerprint() {
  const below = (folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  const single = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
  const hash = createHash('sha256').update(process.version)
  for (const path of [...below('src'), ...below('scripts'), ...single.map((name) => join(root, name))]) {
    hash.update(path).update(readFileSync(path))
  }
  return hash.digest('hex')
}

const now = fingerprint()
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== now) {
  // `tsc` never deletes what it no longer emits, and a stale file in dist/ would still be imported.
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const run = (script, ...args) =>
    execFileSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' })
  run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json')
  run('scripts/bundle-program.js')
  writeFileSync(stamp, now)
}
