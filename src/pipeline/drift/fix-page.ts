/** How a page is to be read, so that a vendor's change is understood. */
export interface PageFixes {
  /** What fields are called now → what they stood for. Those of an object in a row have its path: `greeks.dlt`. */
  readonly rename: Readonly<Record<string, string>>
  /** Take texts that hold a number for the number. */
  readonly numbers: boolean
}

const TOKEN = /[{}]|"(?:[^"\\]|\\.)*"(?:\s*:)?/g
const NUMBER = /^"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"$/i

/** An object that the text is in the middle of. */
interface Open {
  /** Path of its fields, e.g. `greeks.`; '' in a row, undefined outside of the rows. */
  readonly prefix: string | undefined
  /** The field last read. */
  key: string
}

/** The JSON `body` with the fields of its results called as they should be; all else to the letter, long numbers too. */
export function fixPage(body: string, { rename, numbers }: PageFixes): string {
  if (Object.keys(rename).length === 0 && !numbers) return body
  const open: Open[] = []
  return body.replace(TOKEN, (token) => {
    const here = open.at(-1)
    if (token === '{') open.push({ prefix: prefixWithin(here, open.length), key: '' })
    else if (token === '}') open.pop()
    else if (here && token.endsWith(':')) return field(token, here, rename)
    else if (here?.prefix !== undefined && numbers) return NUMBER.exec(token)?.[1] ?? token
    return token
  })
}

function prefixWithin(parent: Open | undefined, depth: number): string | undefined {
  if (depth === 1 && parent?.key === 'results') return ''
  return parent?.prefix === undefined ? undefined : `${parent.prefix}${parent.key}.`
}

function field(token: string, here: Open, rename: PageFixes['rename']): string {
  const end = token.lastIndexOf('"') + 1
  here.key = JSON.parse(token.slice(0, end)) as string
  const { prefix } = here
  const meant = prefix === undefined ? undefined : rename[prefix + here.key]
  if (meant === undefined || !meant.startsWith(prefix!)) return token
  return JSON.stringify(meant.slice(prefix!.length)) + token.slice(end)
}
