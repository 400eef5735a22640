import { ConfigError, ERROR_CATEGORIES } from '../errors.ts'
import { keysOf, settingOptions } from './options.ts'
import { settingsSchema } from './schema.ts'
import { suggest } from './suggest.ts'

/** Where the value of a setting came from. */
export interface ValueOrigin {
  readonly kind: 'default' | 'file' | 'environment' | 'flag'
  /** For people: `default`, `config/sources.yaml:4`, `environment POLYGON_REST_URL`, `flag --data-dir`. */
  readonly place: string
}

export type SettingsTree = { readonly [key: string]: unknown }

/** Settings from one place, not yet checked. */
export interface Layer {
  readonly tree: SettingsTree
  /** Origin per dotted path, sections included. */
  readonly origins: ReadonlyMap<string, ValueOrigin>
}

/** One thing that is wrong with a layer. */
export interface ConfigProblem {
  readonly place: string
  /** Dotted path of the setting. */
  readonly path: string
  /** What is wrong and what was expected. */
  readonly text: string
  readonly hint?: string
}

/** A layer of single values. `entries`: dotted path, value, origin; a later entry wins. */
export function layerOf(entries: readonly (readonly [string, unknown, ValueOrigin])[]): Layer {
  let tree: SettingsTree = {}
  const origins = new Map<string, ValueOrigin>()
  for (const [path, value, origin] of entries) {
    const keys = path.split('.')
    tree = mergeTrees(
      tree,
      keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as SettingsTree,
    )
    origins.set(path, origin)
  }
  return { tree, origins }
}

/** `over` on top of `under`, section by section. */
export function mergeTrees(under: SettingsTree, over: SettingsTree): SettingsTree {
  const merged = new Map(Object.entries(under))
  for (const [key, value] of Object.entries(over)) {
    const below = merged.get(key)
    merged.set(key, isTree(below) && isTree(value) ? mergeTrees(below, value) : value)
  }
  return Object.fromEntries(merged)
}

export const isTree = (value: unknown): value is SettingsTree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Everything in `layer` that the settings do not accept. */
export function problemsIn({ tree, origins }: Layer): ConfigProblem[] {
  const result = settingsSchema.safeParse(tree)
  if (result.success) return []
  const placeOf = (path: readonly PropertyKey[]) => nearestPlace(origins, path)
  return result.error.issues.flatMap((issue): ConfigProblem[] => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey(issue.path.map(String), key, placeOf([...issue.path, key])))
    const place = placeOf(issue.path)
    const path = issue.path.join('.')
    const expected = issue.code === 'custom' ? issue.message : expectedAt(path)
    return [{ place, path, text: `expected ${expected}, found ${shown(valueAt(tree, issue.path))}` }]
  })
}

/** @throws {ConfigError} that names every problem, if there are any */
export function refuseProblems(problems: readonly ConfigProblem[]): void {
  if (problems.length === 0) return
  const lines = problems.map(({ place, path, text }) => [place, path, text].filter(Boolean).join(': '))
  const hint = problems.find((problem) => problem.hint)?.hint
  throw new ConfigError(lines.join('\n'), {
    hint: hint ?? 'Every setting, its default and what it accepts: tapelake config schema.',
  })
}

function unknownKey(section: readonly string[], key: string, place: string): ConfigProblem {
  const path = [...section, key].join('.')
  if (/key|secret|token|password/i.test(key)) {
    return {
      place,
      path,
      text: 'a key must not stand in a config file',
      hint: 'Put it into the environment variable POLYGON_API_KEY, or into a file of its own named by sources.polygon.apiKeyFile.',
    }
  }
  if (path === `retry.${key}` && ERROR_CATEGORIES.some((category) => category === key))
    return { place, path, text: `failures of the kind '${key}' are never retried` }
  const near = suggest(key, keysOf(section))
  const meant = near ? [...section, near].join('.') : pathEndingIn(key)
  const text = `unknown setting${meant ? `, did you mean ${meant}?` : ''}`
  const known = keysOf(section).join(', ')
  return {
    place,
    path,
    text,
    hint: `Known ${section.length ? `in ${section.join('.')}` : 'sections'}: ${known}.`,
  }
}

/** The only setting or section anywhere whose last name is `key`. */
function pathEndingIn(key: string): string | undefined {
  const ends = new Set<string>()
  for (const { path } of settingOptions()) {
    const keys = path.split('.')
    const at = keys.indexOf(key)
    if (at >= 0) ends.add(keys.slice(0, at + 1).join('.'))
  }
  return ends.size === 1 ? [...ends][0] : undefined
}

function expectedAt(path: string): string {
  const option = settingOptions().find((known) => known.path === path)
  return option?.expected ?? `a section with ${keysOf(path === '' ? [] : path.split('.')).join(', ')}`
}

function nearestPlace(origins: ReadonlyMap<string, ValueOrigin>, path: readonly PropertyKey[]): string {
  for (let length = path.length; length >= 0; length--) {
    const origin = origins.get(path.slice(0, length).join('.'))
    if (origin) return origin.place
  }
  return ''
}

function valueAt(tree: SettingsTree, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (isTree(at) ? at[String(key)] : undefined), tree)
}

function shown(value: unknown): string {
  if (isTree(value)) return 'a section'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return `'${withoutUserInfo(value)}'`
  return String(value)
}

/** A refused URL may hold a password or a key. */
const withoutUserInfo = (text: string) =>
  text.replace(/\/\/[^/@\s]*@/, '//***@').replace(/([?&][^=&]*=)[^&]*/g, '$1***')
