/** What stands where a secret stood. */
export const REDACTED = '[redacted]'

/** Shorter strings than this are words, not secrets: hiding them would tear every message apart. */
const MIN_SECRET_CHARS = 4
const MAX_DEPTH = 12

const QUERY_KEY = /\b(api[-_]?key|access[-_]?token|token|signature|secret|password)(=|%3D)[^&\s"'<>\\)]*/gi
const BEARER = /\b(bearer|basic)(\s+|%20)[\w.~+/=-]{4,}/gi
const SECRET_NAME =
  /^(authorization|proxy-authorization|cookie|set-cookie|x-api-key|.*(api_?key|secret|password|access_?token))$/i
/** What HTTP clients hang on their errors: whole requests with headers and sockets. */
const CLIENT_BAGGAGE: ReadonlySet<string | symbol> = new Set(['config', 'request', 'response', 'toJSON'])

/** Takes secrets out of whatever leaves the program. */
export interface Redactor {
  /** `text` without the secrets, `apiKey=` values and bearer tokens. */
  text(text: string): string
  /** A plain copy of `value` for logs and JSON: strings and names redacted, errors flattened, bytes by length. */
  value(value: unknown): unknown
  /**
   * The same error, cleaned in place: message, stack, hint, every property of its own, causes and
   * nested errors; the request and response objects of HTTP clients are removed.
   */
  error<T>(error: T): T
}

/** @param secrets values to hide wherever they occur, also percent-encoded or JSON-escaped */
export function createRedactor(secrets: readonly (string | undefined)[]): Redactor {
  const forms = secretForms(secrets)
  const text = (given: string) => {
    let out = given
    for (const form of forms) out = out.replaceAll(form, REDACTED)
    return out.replace(QUERY_KEY, `$1$2${REDACTED}`).replace(BEARER, `$1$2${REDACTED}`)
  }
  return {
    text,
    value: (value) => copyOf(value, text, new WeakMap(), 0),
    error: (error) => {
      cleanInPlace(error, text, new WeakSet(), 0)
      return error
    },
  }
}

/** Longest first, so that no form is torn by a shorter one inside it. */
function secretForms(secrets: readonly (string | undefined)[]): readonly string[] {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (!secret || secret.length < MIN_SECRET_CHARS) continue
    forms.add(secret)
    forms.add(encodeURIComponent(secret))
    forms.add(JSON.stringify(secret).slice(1, -1))
  }
  return [...forms].sort((a, b) => b.length - a.length)
}

type CleanText = (text: string) => string

function cleanInPlace(target: unknown, text: CleanText, seen: WeakSet<object>, depth: number): void {
  if (typeof target !== 'object' || target === null || seen.has(target)) return
  seen.add(target)
  if (target instanceof Error) cleanStack(target, text)
  for (const name of Reflect.ownKeys(target)) {
    const slot = Reflect.getOwnPropertyDescriptor(target, name)
    if (!slot || !('value' in slot)) continue
    if (target instanceof Error && isBaggage(name, slot.value) && Reflect.deleteProperty(target, name))
      continue
    const clean = cleanValue(name, slot.value, text, seen, depth)
    if (clean === slot.value) continue
    if (slot.configurable) Reflect.defineProperty(target, name, { ...slot, value: clean })
    else Reflect.set(target, name, clean)
  }
}

/** By name, because some engines make the stack a getter. */
function cleanStack(error: Error, text: CleanText): void {
  const { stack } = error
  if (stack === undefined) return
  Object.defineProperty(error, 'stack', { value: text(stack), writable: true, configurable: true })
}

/** `value` as it may stay under `name`; objects are cleaned where they are. */
function cleanValue(
  name: string | symbol,
  value: unknown,
  text: CleanText,
  seen: WeakSet<object>,
  depth: number,
): unknown {
  if (typeof value === 'string') return isSecretName(name) ? REDACTED : text(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH || value instanceof Map || !isOpen(value)) return text(describe(value))
  cleanInPlace(value, text, seen, depth + 1)
  return value
}

function copyOf(value: unknown, text: CleanText, seen: WeakMap<object, unknown>, depth: number): unknown {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value
  if (value instanceof Date) return value
  if (depth >= MAX_DEPTH || !isOpen(value)) return text(describe(value))
  const known = seen.get(value)
  if (known !== undefined) return known
  if (Array.isArray(value)) {
    const list: unknown[] = []
    seen.set(value, list)
    for (const item of value) list.push(copyOf(item, text, seen, depth + 1))
    return list
  }
  const copy: Record<string, unknown> = {}
  seen.set(value, copy)
  for (const [name, item] of entriesOf(value))
    copy[text(name)] = isSecretName(name) && item != null ? REDACTED : copyOf(item, text, seen, depth + 1)
  return copy
}

function entriesOf(value: object): [string, unknown][] {
  if (value instanceof Map) return [...value].map(([name, item]) => [String(name), item])
  if (!(value instanceof Error)) return Object.entries(value)
  const own = Object.entries(value).filter(([name, item]) => !isBaggage(name, item))
  const cause = value.cause === undefined ? [] : [['cause', value.cause] as [string, unknown]]
  return [['name', value.name], ['message', value.message], ['stack', value.stack], ...cause, ...own]
}

function isBaggage(name: string | symbol, value: unknown): boolean {
  return CLIENT_BAGGAGE.has(name) && value !== null && /object|function/.test(typeof value)
}

/** Whether the parts of `value` can be reached and cleaned one by one. */
function isOpen(value: object): boolean {
  if (Array.isArray(value) || value instanceof Error || value instanceof Map) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return !ArrayBuffer.isView(value) && (prototype === null || isPlainLike(value))
}

/** Plain objects and class instances; not the built-in containers whose content hides in slots. */
function isPlainLike(value: object): boolean {
  return Object.prototype.toString.call(value) === '[object Object]'
}

function describe(value: object): string {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  return value instanceof Date ? value.toISOString() : `[${value.constructor?.name ?? 'object'}]`
}

function isSecretName(name: string | symbol): boolean {
  return typeof name === 'string' && SECRET_NAME.test(name)
}
