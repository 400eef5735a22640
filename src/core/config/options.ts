import { settingsJsonSchema, settingsSchema } from './schema.ts'

/** One setting that holds a value (not a section). */
export interface SettingOption {
  /** `sources.polygon.callsPerMinute` */
  readonly path: string
  /** `TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE` */
  readonly env: string
  readonly description: string | undefined
  /** What a value must be, to follow the word "expected". */
  readonly expected: string
  /** JSON types that the setting accepts. */
  readonly types: readonly string[]
  /** The value when nobody says anything; undefined: unset. `auto` is already resolved. */
  readonly default: unknown
}

/** The parts of JSON Schema that the settings use. */
interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly anyOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly description?: string
}

/** Largest bound that zod writes for "no bound". */
const UNBOUNDED = Number.MAX_SAFE_INTEGER

let cached: readonly SettingOption[] | undefined

/** Every setting, in the order of the schema. */
export function settingOptions(): readonly SettingOption[] {
  cached ??= [...optionsIn(settingsJsonSchema(), [], settingsSchema.parse({}))]
  return cached
}

/** Names directly inside the section `path` ([] = the top), or [] where it is no section. */
export function keysOf(path: readonly string[]): readonly string[] {
  let schema: JsonSchema | undefined = settingsJsonSchema()
  for (const key of path) schema = schema?.properties?.[key]
  return Object.keys(schema?.properties ?? {})
}

/** The environment variable of the setting at `path`: camelCase keys become UPPER_SNAKE, joined by `__`. */
export function envNameOf(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase())
  return ['TAPELAKE', ...words].join('__')
}

const NUMBER = /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i
const BOOLEAN = /^(true|false)$/

/**
 * A text as the type that the setting at `path` wants; left as it is where it does not fit, for the schema to refuse, and
 * where there is no such setting.
 */
export function typedAt(path: string, text: string): unknown {
  const isNumber = NUMBER.test(text.trim())
  if (!isNumber && !BOOLEAN.test(text)) return text
  const types = settingOptions().find((option) => option.path === path)?.types ?? []
  if (isNumber) return types.includes('integer') || types.includes('number') ? Number(text) : text
  return types.includes('boolean') ? text === 'true' : text
}

function* optionsIn(schema: JsonSchema, path: readonly string[], value: unknown): Iterable<SettingOption> {
  if (schema.properties) {
    for (const [key, inner] of Object.entries(schema.properties))
      yield* optionsIn(inner, [...path, key], (value as Record<string, unknown> | undefined)?.[key])
    return
  }
  yield {
    path: path.join('.'),
    env: envNameOf(path),
    description: schema.description,
    expected: expectedBy(schema),
    types: (schema.anyOf ?? [schema]).map(typeOf),
    default: value,
  }
}

function typeOf(schema: JsonSchema): string {
  return schema.type ?? typeof (schema.const ?? schema.enum?.[0])
}

function expectedBy(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(expectedBy).join(', or ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return `one of ${schema.enum.join(', ')}`
  if (schema.type === 'integer' || schema.type === 'number') return `${numberKind(schema)}${bounds(schema)}`
  if (schema.type === 'boolean') return 'true or false'
  if (schema.type === 'array') return 'a list of texts'
  return 'a text that is not empty'
}

const numberKind = (schema: JsonSchema) => (schema.type === 'integer' ? 'a whole number' : 'a number')

function bounds({ minimum = -UNBOUNDED, maximum = UNBOUNDED }: JsonSchema): string {
  const least = minimum > -UNBOUNDED
  const most = maximum < UNBOUNDED
  if (least && most) return ` from ${minimum} to ${maximum}`
  if (least) return ` of at least ${minimum}`
  return most ? ` of at most ${maximum}` : ''
}
