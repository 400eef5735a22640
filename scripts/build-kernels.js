// Compiles kernels/ to WebAssembly and keeps it as text in src/, so that whoever installs or builds needs no compiler.
// With --check it only compares: what is shipped must be what the sources make.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = join(root, 'src/core/kernels/binary.generated.ts')
const LINE = 100

const { binary, error, stderr } = await compile()
if (error) {
  console.error(`kernels/ does not compile:\n${stderr}`)
  process.exit(1)
}
const made = moduleOf(Buffer.from(binary))
if (!process.argv.includes('--check')) writeFileSync(target, made)
else if (readFileSync(target, 'utf8') !== made) {
  console.error('src/core/kernels/binary.generated.ts is not what kernels/ makes: run npm run kernels')
  process.exit(1)
}

async function compile() {
  let binary
  const result = await asc.main(
    [
      ...['index.ts', '--baseDir', join(root, 'kernels'), '--outFile', 'kernels.wasm'],
      ...['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--use', 'abort='],
      ...['--enable', 'simd,bulk-memory'],
    ],
    { writeFile: (_name, contents) => void (binary = contents) },
  )
  return { binary, error: result.error, stderr: result.stderr.toString() }
}

function moduleOf(binary) {
  const lines = binary.toString('base64').match(new RegExp(`.{1,${LINE}}`, 'g'))
  return [
    '// Made by npm run kernels from kernels/. Do not edit.',
    `/** A WebAssembly module of ${binary.length} bytes, in base64. */`,
    'export const KERNELS = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('')",
    '',
  ].join('\n')
}
