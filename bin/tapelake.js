#!/usr/bin/env node
// Starts the built program; in a checkout that was not built, the sources through tsx.
import { existsSync } from 'node:fs'

const built = new URL('../dist/program/main.js', import.meta.url)
if (existsSync(built)) {
  await import(built.href)
} else {
  const { register } = await import('tsx/esm/api')
  register()
  await import(new URL('../src/cli/main.ts', import.meta.url).href)
}
