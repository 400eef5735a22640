import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml'
import { ConfigError } from '../errors.ts'
import { isTree, layerOf, mergeTrees, type Layer, type SettingsTree, type ValueOrigin } from './layer.ts'
import { suggest } from './suggest.ts'

/** The files of a config directory. Each may hold any section; these names only keep them apart. */
export const CONFIG_FILES = ['settings.yaml', 'sources.yaml', 'sinks.yaml', 'retry_policy.yaml'] as const

export interface ConfigPlaces {
  /** What the user asked for (`--config`). */
  readonly configDir: string | undefined
  readonly cwd: string
  /** The user's own directory, e.g. ~/.config/tapelake. */
  readonly userDir: string | undefined
}

/**
 * The config files to read: those of `configDir`; else of ./config if it holds any; else of the
 * user's directory; else none.
 *
 * @throws {ConfigError} when `configDir` does not exist, or holds none of our files, or one with a misspelt name
 */
export function findConfigFiles({ configDir, cwd, userDir }: ConfigPlaces): string[] {
  if (configDir !== undefined) return filesOfChosenDir(configDir)
  for (const dir of [join(cwd, 'config'), userDir]) {
    const files = dir === undefined ? [] : filesOf(dir)
    if (files.length > 0) return files
  }
  return []
}

const filesOf = (dir: string) =>
  CONFIG_FILES.map((name) => join(dir, name)).filter((path) => existsSync(path))

function filesOfChosenDir(dir: string): string[] {
  const known = `A config directory holds one or more of ${CONFIG_FILES.join(', ')}.`
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new ConfigError(`--config ${dir}: there is no such directory`, { hint: known })
  for (const name of readdirSync(dir)) {
    if (!/\.ya?ml$/.test(name) || CONFIG_FILES.some((file) => file === name)) continue
    const meant = suggest(name, CONFIG_FILES)
    if (meant)
      throw new ConfigError(`${join(dir, name)}: unknown config file, did you mean ${meant}?`, {
        hint: known,
      })
  }
  const files = filesOf(dir)
  if (files.length === 0) throw new ConfigError(`--config ${dir}: holds no config file`, { hint: known })
  return files
}

/**
 * The settings in one YAML file, with the line of each. A key without a value counts as not given.
 *
 * @throws {ConfigError} naming file and line, when it cannot be read or is not plain YAML
 */
export function readConfigFile(path: string, cwd: string): Layer {
  const name = displayName(path, cwd)
  const lines = new LineCounter()
  const document = parseDocument(readText(path, name), { lineCounter: lines, prettyErrors: false })
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault) {
    const { line, col } = lines.linePos(fault.pos[0])
    throw new ConfigError(`${name}:${line}:${col}: not valid YAML: ${fault.message}`, {
      hint: 'Values with : # or leading special characters need quotes; indent with spaces.',
    })
  }
  return layerOfDocument(document, name, lines)
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`${name}: cannot be read: ${(cause as Error).message}`, { cause })
  }
}

/** Relative to the working directory where the file lies inside it. */
function displayName(path: string, cwd: string): string {
  const inside = relative(cwd, path)
  return inside.startsWith('..') ? path : inside
}

function layerOfDocument(document: Document.Parsed, name: string, lines: LineCounter): Layer {
  const origins = new Map<string, ValueOrigin>()
  const placeAt = (offset = 0) => `${name}:${lines.linePos(offset).line}`
  if (document.contents === null) return { tree: {}, origins }
  if (isScalar(document.contents) && document.contents.value === null) return { tree: {}, origins }
  if (!isMap(document.contents)) {
    throw new ConfigError(
      `${placeAt(document.contents.range?.[0])}: expected sections like 'sources:' at the top`,
    )
  }
  const walk = (node: unknown, path: readonly string[]): unknown => {
    if (isSeq(node)) return node.toJS(document)
    if (isScalar(node)) return node.value
    if (!isMap(node)) throw new ConfigError(`${name}: aliases (*name) are not supported`)
    const entries: [string, unknown][] = []
    for (const { key, value } of node.items) {
      const place = placeAt(isScalar(key) ? key.range?.[0] : node.range?.[0])
      if (!isScalar(key)) throw new ConfigError(`${place}: a key must be a plain word`)
      const inner = [...path, String(key.value)]
      origins.set(inner.join('.'), { kind: 'file', place })
      const walked = value === null ? null : walk(value, inner)
      if (walked !== null) entries.push([String(key.value), walked])
    }
    return Object.fromEntries(entries)
  }
  return withLongNames({ tree: walk(document.contents, []) as SettingsTree, origins })
}

/** `polygon.equities`, the short name of the universe, as the setting that it stands for. */
function withLongNames({ tree, origins }: Layer): Layer {
  const { polygon, ...rest } = tree
  if (!isTree(polygon) || Object.keys(polygon).join() !== 'equities') return { tree, origins }
  const place = origins.get('polygon.equities')!
  const moved = layerOf([['sources.polygon.equities', polygon['equities'], place]])
  if (origins.has('sources.polygon.equities'))
    throw new ConfigError(`${place.place}: polygon.equities: already set as sources.polygon.equities`)
  return { tree: mergeTrees(rest, moved.tree), origins: new Map([...origins, ...moved.origins]) }
}

/** @throws {ConfigError} when two files set the same thing */
export function refuseDoubles(layers: readonly Layer[]): void {
  const seen = new Map<string, ValueOrigin>()
  for (const { tree, origins } of layers) {
    for (const path of leavesOf(tree)) {
      const origin = origins.get(path)
      const earlier = seen.get(path)
      if (earlier && origin)
        throw new ConfigError(`${origin.place}: ${path}: already set at ${earlier.place}`)
      if (origin) seen.set(path, origin)
    }
  }
}

function* leavesOf(tree: SettingsTree, path: readonly string[] = []): Iterable<string> {
  for (const [key, value] of Object.entries(tree)) {
    const inner = [...path, key]
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      yield* leavesOf(value as SettingsTree, inner)
    else yield inner.join('.')
  }
}
