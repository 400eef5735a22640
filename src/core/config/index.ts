import { join, resolve } from 'node:path'
import {
  environmentLayer,
  homeOf,
  keyOfEnvironment,
  keyOfFile,
  redisUrlOfEnvironment,
  redisUrlOfFile,
  nowOfEnvironment,
  nowSpeedOfEnvironment,
  settingsOfRun,
  readEnvironment,
  userConfigDir,
  type Environment,
  type Variable,
} from './environment.ts'
import {
  layerOf,
  mergeTrees,
  problemsIn,
  refuseProblems,
  type Layer,
  type SettingsTree,
  type ValueOrigin,
} from './layer.ts'
import { settingOptions, typedAt } from './options.ts'
import { settingsSchema, type Settings } from './schema.ts'
import { findConfigFiles, readConfigFile, refuseDoubles } from './yaml-files.ts'

export { settingOptions, type SettingOption } from './options.ts'
export { settingsJsonSchema, type Settings } from './schema.ts'
export { suggest } from './suggest.ts'
export { type ValueOrigin } from './layer.ts'

/** A setting given on the command line. */
export interface FlagValue {
  /** As it was typed, for messages: `--data-dir`. */
  readonly flag: string
  /** A text is read as the type that the setting wants. */
  readonly value: unknown
}

export interface LoadConfigOptions {
  /** Directory of the config files (`--config`); undefined: ./config, else the user's own, else none. */
  readonly configDir?: string | undefined
  readonly env?: NodeJS.ProcessEnv
  /** Settings from flags, by dotted path. An undefined value counts as not given. */
  readonly flags?: Readonly<Record<string, FlagValue>>
  /** What relative paths are relative to, and where `.env` is looked for. */
  readonly cwd?: string
}

/** What is never printed. Shows itself as empty wherever it is logged or serialised. */
export class Secrets {
  readonly #polygonApiKey: string | undefined
  readonly #budgetRedisUrl: string | undefined

  constructor(polygonApiKey: string | undefined, budgetRedisUrl?: string) {
    this.#polygonApiKey = polygonApiKey
    this.#budgetRedisUrl = budgetRedisUrl
  }

  /** The key of the Polygon / Massive account, or undefined where none was given. */
  get polygonApiKey(): string | undefined {
    return this.#polygonApiKey
  }

  /** Where the Redis server is that shares the call budget between machines, password and all; undefined: none. */
  get budgetRedisUrl(): string | undefined {
    return this.#budgetRedisUrl
  }

