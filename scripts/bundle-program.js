// The program as few large modules: loading the 500 small ones of src/ and its pure JavaScript packages took longer
// than most commands (docs/decisions/0012-bundled-program.md). Commands stay apart, each loaded when it is called.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const OUT = 'dist/program'
/** Native ones, those that start threads from files of their own, and what few commands load. */
const NOT_BUNDLED = [
  ...['@duckdb/node-bindings', 'libsql', 'bufferutil', 'utf-8-validate'],
  ...['pino', 'pino-pretty', 'apache-arrow', 'parquetjs-lite'],
]
const LICENCE_FILES = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'LICENCE', 'license', 'license.md']

/**
 * Parts of axios for other uses than ours, by file: what stands there, and what takes its place. Its fetch adapter and a
 * look at `FormData` load Node's own fetch (a twentieth of a start), its forms a table of all media types. Its builds for
 * browsers leave such parts out the same way.
 */
const LEFT_OUT = {
  'axios/lib/adapters/fetch.js': [/^[^]*$/, 'export const getFetch = () => null'],
  'axios/lib/platform/node/classes/FormData.js': [/^[^]*$/, 'export default null'],
  'axios/lib/utils.js': [/typeof G\.FormData !== 'undefined' \? G\.FormData : undefined/, 'undefined'],
}
const leaveOut = {
  name: 'leave-out',
  transform(code, id) {
    const file = Object.keys(LEFT_OUT).find((path) => id.endsWith(`/node_modules/${path}`))
    if (!file) return null
    const [part, replacement] = LEFT_OUT[file]
    if (!part.test(code)) throw new Error(`${file} is not what it was: look at what is left out of it`)
    return code.replace(part, replacement)
  },
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const bundle = await rolldown({
  input: { main: 'src/cli/main.ts' },
  platform: 'node',
  plugins: [leaveOut],
  checks: { eval: false },
  external: (id) => NOT_BUNDLED.some((name) => id === name || id.startsWith(`${name}/`)),
})
// Not minified and without maps: a stack trace can be read as it is.
const { output } = await bundle.write({ dir: OUT, format: 'esm' })
await bundle.close()

const folders = new Set(
  output
    .flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
    .map((id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0])
    .filter((folder) => folder !== undefined),
)
writeFileSync(join(OUT, 'LICENSES.txt'), [...folders].sort().map(notice).join('\n\n'))

/** What the licence of a bundled package asks to be passed on with it. */
function notice(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = LICENCE_FILES.map((each) => join(folder, each)).find(existsSync)
  return [`=== ${name} ${version} (${license})`, file ? readFileSync(file, 'utf8').trim() : '']
    .join('\n')
    .trim()
}
