// `tsc` never deletes what it no longer emits, and a stale file in dist/ would still be imported.
import { rmSync } from 'node:fs'

rmSync(new URL('../dist/', import.meta.url), { recursive: true, force: true })