  /** All of them, for a redactor. */
  all(): string[] {
    const url = this.#budgetRedisUrl
    const password = url === undefined ? '' : new URL(url).password
    const known = [this.#polygonApiKey, url, password, decodeURIComponent(password)]
    return known.flatMap((text) => text || [])
  }
}

export interface LoadedConfig {
  /** Checked, defaults filled in; holds no secret. */
  readonly settings: Settings
  /** What was given of them, from all places together. */
  readonly tree: SettingsTree
  readonly secrets: Secrets
  /** Where each setting came from, by dotted path; `sources.polygon.apiKey` too, when there is a key. */
  readonly origins: ReadonlyMap<string, ValueOrigin>
  /** `paths.data`, absolute. */
  readonly dataDir: string
  /** `logging.file`, absolute; undefined: none. */
  readonly logFile: string | undefined
  /** Config files that were read, absolute. */
  readonly configFiles: readonly string[]
  /** The instant that TAPELAKE_NOW pretends it is (it stands still), UTC epoch milliseconds. */
  readonly pretendNowMs: number | undefined
  /** Times real time by which the clock of a live recording goes on from there. */
  readonly pretendSpeed: number
}

/** Dotted path under which {@link LoadedConfig.origins} tells where the API key came from. */
export const API_KEY_PATH = 'sources.polygon.apiKey'
/** The same for the address of the Redis server that shares the call budget. */
export const REDIS_URL_PATH = 'sources.polygon.budget.redisUrl'

/**
 * Settings from flags over the environment (with `.env`) over config files over defaults. Every place is
 * checked in full, so a mistake in a file shows even where a flag would hide it.
 *
 * @throws {ConfigError} naming file, line, key path or variable, and what was expected
 */
export function loadConfig(options: LoadConfigOptions = {}): LoadedConfig {
  const { env = process.env, flags = {}, cwd = process.cwd() } = options
  const environment = readEnvironment(env, cwd)
  const home = homeOf(environment)
  const absolute = (path: string) => resolve(cwd, path.startsWith('~/') ? join(home, path.slice(2)) : path)

  const given = settingsOfRun(environment)
  const configDir = options.configDir === undefined ? undefined : absolute(options.configDir)
  const configFiles = given ? [] : findConfigFiles({ configDir, cwd, userDir: userConfigDir(environment) })
  const fileLayers = configFiles.map((path) => readConfigFile(path, cwd))
  const layers = [...fileLayers, given ?? environmentLayer(environment), flagLayer(flags)]
  refuseProblems(layers.flatMap(problemsIn))
  refuseDoubles(fileLayers)

  const tree = layers.map((layer) => layer.tree).reduce(mergeTrees, {})
  const settings = settingsSchema.parse(tree)
  const originOf = (path: string) => originAmong(layers, path)
  const key = findKey(environment, settings, originOf, absolute)
  const redisUrl = findRedisUrl(environment, settings, originOf, absolute)
  const secrets = { [API_KEY_PATH]: key?.origin, [REDIS_URL_PATH]: redisUrl?.origin }
  let origins: ReadonlyMap<string, ValueOrigin> | undefined
  const { file } = settings.logging
  return {
    ...{ settings, tree },
    logFile: file === undefined ? undefined : absolute(file),
    secrets: new Secrets(key?.value, redisUrl?.value),
    // Only people ask: to know every setting takes longer than to read those that were given.
    get origins() {
      return (origins ??= originsOf(layers, secrets))
    },
    dataDir: absolute(settings.paths.data),
    configFiles,
    pretendNowMs: nowOfEnvironment(environment),
    pretendSpeed: nowSpeedOfEnvironment(environment),
  }
}

function flagLayer(flags: Readonly<Record<string, FlagValue>>): Layer {
  const entries = Object.entries(flags).flatMap(([path, { flag, value }]) => {
    if (value === undefined) return []
    const given = typeof value === 'string' ? typedAt(path, value) : value
    return [[path, given, { kind: 'flag', place: `flag ${flag}` }] as const]
  })
  return layerOf(entries)
}

function originsOf(
  layers: readonly Layer[],
  secrets: Readonly<Record<string, ValueOrigin | undefined>>,
): Map<string, ValueOrigin> {
  const origins = new Map(settingOptions().map(({ path }) => [path, originAmong(layers, path)] as const))
  for (const [path, origin] of Object.entries(secrets)) if (origin) origins.set(path, origin)
  return origins
}

function originAmong(layers: readonly Layer[], path: string): ValueOrigin {
  const given = layers.map((layer) => (hasValue(layer, path) ? layer.origins.get(path) : undefined))
  return given.findLast((origin) => origin !== undefined) ?? { kind: 'default', place: 'default' }
}

/** The value of a setting, by its dotted path. */
export function settingAt(settings: Settings, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], settings)
}

const hasValue = ({ tree }: Layer, path: string) => settingAt(tree as Settings, path) !== undefined

function findKey(
  environment: Environment,
  settings: Settings,
  originOf: (path: string) => ValueOrigin,
  absolute: (path: string) => string,
): Variable | undefined {
  const { apiKeyFile } = settings.sources.polygon
  const fromEnvironment = keyOfEnvironment(environment)
  if (fromEnvironment || apiKeyFile === undefined) return fromEnvironment
  const setting = 'sources.polygon.apiKeyFile'
  return keyOfFile({ path: absolute(apiKeyFile), setting, origin: originOf(setting) })
}

function findRedisUrl(
  environment: Environment,
  settings: Settings,
  originOf: (path: string) => ValueOrigin,
  absolute: (path: string) => string,
): Variable | undefined {
  const { redisUrlFile } = settings.sources.polygon.budget
  const fromEnvironment = redisUrlOfEnvironment(environment)
  if (fromEnvironment || redisUrlFile === undefined) return fromEnvironment
  const setting = 'sources.polygon.budget.redisUrlFile'
  return redisUrlOfFile({ path: absolute(redisUrlFile), setting, origin: originOf(setting) })
}
