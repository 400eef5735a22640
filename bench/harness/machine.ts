import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { PROJECT } from './built.ts'

const PACKAGES = ['@duckdb/node-api', 'parquetjs-lite', '@polygon.io/client-js', 'zod', 'axios']

/** The machine and the versions a report is about. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly node: string
  readonly platform: string
  readonly tapelake: string
  readonly packages: Readonly<Record<string, string>>
  /** Of the last minute, as the report begins: other work on the machine makes all times longer. */
  readonly load: number
}

export function describeMachine(): Machine {
  const versions = PACKAGES.map((name) => [name, versionOf(`node_modules/${name}/package.json`)] as const)
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    tapelake: versionOf('package.json'),
    packages: Object.fromEntries(versions),
    load: loadavg()[0]!,
  }
}

function versionOf(file: string): string {
  return (JSON.parse(readFileSync(PROJECT + file, 'utf8')) as { version: string }).version
}

/** `machine` in two lines. */
export function formatMachine(machine: Machine): string {
  const { cpu, cores, memoryGb, node, platform, tapelake, packages, load } = machine
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`)
  return [
    `${cores} × ${cpu}, ${memoryGb} GB, ${platform}, node ${node}, load ${load.toFixed(1)} at the start`,
    `tapelake ${tapelake}; ${versions.join(', ')}`,
  ].join('\n')
}
