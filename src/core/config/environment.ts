import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { ConfigError } from '../errors.ts'
import { KEY_NAMES, REDIS_URL_NAME, SETTINGS_NAME } from './key-names.ts'
import { layerOf, type Layer, type SettingsTree, type ValueOrigin } from './layer.ts'
import { settingOptions, typedAt } from './options.ts'
import { suggest } from './suggest.ts'

/** Short names of settings; the later one wins, and `TAPELAKE__…` wins over both. */
const SHORT_NAMES: readonly (readonly [string, string])[] = [
  ['MASSIVE_REST_URL', 'sources.polygon.restUrl'],
  ['POLYGON_REST_URL', 'sources.polygon.restUrl'],
  ['MASSIVE_WS_URL', 'sources.polygon.wsUrl'],
  ['POLYGON_WS_URL', 'sources.polygon.wsUrl'],
  ['TAPELAKE_DATA_DIR', 'paths.data'],
  ['TAPELAKE__POLYGON__EQUITIES', 'sources.polygon.equities'],
]

const NOW_NAME = 'TAPELAKE_NOW'
const NOW_SPEED_NAME = 'TAPELAKE_NOW_SPEED'

/** A variable that is set and not empty. */
export interface Variable {
  readonly value: string
  readonly origin: ValueOrigin
}
export type Environment = ReadonlyMap<string, Variable>

/**
 * The process environment over the file `.env` in `cwd`, if there is one. An empty variable counts as not set.
 *
 * @throws {ConfigError} when `.env` exists and cannot be read
 */
export function readEnvironment(env: NodeJS.ProcessEnv, cwd: string): Environment {
  const variables = new Map<string, Variable>()
  for (const [name, variable] of readDotEnv(join(cwd, '.env'))) variables.set(name, variable)
  for (const [name, value] of Object.entries(env)) {
    if (value) variables.set(name, { value, origin: { kind: 'environment', place: `environment ${name}` } })
  }
  return variables
}

function* readDotEnv(path: string): Iterable<[string, Variable]> {
  if (!existsSync(path)) return
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`.env: cannot be read: ${(cause as Error).message}`, { cause })
  }
  const lines = text.replace(/^\uFEFF/, '').split('\n')
  for (const [name, value] of Object.entries(parseEnv(assignments(lines)))) {
    const line =
      lines.findIndex((candidate) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(candidate)) + 1
    if (value) yield [name, { value, origin: { kind: 'environment', place: `.env:${line} ${name}` } }]
  }
}

