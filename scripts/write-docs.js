// Writes the parts of docs/ that derive from the code. A test fails where they are out of date.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url))

const { stdout, status, stderr } = spawnSync(
  process.execPath,
  [path('bin/tapelake.js'), 'datasets', '--markdown'],
  { encoding: 'utf8' },
)
if (status !== 0) throw new Error(stderr)
writeFileSync(
  path('docs/datasets.md'),
  `# Datasets\n\nWritten by \`npm run docs\` from the definitions in src/market/datasets; do not edit.\n\n${stdout}`,
)