/** Without lines that assign nothing: Node's parser takes them for the beginning of the next name. */
function assignments(lines: readonly string[]): string {
  let quote: string | undefined
  const kept = lines.map((line) => {
    if (quote !== undefined) {
      if (line.includes(quote)) quote = undefined
      return line
    }
    const value = /^\s*(?:export\s+)?[\w.-]+\s*=\s*(.*)$/.exec(line)?.[1]
    if (value === undefined) return ''
    const first = value[0] ?? ''
    if (/["'`]/.test(first) && !value.slice(1).includes(first)) quote = first
    return line
  })
  return kept.join('\n')
}

/**
 * The settings that the environment gives.
 *
 * @throws {ConfigError} for a `TAPELAKE__…` variable that is no setting, or a misspelt short name
 */
export function environmentLayer(environment: Environment): Layer {
  refuseUnknownShort(environment)
  const long = [...environment.keys()].some((name) => name.startsWith('TAPELAKE__'))
  const names: (readonly [string, string])[] = [...SHORT_NAMES, ...(long ? longNames(environment) : [])]
  const entries = names.flatMap(([name, path]) => {
    const variable = environment.get(name)
    return variable ? [[path, typedAt(path, variable.value), variable.origin] as const] : []
  })
  return layerOf(entries)
}

/** All settings, where the run that started this process hands them on; undefined: it was started by somebody else. */
export function settingsOfRun(environment: Environment): Layer | undefined {
  const variable = environment.get(SETTINGS_NAME)
  if (!variable) return undefined
  const origin = { kind: 'environment', place: 'the run that started this worker' } as const
  return { tree: JSON.parse(variable.value) as SettingsTree, origins: new Map([['', origin]]) }
}

const NAME_HINT =
  'TAPELAKE__SECTION__KEY, camelCase spelled UPPER_SNAKE; tapelake config show --origin lists the settings.'

function refuseUnknownShort(environment: Environment): void {
  const known = ['TAPELAKE_DATA_DIR', 'TAPELAKE_RUNTIME_DIR', SETTINGS_NAME, NOW_NAME, NOW_SPEED_NAME]
  for (const [name, { origin }] of environment) {
    if (!name.startsWith('TAPELAKE_') || name.startsWith('TAPELAKE__') || known.includes(name)) continue
    const meant = suggest(name, known)
    if (meant) throw noSuchSetting(origin, meant)
  }
}

/** Names and paths of all settings. @throws {ConfigError} for a long name of none */
function longNames(environment: Environment): (readonly [string, string])[] {
  const options = settingOptions()
  const others = [KEY_NAMES[0], REDIS_URL_NAME, 'TAPELAKE__POLYGON__EQUITIES']
  const known: string[] = [...options.map(({ env }) => env), ...others]
  for (const [name, { origin }] of environment) {
    if (!name.startsWith('TAPELAKE__') || known.includes(name)) continue
    throw noSuchSetting(origin, suggest(name, known))
  }
  return options.map(({ env, path }) => [env, path] as const)
}

const noSuchSetting = ({ place }: ValueOrigin, meant: string | undefined): ConfigError =>
  new ConfigError(`${place}: no such setting${meant ? `, did you mean ${meant}?` : ''}`, { hint: NAME_HINT })

/** The API key that the environment gives, if any. @throws {ConfigError} when it cannot be one */
export function keyOfEnvironment(environment: Environment): Variable | undefined {
  const variable = KEY_NAMES.map((name) => environment.get(name)).find((found) => found !== undefined)
  return variable && { ...variable, value: checkedKey(variable.value, variable.origin.place) }
}

/** The address of the Redis server that the environment gives, if any. @throws {ConfigError} when it cannot be one */
export function redisUrlOfEnvironment(environment: Environment): Variable | undefined {
  const variable = environment.get(REDIS_URL_NAME)
  return variable && { ...variable, value: checkedRedisUrl(variable.value, variable.origin.place) }
}

/** A file that holds a secret and nothing else. */
interface SecretFile {
  readonly path: string
  /** The setting that names it, and where that was set. */
  readonly setting: string
  readonly origin: ValueOrigin
}

/** The API key in a file. @throws {ConfigError} when it cannot be read or holds no key */
export const keyOfFile = (file: SecretFile): Variable => secretOfFile(file, checkedKey)

/** The address of the Redis server in a file. @throws {ConfigError} when it cannot be read or holds none */
export const redisUrlOfFile = (file: SecretFile): Variable => secretOfFile(file, checkedRedisUrl)

function secretOfFile(
  { path, setting, origin }: SecretFile,
  checked: (text: string, place: string) => string,
): Variable {
  try {
    const place = `file ${path} (${origin.place})`
    return { value: checked(readFileSync(path, 'utf8'), place), origin: { ...origin, place } }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    throw new ConfigError(`${origin.place}: ${setting}: ${(cause as Error).message}`, { cause })
  }
}

/** Never shows the address: it may hold a password. */
function checkedRedisUrl(text: string, place: string): string {
  const address = text.trim()
  if (URL.canParse(address) && /^rediss?:$/.test(new URL(address).protocol)) return address
  throw new ConfigError(`${place}: not the address of a Redis server`, {
    hint: 'Write it like redis://:password@host:6379/0, or rediss:// for TLS.',
  })
}

/** Never shows the key: a key with a stray quote is still most of a key. */
function checkedKey(text: string, place: string): string {
  const key = text.trim()
  if (/^[\x21-\x7e]+$/.test(key)) return key
  throw new ConfigError(`${place}: ${key === '' ? 'empty' : 'holds spaces or characters that no key has'}`, {
    hint: 'An API key is one word of letters and digits, as the dashboard of the vendor shows it.',
  })
}

/** The instant that TAPELAKE_NOW pretends it is, UTC epoch milliseconds. @throws {ConfigError} */
export function nowOfEnvironment(environment: Environment): number | undefined {
  const variable = environment.get(NOW_NAME)
  if (!variable) return undefined
  const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/
  const ms = iso.test(variable.value) ? Date.parse(variable.value) : NaN
  if (!Number.isNaN(ms)) return ms
  throw new ConfigError(
    `${variable.origin.place}: expected an instant like 2025-06-02T20:00:00Z, found '${variable.value}'`,
  )
}

/** How fast the clock of a live recording goes on from TAPELAKE_NOW, times real time. @throws {ConfigError} */
export function nowSpeedOfEnvironment(environment: Environment): number {
  const variable = environment.get(NOW_SPEED_NAME)
  if (!variable) return 1
  const speed = /^\d*\.?\d+$/.test(variable.value) ? Number(variable.value) : 0
  if (speed > 0) return speed
  throw new ConfigError(`${variable.origin.place}: expected a number above 0, found '${variable.value}'`)
}

/** The user's own config directory; undefined where there is no home. */
export function userConfigDir(environment: Environment): string {
  const base = environment.get('XDG_CONFIG_HOME')?.value ?? join(homeOf(environment), '.config')
  return join(base, 'tapelake')
}

/** The home folder, for `~/` in paths. */
export function homeOf(environment: Environment): string {
  return environment.get('HOME')?.value ?? homedir()
}
